"""Clones by programs: from a real git server, cancelled, killed, private, deleted with care."""

from __future__ import annotations

import logging
import threading
from pathlib import Path

import gevent
import psutil
import pytest

from opcode_htmx.config.declarations import SettingsError
from opcode_htmx.sessions.repositories import transfers
from opcode_htmx.sessions.repositories.services import services
from tests.features.repositories.conftest import TOKEN, Shed
from tests.features.repositories.held import held, names_in
from tests.support.apps.in_process import app_of
from tests.support.environment import Sandbox, until
from tests.support.outside.git_server import commit, git

SESSION = "7c2f1d9e-4b3a-4c8e-9d21-5f6a7b8c9d0e"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfers, "EVERY_SECONDS", 0.02)


def test_a_repository_is_cloned_once_and_refreshed(shed: Shed) -> None:
    remote = shed.server.repository("o/n", branches=("other",))
    found = shed.clone()
    assert (found["repo"], found["branch"], found["branches"]) == ("o__n", "main", 2)
    assert found["url"] == f"{shed.server.url}/o/n"
    assert names_in(shed.folder / "repos") == ["o__n"]
    asked = len(shed.server.paths)
    assert shed.clone("O/N")["repo"] == "o__n"
    assert len(shed.server.paths) == asked

    git(remote, "branch", "third", "main")
    again = {"url": f"{shed.server.url}/o/n", "refresh": True}
    assert shed.client.post("/mgmt/repos/clone", json=again).status_code == 202
    assert shed.ended("o__n")["branches"] == 3


def test_any_address_is_cloned_and_others_are_refused(shed: Shed, tmp_path: Path) -> None:
    remote = shed.server.repository("o/n")
    near = shed.sandbox.project / "near" / "tools"
    near.parent.mkdir()
    remote.rename(near)
    answer = shed.client.post("/mgmt/repos/clone", json={"url": str(near)})
    assert shed.ended(answer.get_json()["data"]["repo"])["repo"] == "near__tools"
    for body, status, words in (
        ({"url": "ext::sh -c true"}, 422, "start a program"),
        ({"url": "https://me:secret@h.example/o/n"}, 422, "Leave the user"),
        ({"url": "/etc"}, 422, "OPCODE_PROJECT_ROOTS"),
        ({"repo": "no-slash"}, 422, "owner/name"),
        ({}, 422, "either repo or url"),
        ({"repo": "a/b", "url": "c"}, 422, "either repo or url"),
        ({"url": f"{shed.server.url}/near/tools"}, 409, "another clone"),
        ({"repo": "a/b", "name": "../x"}, 409, "two parts"),
    ):
        refused = shed.client.post("/mgmt/repos/clone", json=body)
        assert (refused.status_code, words in refused.get_json()["error"]) == (status, True), body
        assert "secret" not in refused.text
    assert [each["repo"] for each in shed.get("/mgmt/repos")] == ["near__tools"]


def test_a_failure_is_a_sentence_and_can_be_tried_again(shed: Shed) -> None:
    found = shed.clone(state="failed")
    assert "no such repository" in found["transfer"]["error"]
    assert names_in(shed.folder / "repos") == []
    page = shed.client.get("/repositories/o__n").text
    assert "Try again" in page
    assert "What git said" in page
    shed.server.repository("o/n")
    assert shed.client.post("/repositories/o__n/again").status_code == 303
    assert shed.ended("o__n")["is_cloned"]


def test_a_failed_one_is_forgotten(shed: Shed) -> None:
    shed.clone(state="failed")
    assert shed.client.post("/mgmt/repos/o__n/cancel").status_code == 200
    assert shed.get("/mgmt/repos") == []
    assert shed.client.get("/mgmt/repos/o__n").status_code == 404


def test_a_clone_shows_how_far_it_is_and_is_cancelled(shed: Shed) -> None:
    held(shed)
    until(
        lambda: shed.get("/mgmt/repos/o__n")["transfer"]["step"],
        "it says what it does",
        sleep=lambda: gevent.sleep(0.02),
    )
    assert "<progress" in shed.client.get("/repositories").text
    assert shed.client.post("/mgmt/repos/o__n/cancel").status_code == 200
    assert not shed.ended("o__n", "cancelled")["is_cloned"]
    assert names_in(shed.folder / "repos") == []
    assert [
        each for each in psutil.Process().children(recursive=True) if "git" in each.name()
    ] == []


