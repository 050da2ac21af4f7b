"""The account of Claude and its installations: the real CLI as far as it goes without its maker."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from flask.testing import FlaskClient

from opcode_htmx.app import feature_settings
from opcode_htmx.app.shared.claude_environment import find_claude
from opcode_htmx.config.settings import Settings
from opcode_htmx.features.claude_account import FEATURE
from opcode_htmx.features.context import AppContext
from opcode_htmx.lib.concurrency.jobs import Jobs
from tests.features.claude_account.logging_in import Offline, begin, finished, words
from tests.support.apps.in_process import app_of, client_of
from tests.support.cli.supervision import until
from tests.support.environment import ROOT, Sandbox, write_script
from tests.support.outside.login_server import CODE, login_server
from tests.support.pages.claude_pages import outcome_of

pytestmark = [pytest.mark.timeout(120), pytest.mark.usefixtures("integration")]


INSTALLATIONS = "settings/claude/installations"


@pytest.fixture
def home(tmp_path: Path) -> Sandbox:
    return Offline(tmp_path / "home").make()


@pytest.fixture
def client(home: Sandbox) -> Iterator[FlaskClient]:
    """An app with the stand-in."""
    source = ROOT / "tests/support/cli/login_stand_in.py"
    with app_of(home, write_script(source, home.home / "claude")) as app:
        yield client_of(app)


def test_pages_and_programs_share_one_service_also_where_loading_is_repeated(
    home: Sandbox, stand_in: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    added: list[str] = []
    with app_of(home, stand_in, jobs=False) as app:
        context: AppContext = app.extensions["opcode_context"]
        monkeypatch.setattr(Jobs, "add", lambda _, job: added.append(job.name))
        for _ in range(2):  # the first loading has failed in the middle
            assert [*FEATURE.routes(context), *FEATURE.endpoints(context)]
    assert added == ["hold log-ins to Claude"]


def test_a_person_logs_in_with_a_code_and_out_again(
    client: FlaskClient, home: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    assert "Claude is not logged in." in words(client.get("/claude/account"))
    action, link = begin(client)
    assert link == "https://login.example/authorize?code=true&state=the-state"

    second = client.post("/claude/account/login")
    assert (second.status_code, "open already" in words(second)) == (422, True)

    for code, reason in (
        ("good-code", "the whole code"),
        ("good-code#another-state", "another log-in"),
        ("a b;c#the-state", "the whole code"),
    ):
        answer = client.post(action, data={"code": code})
        assert answer.status_code == 422
        assert reason in words(answer)
    assert not (home.config_dir / "account").exists()

    answer = client.post(action, data={"code": " good-code#the-\nstate "})
    assert answer.status_code == 303
    page = client.get("/claude/account")
    assert "Claude is logged in." in words(page)
    assert "ann@example.org" in page.text
    assert "t0p-secret" not in page.text
    kept = b"".join(p.read_bytes() for p in (home.state / "claude_login").iterdir())
    assert b"good-code" not in kept
    assert b"the-state" not in kept
    assert "good-code" not in caplog.text

    assert client.post(action, data={"code": "good-code#the-state"}).status_code == 422
    assert "logged out" in finished(client, client.post("/claude/account/logout"))
    assert not (home.config_dir / "account").exists()


def test_a_code_that_is_refused_or_a_cancel_ends_the_log_in(client: FlaskClient) -> None:
    action, _ = begin(client)
    answer = client.post(action, data={"code": "wrong-code#the-state"})
    assert answer.status_code == 422
    assert "not accepted" in words(answer)
    assert "wrong-code" not in answer.text
    action, _ = begin(client)
    assert client.post(action, data={"act": "cancel"}).status_code == 303
    assert client.get("/claude/account/login").status_code == 303
    action, _ = begin(client)
    client.post(action, data={"act": "cancel"})


def api(client: FlaskClient, method: str, path: str, body: object = None) -> tuple[int, Any]:
    """The status of the answer, and its data or its sentence."""
    answer = client.open(f"/api/{path}", method=method, json=body)
    assert "t0p-secret" not in answer.text
    return outcome_of(answer)


def test_api_logs_in_with_a_code_and_out_again(
    client: FlaskClient, home: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    status, account = api(client, "GET", "account")
    assert (status, account["is_logged_in"], account["email"]) == (200, False, None)
    assert api(client, "GET", "account/login") == (200, None)

    status, login = api(client, "POST", "account/login", {"account": "console"})
    assert (status, login["state"], login["account"]) == (201, "open", "console")
    assert login["url"] == "https://login.example/authorize?code=true&state=the-state"
    assert login["until"] > time.time()
    status, sentence = api(client, "POST", "account/login", {})
    assert (status, "open already" in sentence) == (422, True)
    address = f"account/login/{login['id']}"
    status, sentence = api(client, "POST", address, {"code": "good-code#another-state"})
    assert (status, "another log-in" in sentence) == (422, True)
    assert api(client, "GET", "account/login") == (200, login)

    status, done = api(client, "POST", address, {"code": "good-code#the-state"})
    assert (status, done["state"], done["url"], done["problem"]) == (200, "done", None, None)
    _, account = api(client, "GET", "account")
    assert (account["is_logged_in"], account["email"]) == (True, "ann@example.org")
    assert account["by"] == "Claude subscription"
    assert "good-code" not in caplog.text
    assert "action=claude.log_in" in caplog.text

    status, act = api(client, "POST", "account/logout", {})
    assert status == 202
    ended = until(lambda: _ended(client, act["id"]), "the act has an outcome")
    assert ended == "Claude is logged out on this computer."
    assert not (home.config_dir / "account").exists()


def _ended(client: FlaskClient, act_id: str) -> str:
    return str(api(client, "GET", f"acts/{act_id}")[1]["message"])


def test_api_ends_a_log_in_by_a_refused_code_or_a_cancel(client: FlaskClient) -> None:
    _, login = api(client, "POST", "account/login", {})
    address = f"account/login/{login['id']}"
    status, sentence = api(client, "POST", address, {"code": "wrong-code#the-state"})
    assert (status, "not accepted" in sentence, "wrong-code" in sentence) == (422, True, False)
    _, found = api(client, "GET", "account/login")
    assert (found["state"], found["url"], found["problem"]) == ("failed", None, sentence)
    _, login = api(client, "POST", "account/login", {})
    assert api(client, "DELETE", f"account/login/{login['id']}") == (200, None)
    _, found = api(client, "GET", "account/login")
    assert (found["state"], found["problem"]) == ("failed", "It was cancelled.")
    assert api(client, "POST", f"account/login/{login['id']}", {"code": "a#b"})[0] == 422
    assert api(client, "POST", "account/login/another", {"code": "a#b"})[0] == 404
    assert api(client, "DELETE", "account/login/another")[0] == 404


def test_the_real_cli_is_logged_in_by_a_code_and_out_again_and_says_when_it_reaches_nobody(
    tmp_path: Path, claude: Path
) -> None:
    with ExitStack() as apps:
        with login_server(tmp_path) as server:

            class Online(Offline):
                proxy = server.variables

            home = Online(tmp_path / "home").make()
            client = client_of(apps.enter_context(app_of(home, claude)))
            assert "updated with the Python package" in words(client.get("/claude/account"))
            action, link = begin(client)
            assert link.startswith("https://claude.com/")
            wrong = client.post(action, data={"code": f"wrong-code#{state_of(link)}"})
            assert (wrong.status_code, "not accepted" in words(wrong)) == (422, True)

            action, link = begin(client)
            right = {"code": f"{CODE}#{state_of(link)}"}
            assert client.post(action, data=right).status_code == 303
            page = client.get("/claude/account")
            for text in ("Claude is logged in.", "ann@example.org", "Orchard"):
                assert text in words(page)
            assert "t0p-secret" not in page.text

            assert "logged out" in finished(client, client.post("/claude/account/logout")).lower()
            assert "Claude is not logged in." in words(client.get("/claude/account"))
        assert "POST /v1/oauth/token/revoke" in server.requests

        action, link = begin(client, **{"with": "console"})
        assert link.startswith("https://platform.claude.com/")
        answer = client.post(action, data={"code": f"some-code#{state_of(link)}"})
        assert (answer.status_code, "could not reach Anthropic" in words(answer)) == (422, True)
        wheel = {"path": str(claude), "act": "update"}
        assert client.post("/claude/account/version", data=wheel).status_code == 422


def state_of(link: str) -> str:
    return parse_qs(urlsplit(link).query)["state"][0]


def test_an_installation_is_updated_and_one_that_claude_path_fixes_is_not_exchanged(
    client: FlaskClient, home: Sandbox
) -> None:
    path = str(home.home / "claude")
    assert "2.1.330" in client.get("/claude/account").text
    update = client.post("/claude/account/version", data={"path": path, "act": "update"})
    assert "Successfully updated to 2.1.999" in finished(client, update)
    assert "2.1.999" in client.get("/claude/account").text
    answer = client.post("/claude/account/version", data={"path": path})
    assert answer.status_code == 422
    assert "CLAUDE_PATH" in words(answer)
    nowhere = {"path": "/bin/true", "act": "update"}
    assert client.post("/claude/account/version", data=nowhere).status_code == 422

    _, found = api(client, "GET", INSTALLATIONS)
    (used,) = [each for each in found if each["is_used"]]
    assert (used["path"], used["version"], used["is_updatable"]) == (path, "2.1.999", True)
    status, act = api(client, "POST", f"{INSTALLATIONS}/update", {"path": path})
    assert status == 202
    outcome = until(lambda: _ended(client, act["id"]), "the act has an outcome")
    assert outcome == "Successfully updated to 2.1.999"
    assert api(client, "POST", f"{INSTALLATIONS}/update", {"path": "/bin/true"})[0] == 422
    status, sentence = api(client, "PUT", f"{INSTALLATIONS}/chosen", {"path": path})
    assert (status, "CLAUDE_PATH" in sentence) == (422, True)
    assert api(client, "GET", f"{INSTALLATIONS}/chosen")[1]["is_fixed"] is True


def test_the_chosen_installation_is_used_at_the_next_start_and_the_newest_if_it_is_gone(
    home: Sandbox,
) -> None:
    source = ROOT / "tests/support/cli/login_stand_in.py"
    place = home.home / ".local/bin"
    place.mkdir(parents=True)
    old = write_script(source, place / "claude")
    old.with_suffix(".version").write_text("2.1.200 (Claude Code)")
    environment = {
        **home.environment(),
        "OPCODE_STATE_DIR": str(home.state),
        "OPCODE_DEMO": "0",
    }
    settings = Settings.from_env(environment, feature_settings.load())
    home.state.mkdir()
    assert find_claude(settings).binary.path != old
    with app_of(home, None) as app:
        client, chosen = client_of(app), f"{INSTALLATIONS}/chosen"
        found = {each["path"]: each for each in api(client, "GET", INSTALLATIONS)[1]}
        assert (found[str(old)]["is_used"], found[str(old)]["is_chosen"]) == (False, False)
        none = {"path": None, "is_fixed": False, "is_waiting": False, "is_starting": False}
        assert api(client, "GET", chosen) == (200, none)
        assert api(client, "PUT", chosen, {"path": "/bin/true"})[0] == 422
        waiting = {**none, "path": str(old), "is_waiting": True}
        assert api(client, "PUT", chosen, {"path": str(old)}) == (200, waiting)
        assert find_claude(settings).binary.path == old
        assert api(client, "PUT", chosen, {"path": None}) == (200, none)
        assert find_claude(settings).binary.path != old
        assert client.post("/claude/account/version", data={"path": str(old)}).status_code == 303
        assert api(client, "GET", chosen) == (200, waiting)
    assert find_claude(settings).binary.path == old
    old.unlink()
    assert find_claude(settings).binary.path != old
