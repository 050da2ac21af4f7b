"""A pull request is opened by `gh`, which gets what it needs, and shown with its state."""

from __future__ import annotations

import html
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask

from opcode_htmx.features.commits import pull_requests
from scripts import debian_programs
from tests.features.commits.desk import Desk
from tests.support.apps.in_process import app_of
from tests.support.environment import SYSTEM_PATH, Sandbox, missing, write_stand_in
from tests.support.outside.github_graphql import TOKEN, github

ADDRESS = "https://github.com/a/b/pull/7"
GH = f"""#!/bin/sh
printf '%s\\n' "$PWD" "$@" > "$HOME/gh-arguments"
cat > "$HOME/gh-stdin"
case "$2" in
create) echo {ADDRESS} ;;
view) echo '{
    json.dumps(
        {
            "title": "Prune",
            "state": "OPEN",
            "isDraft": False,
            "statusCheckRollup": [{"conclusion": "SUCCESS"}, {"state": "PENDING"}],
            "reviewDecision": "REVIEW_REQUIRED",
        }
    )
}' ;;
esac
"""


def pushed(desk: Desk) -> Desk:
    """A branch that is pushed, as far as git knows."""
    repo = desk.repo
    repo.plain("remote", "add", "origin", "git@github.com:a/b.git")
    repo.plain("update-ref", "refs/remotes/origin/main", "HEAD")
    repo.plain("switch", "-qc", "grow")
    repo.commit("Prune the trees")
    repo.plain("update-ref", "refs/remotes/origin/grow", "HEAD")
    repo.plain("branch", "-q", "--set-upstream-to=origin/grow")
    return desk


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Sandbox:
    """With a folder for a stand-in for `gh`."""
    found = Sandbox(tmp_path_factory.mktemp("pulls") / "home").make()
    (found.home / "bin").mkdir()
    return found


@pytest.fixture(scope="module")
def app(home: Sandbox) -> Iterator[Flask]:
    paths = {"PATH": f"{home.home / 'bin'}:{SYSTEM_PATH}"}
    paths["OPCODE_PROJECT_ROOTS"] = str(home.project.parent)
    with app_of(home, write_stand_in(home.home / "claude"), jobs=False, **paths) as app:
        yield app


@pytest.fixture
def desk(app: Flask, home: Sandbox) -> Desk:
    program = home.home / "bin" / "gh"
    program.write_text(GH)
    program.chmod(0o755)
    return pushed(Desk(app, home.with_own_project()))


def test_it_is_opened_with_its_text_on_stdin_and_its_state_is_shown(
    desk: Desk, home: Sandbox
) -> None:
    assert 'value="Prune the trees"' in desk.page("/pull-request")
    answer = desk.post("/pull-request", title="Prune --web", body="Line\r\nline", base="main")
    assert answer.status_code == 303
    folder, *arguments = (home.home / "gh-arguments").read_text().splitlines()
    shown = desk.client.get(answer.headers["Location"]).text
    assert folder != str(desk.repo.top)
    assert arguments[:4] == ["pr", "create", "--repo", "a/b"]
    assert "--title=Prune --web" in arguments and "--head=grow" in arguments
    assert f'href="{ADDRESS}"' in shown
    for words in ("open", "1 of 2 checks passed", "review required"):
        assert words in shown


def test_a_card_in_a_session_shows_its_state_and_asks_once_a_minute(
    desk: Desk, home: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    address, called = ADDRESS.replace("7", "8"), home.home / "gh-arguments"
    page = desk.page("/pull-request/state", address=address)
    assert "Open · 1 of 2 checks passed · review required</a>" in page
    called.unlink()
    assert desk.page("/pull-request/state", address=address) == page
    assert not called.exists()
    monkeypatch.setattr(pull_requests, "RECENT", 0.0)
    refusing = '#!/bin/sh\ntouch "$HOME/gh-arguments"\nexit 1\n'
    (home.home / "bin" / "gh").write_text(refusing)
    assert ">Its state</a>" in desk.page("/pull-request/state", address=address)
    monkeypatch.undo()
    called.unlink()
    assert ">Its state</a>" in desk.page("/pull-request/state", address=address)
    assert not called.exists()
    assert desk.client.get(f"{desk.git}/pull-request/state?address=x").status_code == 422


def test_it_is_refused_where_it_cannot_be_opened(desk: Desk) -> None:
    assert desk.post("/pull-request", title=" ", body="", base="main").status_code == 422
    assert desk.post("/pull-request", title="x", body="", base="--web").status_code == 422
    desk.repo.commit("one more")
    assert "Push first" in desk.page("/pull-request")
    answer = desk.post("/pull-request", title="x", body="", base="main")
    assert (answer.status_code, "Push the branch first" in answer.text) == (422, True)


def test_without_gh_there_is_the_address_to_open_one(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pull_requests.PullRequests, "has_gh", False)
    page = desk.page("/pull-request")
    assert 'href="https://github.com/a/b/compare/main...grow?expand=1"' in page
    assert f'href="{ADDRESS}"' in desk.page("/pull-request", address=ADDRESS)
    desk.repo.plain("remote", "set-url", "origin", "https://evil.example/github.com/a/b")
    assert desk.client.get(f"{desk.git}/pull-request").status_code == 409


def test_the_real_gh_opens_one_and_says_what_becomes_of_it(
    sandbox: Sandbox, stand_in: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = debian_programs.find("gh")
    if program is None:
        missing("gh", "install it (Debian: apt-get install gh).")
        raise AssertionError
    monkeypatch.setattr(pull_requests, "RECENT", 0.0)
    path = f"{Path(program).parent}:{SYSTEM_PATH}"
    with (
        github(tmp_path) as hub,
        app_of(sandbox, stand_in, jobs=False, PATH=path, **hub.variables) as app,
    ):
        desk = pushed(Desk(app, sandbox))
        request = {"title": "Prune", "body": "Line\r\nline", "base": "main"}
        hub.problem = "A pull request already exists for a:grow."
        refused = desk.post("/pull-request", **request)
        assert "There is a pull request of this branch already." in refused.text
        hub.problem = ""
        opened = desk.post("/pull-request", **request)
        assert (opened.status_code, hub.created["body"]) == (303, "Line\nline")
        assert (hub.created["headRefName"], hub.created["baseRefName"]) == ("grow", "main")
        shown = desk.client.get(opened.headers["Location"]).text
        assert "1 of 2 checks passed" in shown and "review required" in shown
        for state, words in (("OPEN", "Open"), ("MERGED", "Merged"), ("CLOSED", "Closed")):
            hub.state = state
            assert f"{words} · 1 of 2" in desk.page("/pull-request/state", address=ADDRESS)
        hub.token = "another"
        refused = desk.post("/pull-request", **request)
        assert "GitHub does not accept the login of `gh`" in html.unescape(refused.text)
        assert TOKEN not in refused.text
        assert ">Its state</a>" in desk.page("/pull-request/state", address=ADDRESS)