def test_two_requests_are_one_clone_and_another_act_waits(shed: Shed) -> None:
    held(shed)
    assert shed.client.post("/mgmt/repos/clone", json={"repo": "o/n"}).status_code == 202
    assert sum("upload-pack" in path for path in shed.server.paths if "info" in path) == 1
    other = shed.server.repository("elsewhere/n")
    answer = shed.client.post(
        "/mgmt/repos/clone", json={"url": f"{shed.server.url}/elsewhere/n", "name": "o__n"}
    )
    assert answer.status_code == 409
    assert other.exists()
    assert shed.server.hold
    shed.server.hold.set()
    shed.ended("o__n")


def test_a_dead_server_leaves_no_half_clone_and_says_that_it_was_interrupted(shed: Shed) -> None:
    held(shed)
    found = shed.context.once(services)
    # The worker is killed: nothing of it runs on, its locks are free, its folder stays
    (greenlet,) = found.transfers._running
    (begun,) = (path for _, path in found.places.begun_clones())
    greenlet.kill()
    begun.mkdir()
    assert shed.get("/mgmt/repos/o__n")["transfer"]["state"] == "interrupted"
    assert not shed.get("/mgmt/repos/o__n")["is_cloned"]
    assert "Try again" in shed.client.get("/repositories").text
    found.transfers.clean_up()
    assert names_in(shed.folder / "repos") == []
    assert shed.server.hold
    shed.server.hold.set()
    shed.client.post("/repositories/o__n/again")
    assert shed.ended("o__n")["is_cloned"]


def test_a_clean_up_leaves_a_clone_that_goes_on(shed: Shed) -> None:
    held(shed)
    found = shed.context.once(services)
    found.transfers.clean_up()
    assert len(list(found.places.begun_clones())) == 1


@pytest.mark.parametrize("settings", [{"OPCODE_MIN_FREE": "900T"}])
def test_a_clone_ends_when_the_disk_is_nearly_full(shed: Shed) -> None:
    shed.server.repository("o/n", files=40)
    shed.server.hold = threading.Event()
    found = shed.clone(state="failed")
    assert "OPCODE_MIN_FREE" in found["transfer"]["error"]
    assert names_in(shed.folder / "repos") == []


