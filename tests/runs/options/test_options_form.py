"""The options of a session by the forms of its pages."""

from __future__ import annotations

import uuid

import pytest
import requests

from opcode_htmx.engines.claude.protocol import argv
from tests.runs.options.choosing import arguments, choosing, kept, newest_run
from tests.support.cli.supervision import Supervision, new_id, until
from tests.support.server import Server


def begin(server: Server, **fields: str) -> str:
    response = start(server, **fields)
    assert response.status_code == 303, response.text
    return response.headers["Location"].removesuffix("#end")


def start(server: Server, **fields: str) -> requests.Response:
    form = {
        "folder": str(server.sandbox.project),
        "session_id": str(uuid.uuid4()),
        "prompt_id": str(uuid.uuid4()),
        "prompt": '[["report"], ["exit", 0]]',
        **fields,
    }
    return server.post("/sessions", form)


def test_options_chosen_at_the_start_reach_claude_and_the_next_process(
    server: Server,
) -> None:
    chosen = {
        "model": "opus",
        "effort": "high",
        "permission_mode": "plan",
        "was_keep_running": "on",
    }
    path = begin(server, **chosen)
    until(lambda: newest_run(server, path)["end"], "it ended")
    assert kept(server, path) == {
        "model": "opus",
        "effort": "high",
        "permission_mode": "plan",
        "keep_running": False,
    }
    server.post(f"{path}/prompt", {"prompt": "again", "prompt_id": str(uuid.uuid4())})
    started_with = arguments(server, path)
    for name, value in (("--model", "opus"), ("--effort", "high"), ("--permission-mode", "plan")):
        assert argv.option(started_with, name) == value


@pytest.mark.parametrize(
    ("fields", "status", "sentence"),
    [
        ({"model": "--dangerously-skip-permissions"}, 422, "no such choice"),
        ({"model": "a b"}, 422, "no such choice"),
        ({"effort": "enormous"}, 422, "no such choice"),
        ({"permission_mode": "yolo"}, 422, "no such choice"),
        ({"permission_mode": "bypassPermissions"}, 403, "not allowed on this server"),
    ],
)
def test_invalid_option_is_refused_and_nothing_starts(
    server: Server, fields: dict[str, str], status: int, sentence: str
) -> None:
    runs = list((server.sandbox.state / "runs").glob("*"))
    response = start(server, prompt="my words", **fields)
    assert response.status_code == status
    assert sentence in response.text
    assert "my words</textarea>" in response.text
    assert list((server.sandbox.state / "runs").glob("*")) == runs


def test_form_changes_only_the_edited_fields(server: Server) -> None:
    path = begin(server, model="opus", prompt='[["exit", 0]]')
    until(lambda: newest_run(server, path)["end"], "it ended")
    old_page = {"model": "", "was_model": "", "was_keep_running": "on"}
    assert server.post(f"{path}/options", old_page).status_code == 303
    assert kept(server, path) == {"model": "opus", "keep_running": False}
    back = {"model": "", "was_model": "opus", "keep_running": "on", "was_keep_running": ""}
    server.post(f"{path}/options", back)
    assert kept(server, path) == {"keep_running": True}


def test_bypass_on_a_server_that_does_not_allow_it_is_forbidden(server: Server) -> None:
    path = begin(server)
    response = server.post(f"{path}/options", {"permission_mode": "bypassPermissions"})
    assert response.status_code == 403
    assert "OPCODE_ALLOW_BYPASS=1" in response.text
    assert 'value="bypassPermissions"' not in server.get(path).text


def test_option_change_reaches_viewers_without_a_run(supervision: Supervision) -> None:
    session = new_id()
    seen = supervision.supervisor.changes(session).version
    choosing(supervision).choose(session, model="opus")
    assert supervision.supervisor.changes(session).version > seen


def test_the_options_of_a_session_that_does_not_exist_are_404(server: Server) -> None:
    path = begin(server).rsplit("/", 1)[0]
    assert server.post(f"{path}/{uuid.uuid4()}/options", {"model": "opus"}).status_code == 404
