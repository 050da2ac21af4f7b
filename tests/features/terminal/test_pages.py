"""The pages and the API of terminals: off by default, for the owner, and whole without scripts."""

from __future__ import annotations

import logging
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from flask import Flask
from flask.testing import FlaskClient

from opcode_htmx.engines.claude.files.history import project_id
from opcode_htmx.features.context import AppContext
from opcode_htmx.features.terminal import routes
from opcode_htmx.lib.audit_log import LOGGER
from opcode_htmx.lib.identity import Identity
from opcode_htmx.lib.pty.messages import COLUMNS
from opcode_htmx.sessions.terminals.model import TerminalsOff
from opcode_htmx.sessions.terminals.services import services
from tests.support.apps.in_process import app_of, client_of
from tests.support.clients import api
from tests.support.environment import Sandbox, until, write_stand_in
from tests.support.terminals import kill_terminals

pytestmark = [pytest.mark.usefixtures("integration"), pytest.mark.timeout(60)]

SESSION = "5e551000-0000-4000-8000-000000000019"


@pytest.fixture(scope="module")
def app(shared_home: Sandbox) -> Iterator[Flask]:
    (shared_home.home / ".bash_profile").write_text("PS1='$ '\n")
    variables = {"OPCODE_PROJECT_ROOTS": str(shared_home.project.parent), "SHELL": "/bin/bash"}
    claude = write_stand_in(shared_home.home / "claude")
    with app_of(shared_home, claude, jobs=False, **variables) as app:
        yield app


@pytest.fixture
def sandbox(shared_home: Sandbox) -> Iterator[Sandbox]:
    """With a project for one test, whose terminals are gone afterwards."""
    yield shared_home.with_own_project()
    kill_terminals(shared_home.state / "terminals")
    for each in (shared_home.state / "terminals").glob("*/"):
        shutil.rmtree(each)


def opened(client: FlaskClient, sandbox: Sandbox, **form: str) -> str:
    """The address of a new terminal."""
    answer = client.post(
        "/terminal", data={"program": "shell", "folder": str(sandbox.project), **form}
    )
    assert answer.status_code == 303, answer.text
    return answer.location


def shows(client: FlaskClient, address: str, words: str) -> None:
    until(lambda: words in client.get(address).text, f"{address} shows {words!r}")


def test_without_the_setting_there_is_no_terminal(tmp_path: Path, stand_in: Path) -> None:
    doors = [("GET", "/terminal"), ("POST", "/terminal"), ("GET", f"/terminal/{'1' * 32}")]
    doors += [("GET", "/api/terminals"), ("POST", f"/api/terminals/{'1' * 32}/end")]
    sandbox = Sandbox(tmp_path / "home").make()
    with app_of(sandbox, stand_in, jobs=False, OPCODE_TERMINAL="0") as app:
        client = client_of(app)
        for method, path in doors:
            answer = client.open(path, method=method, json={} if "api" in path else None)
            shut = (answer.status_code, "OPCODE_TERMINAL=1" in answer.text)
            assert shut == (404, True), (method, path)
        assert 'href="/terminal"' not in client.get("/").text


def test_only_the_owner_may_use_it(app: Flask) -> None:
    context: AppContext = app.extensions["opcode_context"]
    found = context.once(services)
    found.allow(Identity("opcode", "1", ("owner",)))
    for roles in ((), ("viewer",), ("system",)):
        with pytest.raises(TerminalsOff, match="Only the owner"):
            found.allow(Identity("opcode", "1", roles))


def test_a_shell_is_used_without_scripts(
    client: FlaskClient, sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, LOGGER)
    address = opened(client, sandbox)
    shows(client, address, "$")
    assert client.post(f"{address}/type", data={"text": "echo $((6*7)) äpfel"}).status_code == 303
    shows(client, address, "42 äpfel")
    client.post(f"{address}/type", data={"text": "sleep 1234"})
    shows(client, address, "sleep 1234")
    client.post(f"{address}/type", data={"key": "interrupt"})
    shows(client, address, "^C")
    assert f"Shell in {sandbox.name}" in client.get("/terminal").text
    assert client.post(f"{address}/remove").status_code == 409
    assert client.post(f"{address}/end").status_code == 303
    assert "ended by signal 1" in client.get("/terminal").text
    assert client.post(f"{address}/type", data={"text": "x"}).status_code == 409
    shows(client, address, "42 äpfel")
    assert client.post(f"{address}/remove").status_code == 303
    assert client.get(address).status_code == 404
    acts = [re.search(r"action=(\S+) .*terminal=\w{32}", each) for each in caplog.messages]
    assert [act[1] for act in acts if act] == ["terminal.open", "terminal.end", "terminal.remove"]
    assert "äpfel" not in caplog.text


