"""Worktrees of sessions by programs, and the pages with which a person does the same."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import gevent
import pytest

from opcode_htmx.engines.claude.files import history
from opcode_htmx.engines.claude.files.history import project_id
from opcode_htmx.runs.supervisor import Supervisor
from opcode_htmx.sessions.repositories.places import worktree_name
from opcode_htmx.sessions.repositories.services import services
from opcode_htmx.sessions.worktrees.naming import CopyLabel
from tests.features.repositories.conftest import TOKEN, Shed
from tests.support.clients import api
from tests.support.outside.git_server import git
from tests.support.outside.github_api import repository

SESSION = "7c2f1d9e-4b3a-4c8e-9d21-5f6a7b8c9d0e"
ID = f"o__n__{SESSION}"


def made(shed: Shed, **fields: str) -> Path:
    body = {"repo": "o/n", "sessionId": SESSION.upper(), **fields}
    answer = shed.client.post("/mgmt/worktrees", json=body)
    assert answer.status_code == 200, answer.text
    return Path(answer.get_json()["data"]["path"])


@pytest.fixture
def cloned(shed: Shed) -> Shed:
    shed.server.repository("o/n", branches=("deep/er",))
    shed.clone()
    return shed


def test_a_session_has_one_worktree_on_a_branch_of_its_own(cloned: Shed) -> None:
    path = made(cloned)
    assert path == cloned.folder / "worktrees" / ID
    assert (path / "file-0.txt").exists()
    (path / "mine").write_text("x")
    assert made(cloned) == path
    assert (path / "mine").exists()
    (found,) = cloned.get("/mgmt/worktrees")
    assert (found["id"], found["branch"], found["is_in_use"]) == (ID, "session-7c2f1d9e", False)
    assert cloned.get("/mgmt/repos/o__n")["worktrees"] == [ID]


def test_a_worktree_is_called_by_its_repository(cloned: Shed) -> None:
    path = made(cloned)
    page = cloned.client.get(f"/new?folder={path}&session={SESSION}").text
    assert "o/n (7c2f1d9e)" in page
    label: Any = cloned.client.application.jinja_env.globals["copy_of_folder"]
    assert label(str(path)) == CopyLabel("o/n", "session-7c2f1d9e")
    assert label(str(path.parent.with_name("src") / path.name)) is None


def test_a_worktree_leads_to_the_session_that_a_form_began_there(cloned: Shed) -> None:
    path, page = made(cloned), "/repositories/o__n"
    assert "/new?folder=" in cloned.client.get(page).text
    begun = "0" + SESSION[1:]
    place = history.root(cloned.context.workspace.config_dir) / project_id(path)
    place.mkdir(parents=True)
    (place / f"{begun}.jsonl").write_text(json.dumps({"type": "user", "cwd": str(path)}) + "\n")
    text = cloned.client.get(page).text
    assert f"/sessions/{begun}" in text
    assert "/new?folder=" not in text


def test_a_worktree_begins_at_a_branch_that_is_there(cloned: Shed) -> None:
    path = made(cloned, base="deep/er")
    assert git(path, "log", "--format=%D", "-1").startswith("HEAD -> session-7c2f1d9e")
    for base in ("none", "--detach", "main..main", "*", "de*"):
        body = {"repo": "o/n", "sessionId": SESSION.replace("7", "8"), "base": base}
        refused = cloned.client.post("/mgmt/worktrees", json=body)
        assert refused.status_code == 409, base
        assert "no branch or tag" in refused.get_json()["error"]


def test_another_worktree_is_refused(cloned: Shed) -> None:
    for body, status in (
        ({"repo": "o/none", "sessionId": SESSION}, 404),
        ({"repo": "../x", "sessionId": SESSION}, 404),
        ({"repo": "o/n", "sessionId": "../x"}, 422),
        ({"repo": "o/n"}, 422),
    ):
        assert cloned.client.post("/mgmt/worktrees", json=body).status_code == status, body


def test_what_would_be_lost_is_refused_and_named(cloned: Shed) -> None:
    path = made(cloned)
    (path / "file-0.txt").write_text("changed")
    refused = cloned.client.delete(f"/mgmt/worktrees/{ID}")
    assert refused.status_code == 409
    assert "1 changed file (file-0.txt)" in refused.get_json()["losses"][0]
    page = cloned.client.get(f"/repositories/worktrees/{ID}/delete").text
    assert "1 changed file" in page
    assert cloned.client.post(f"/repositories/worktrees/{ID}/delete").status_code == 409
    assert path.exists()
    assert cloned.client.delete(f"/mgmt/worktrees/{ID}?force=true").status_code == 200
    assert not path.exists()
    assert cloned.client.delete(f"/mgmt/worktrees/{ID}").status_code == 404


def test_a_worktree_that_claude_works_in_stays_whatever_is_forced(
    cloned: Shed, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = made(cloned)

    run = SimpleNamespace(record=SimpleNamespace(project_path=str(path), session_id=SESSION))
    monkeypatch.setattr(Supervisor, "live", lambda self: [run])
    for address in (f"/mgmt/worktrees/{ID}?force=1", "/mgmt/repos/o__n?force=1"):
        refused = cloned.client.delete(address)
        assert (refused.status_code, "Stop it first" in refused.get_json()["error"]) == (409, True)
    assert path.exists()
    page = cloned.client.get(f"/repositories/worktrees/{ID}/delete").text
    assert "To the session" in page


def test_two_requests_at_once_make_one_worktree(cloned: Shed) -> None:
    worktrees = cloned.context.once(services).worktrees
    making = [gevent.spawn(worktrees.make, "o__n", SESSION) for _ in range(3)]
    paths = {each.get(timeout=60).path for each in making}
    assert paths == {cloned.folder / "worktrees" / ID}
    assert git(paths.pop(), "status", "--porcelain") == ""


def test_a_half_made_worktree_is_made_again(cloned: Shed) -> None:
    path = made(cloned)
    (path / "file-0.txt").unlink()
    (cloned.folder / "repos" / "o__n" / "worktrees" / ID / "locked").write_text("initializing")
    assert (made(cloned) / "file-0.txt").exists()


def test_a_worktree_whose_clone_is_gone_is_shown_and_removed_by_force(
    cloned: Shed, tmp_path: Path
) -> None:
    path = made(cloned)
    (cloned.folder / "repos" / "o__n").rename(tmp_path / "moved")
    (found,) = cloned.get("/mgmt/worktrees")
    assert found["problem"]
    assert cloned.client.get("/resources").status_code == 200
    assert cloned.client.delete(f"/mgmt/worktrees/{ID}").status_code == 409
    assert cloned.client.delete(f"/mgmt/worktrees/{ID}?force=1").status_code == 200
    assert not path.exists()


@pytest.mark.parametrize(
    "name", ["", "o__n", f"o__n__{SESSION}x", f"__{SESSION}", f"../n__{SESSION}"]
)
def test_other_names_are_no_worktrees(name: str) -> None:
    assert worktree_name(name) is None


# --- pages ----------------------------------------------------------------------------------


def test_new_session_here_leads_to_the_form_for_its_folder_and_its_id(cloned: Shed) -> None:
    answer = cloned.client.post("/repositories/o__n/session", data={"base": "deep/er"})
    assert answer.status_code == 303
    query = parse_qs(urlsplit(answer.location).query)
    (found,) = cloned.get("/mgmt/worktrees")
    assert query["folder"] == [found["path"]]
    form = cloned.client.get(answer.location).text
    assert f'name="session_id" value="{found["session_id"]}"' in form
    assert found["path"] in form
    # an id that is none is not used, nor is that of a session that is there
    assert 'value="x"' not in cloned.client.get("/new?session=x").text
    session_id = found["session_id"]
    page = cloned.client.get("/repositories/o__n").text
    assert f"session={session_id}" in page
    text = api.prompt("Prune", Path(found["path"]), 1.0)
    api.session(cloned.sandbox.config_dir, Path(found["path"]), text, session_id)
    assert f'value="{session_id}"' not in cloned.client.get(answer.location).text
    assert f"/sessions/{session_id}" in cloned.client.get("/repositories/o__n").text
    project = cloned.client.get(f"/projects/{project_id(Path(found['path']))}").text
    assert 'href="/repositories/o__n"' in project


def test_the_form_clones_and_its_page_says_what_it_has(cloned: Shed) -> None:
    answer = cloned.client.post("/repositories", data={"text": "o/n"})
    assert (answer.status_code, answer.location) == (303, "/repositories/o__n")
    made(cloned)
    page = cloned.client.get("/repositories/o__n").text
    assert ("session-7c2f1d9e" in page, f"{cloned.server.url}/o/n" in page) == (True, True)
    refused = cloned.client.post("/repositories", data={"text": "ext::x"})
    assert (refused.status_code, "start a program" in refused.text) == (422, True)


def test_without_an_account_the_page_says_how_to_set_one(shed: Shed) -> None:
    assert "GITHUB_TOKEN" in shed.client.get("/repositories").text
    assert "No account is set" in shed.client.get("/repositories/github").text
    assert shed.client.get("/mgmt/github/repos").status_code == 409


@pytest.mark.parametrize("settings", [{"OPCODE_GITHUB_TOKEN": TOKEN}])
def test_repositories_of_the_account_are_found_and_cloned(shed: Shed) -> None:
    shed.github.token = TOKEN
    shed.github.repositories = [repository("o/n"), repository("o/pears", description="<b>x")]
    found = shed.get("/mgmt/github/repos?q=pear")
    assert [each["repo"] for each in found] == ["o/pears"]
    shed.server.repository("o/n")
    shed.clone()
    page = shed.client.get("/repositories/github").text
    assert "&lt;b&gt;x" in page
    assert re.findall(r">(Open|Clone)<", page) == ["Open", "Clone"]
    assert TOKEN not in page
    shed.github.status = 401
    shed.client.post("/repositories/github/again")
    assert "does not accept the token" in shed.client.get("/repositories/github").text