@pytest.mark.parametrize("settings", [{"OPCODE_GITHUB_TOKEN": TOKEN, "GITHUB_USER": "me"}])
def test_a_private_clone_shows_its_token_nowhere(
    shed: Shed, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    shed.server.login = ("me", TOKEN)
    held(shed)
    children = psutil.Process().children(recursive=True)
    arguments = [" ".join(each.cmdline()) for each in children if each.is_running()]
    assert any("git" in line for line in arguments)
    assert not any(TOKEN in line for line in arguments)
    assert shed.server.hold
    shed.server.hold.set()
    shed.ended("o__n")
    shed.server.login = ("me", "another")
    shed.client.post("/repositories/o__n/refresh")
    refused = shed.ended("o__n", "failed")
    assert "refuses the login" in refused["transfer"]["error"]
    pages = "".join(
        shed.client.get(path).text
        for path in ("/repositories", "/repositories/o__n", "/mgmt/repos", "/resources")
    )
    assert "What git said" in pages
    assert TOKEN not in pages + caplog.text + repr(shed.context.settings)
    assert TOKEN.encode() not in shed.everything_kept()
    environment = shed.context.settings.child_environment
    assert TOKEN not in environment.values()
    assert "GITHUB_TOKEN" not in environment


@pytest.mark.parametrize("settings", [{"GITHUB_TOKEN": TOKEN}])
def test_a_token_of_the_person_s_environment_is_used_and_stays_claude_s(shed: Shed) -> None:
    shed.server.login = ("x-access-token", TOKEN)
    shed.server.repository("o/n")
    assert shed.clone()["is_cloned"]
    assert shed.context.settings.child_environment["GITHUB_TOKEN"] == TOKEN


def test_a_private_repository_without_a_token_is_a_sentence(shed: Shed) -> None:
    shed.server.login = ("me", TOKEN)
    shed.server.repository("o/n")
    assert "GITHUB_TOKEN" in shed.clone(state="failed")["transfer"]["error"]


def test_a_private_repository_is_cloned_with_the_login_that_its_page_asks_for(
    shed: Shed, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    shed.server.login = ("me", TOKEN)
    shed.server.repository("o/n")
    shed.clone(state="failed")
    page, again = "/repositories/o__n", "/repositories/o__n/again"
    assert f"It is sent to {shed.server.url} only" in shed.client.get(page).text
    login = {"login_user": "me", "login_password": TOKEN}
    assert shed.client.post(again, data={**login, "login_user": "a\nb"}).status_code == 422
    shed.client.post(again, data={**login, "login_password": "wrong", "login_keep": "1"})
    refusal = shed.ended("o__n", "failed")["transfer"]["error"]
    assert "did not accept this user name and password" in refusal
    refused = shed.client.get(page).text
    assert 'value="me"' in refused
    token = "glpat-typed-as-the-name-of-a-user"
    shed.client.post(again, data={**login, "login_user": token, "login_keep": "1"})
    shed.ended("o__n", "failed")
    assert f'value="{token}"' in shed.client.get(page).text
    assert token.encode() not in shed.everything_kept(), "only the worker remembers it"
    assert 'name="login_keep" value="1" checked' in refused
    shed.client.post(again, data={**login, "login_keep": "1"})
    shed.ended("o__n")
    shed.client.post("/repositories/o__n/refresh")
    shed.ended("o__n")
    assert TOKEN not in shed.client.get(page).text + caplog.text
    assert TOKEN.encode() not in shed.everything_kept()
    shed.server.login = ("me", "another")
    shed.client.post("/repositories/o__n/refresh")
    shed.ended("o__n", "failed")
    shed.server.login = ("me", TOKEN)
    shed.client.post("/repositories/o__n/refresh")
    assert "login_password" in (shed.ended("o__n", "failed") and shed.client.get(page).text)
    again_by_program = {
        "url": f"{shed.server.url}/o/n.git",
        "refresh": True,
        "login": {"user": "me", "password": TOKEN},
    }
    answer = shed.client.post("/mgmt/repos/clone", json=again_by_program)
    assert answer.status_code == 202
    assert shed.ended("o__n")["transfer"]["login_for"] == ""


def test_a_clone_is_deleted_unless_work_would_be_lost(shed: Shed) -> None:
    shed.server.repository("o/n")
    shed.clone()
    answer = shed.client.post("/mgmt/worktrees", json={"repo": "o/n", "sessionId": SESSION})
    worktree = Path(answer.get_json()["data"]["path"])
    git(worktree, "commit", "-q", "--allow-empty", "-m", "only here")
    (worktree / "new").write_text("x")
    refused = shed.client.delete("/mgmt/repos/o__n")
    assert refused.status_code == 409
    losses = refused.get_json()["losses"]
    assert ["session-7c2f1d9e" in losses[0], "1 new file (new)" in losses[0]] == [True, True]
    assert "only here" in losses[1]
    page = shed.client.get("/repositories/o__n/delete").text
    assert ("only here" in page, "1 new file" in page) == (True, True)
    assert shed.client.post("/repositories/o__n/delete").status_code == 409
    assert worktree.exists()
    assert shed.client.delete("/mgmt/repos/o__n?force=true").status_code == 200
    assert (names_in(shed.folder / "repos"), names_in(shed.folder / "worktrees")) == ([], [])
    assert shed.get("/mgmt/repos") == shed.get("/mgmt/worktrees") == []


def test_a_lost_record_leaves_a_clone_that_can_be_used_and_not_refreshed(shed: Shed) -> None:
    shed.server.repository("o/n")
    shed.clone()
    (shed.sandbox.state / "repositories" / "o__n.json").unlink()
    assert shed.get("/mgmt/repos/o__n")["url"] == ""
    assert shed.client.post("/repositories/o__n/refresh").status_code == 409
    body = {"repo": "o__n", "sessionId": SESSION}
    assert shed.client.post("/mgmt/worktrees", json=body).status_code == 200


def test_the_remote_s_new_commits_are_in_the_next_worktree(shed: Shed) -> None:
    remote = shed.server.repository("o/n")
    shed.clone()
    commit(remote, "main", {"new": "x"})
    shed.client.post("/repositories/o__n/refresh")
    shed.ended("o__n")
    body = {"repo": "o/n", "sessionId": SESSION}
    made = shed.client.post("/mgmt/worktrees", json=body).get_json()["data"]
    assert (Path(made["path"]) / "new").read_text() == "x"


def test_a_folder_outside_the_roots_stops_the_start(sandbox: Sandbox, stand_in: Path) -> None:
    with (
        pytest.raises(SettingsError, match="OPCODE_REPOSITORIES_FOLDER"),
        app_of(sandbox, stand_in, OPCODE_REPOSITORIES_FOLDER="/srv"),
    ):
        pass