@pytest.mark.parametrize(
    ("form", "status"),
    [
        ({"program": ""}, 422),
        ({"program": "/bin/sh"}, 422),
        ({"folder": "/"}, 422),
        ({"folder": ""}, 422),
        ({"program": "resume", "session": SESSION}, 404),
    ],
)
def test_a_wrong_form_starts_nothing(
    client: FlaskClient, sandbox: Sandbox, form: dict[str, str], status: int
) -> None:
    data = {"program": "shell", "folder": str(sandbox.project), **form}
    answer = client.post("/terminal", data=data)
    assert answer.status_code == status, answer.text
    assert not list((sandbox.state / "terminals").glob("*/"))


def test_without_scripts_a_link_shows_what_has_come_since(
    client: FlaskClient, sandbox: Sandbox
) -> None:
    address = opened(client, sandbox)
    here = address
    for there in (f"{address}?again=1", address, f"{address}?again=1"):
        page = client.get(here).text
        # a browser loads nothing for an address that is the page's but for its fragment
        assert f'href="{there}#end">Refresh</a></noscript>' in page
        assert page.index('id="terminal-text"') < page.index('id="end"') < page.index("</pre>")
        here = there
    assert f'href="{address}#end"' in client.get("/terminal").text


def test_without_scripts_the_page_after_typing_has_what_came_of_it(
    client: FlaskClient, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(routes, "SHOWN_SECONDS", 30.0)
    monkeypatch.setattr(routes, "QUIET_SECONDS", 5.0)  # longer than the shell takes, if it is slow
    address = opened(client, sandbox)
    answer = client.post(f"{address}/type", data={"text": "sleep 0.1; seq 41 45; exit"})
    assert answer.location == f"{address}#end"
    assert "\n44\n45\n" in client.get(address).text


def test_columns_stay_columns_and_hidden_characters_are_shown(
    client: FlaskClient, sandbox: Sandbox
) -> None:
    address = opened(client, sandbox)
    client.post(f"{address}/type", data={"text": "printf '%-60s1,1\\u202e\\n' 263B"})
    shows(client, address, f"263B{' ' * 56}1,1")
    assert "⟨U+202E⟩" in client.get(address).text


def test_a_wrong_key_is_refused(client: FlaskClient, sandbox: Sandbox) -> None:
    address = opened(client, sandbox)
    assert client.post(f"{address}/type", data={"key": "no such"}).status_code == 422
    assert client.post(f"{address}/type", data={"text": "x" * 100_001}).status_code == 422


def test_a_session_and_a_project_lead_to_a_terminal_in_their_folder(
    client: FlaskClient, sandbox: Sandbox
) -> None:
    api.session(sandbox.config_dir, sandbox.project, api.prompt("Prune", sandbox.project), SESSION)
    project = project_id(sandbox.project)
    session_page = client.get(f"/projects/{project}/sessions/{SESSION}").text
    link = re.search(r'href="(/terminal\?[^"]*)"', session_page)
    assert link
    page = client.get(link[1].replace("&amp;", "&")).text
    assert f'value="{sandbox.project}"' in page
    assert f'name="session" value="{SESSION}"' in page
    assert f'href="/projects/{project}/sessions/{SESSION}#end"' in page
    link = re.search(r'href="(/terminal\?[^"]*)"', client.get(f"/projects/{project}").text)
    assert link
    page = client.get(link[1].replace("&amp;", "&")).text
    assert f'value="{sandbox.project}"' in page
    assert f'href="/projects/{project}"' in page
    assert 'class="back"' not in client.get("/terminal?project=nowhere").text


def test_programs_start_type_and_end(client: FlaskClient, sandbox: Sandbox) -> None:
    body = {"folder": str(sandbox.project), "columns": 132, "rows": 50}
    started = client.post("/api/terminals", json=body)
    assert started.status_code == 201
    terminal = started.get_json()["data"]
    assert (terminal["is_live"], terminal["folder"]) == (True, str(sandbox.project))
    address = f"/api/terminals/{terminal['id']}"
    assert client.post(f"{address}/type", json={"text": "stty size; exit 4\r"}).status_code == 200

    def listed() -> object:
        (found,) = client.get("/api/terminals").get_json()["data"]["terminals"]
        return not found["is_live"] and found["status"] == 4

    until(listed, "the shell has ended")
    assert "50 132" in client.get(f"/terminal/{terminal['id']}").text
    assert client.post(f"{address}/end").status_code == 409
    assert client.delete(address).status_code == 200
    assert client.delete(address).status_code == 404
    too_wide = {**body, "columns": COLUMNS[1] + 1}
    assert client.post("/api/terminals", json=too_wide).status_code == 422


def test_the_process_of_a_terminal_is_not_listed_as_left_over(
    app: Flask, client: FlaskClient, sandbox: Sandbox
) -> None:
    opened(client, sandbox)
    context: AppContext = app.extensions["opcode_context"]
    (pid,) = context.once(services).terminals.host_pids()
    found = client.get("/mgmt/processes").get_json()["data"]
    assert "opcode_htmx.lib.pty.host" in " ".join(psutil.Process(pid).cmdline())
    assert pid not in [each["pid"] for each in found["others"]]
