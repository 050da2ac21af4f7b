"""Programs stage, commit, branch and push as the pages do, and get the list of what would run."""

from __future__ import annotations

import re
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from opcode_htmx.features.commits import api
from tests.features.commits.desk import Desk, changed_at
from tests.support.environment import Sandbox


class Program:
    """A program beside a desk."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.base = f"/api{desk.git}"

    def get(self, where: str = "", /, **query: str) -> Any:
        answer = self.desk.client.get(self.base + where, query_string=query)
        assert answer.status_code == 200, answer.text
        return answer.get_json()["data"]

    def post(self, where: str, /, **body: object) -> TestResponse:
        return self.desk.client.post(self.base + where, json=body)

    def done(self, where: str, /, **body: object) -> Any:
        answer = self.post(where, **body)
        assert answer.status_code == 200, answer.text
        return answer.get_json()["data"]


@pytest.fixture
def program(shared_app: Flask, own_project: Sandbox) -> Program:
    return Program(Desk(shared_app, own_project))


def test_a_list_of_very_many_files_says_that_there_are_more(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "MOST_LISTED", 2)
    for number in range(3):
        program.desk.repo.write(f"{number}.txt", "new\n")
    found = program.get()
    assert [each["path"] for each in found["files"]] == ["0.txt", "1.txt"]
    assert found["truncated"]
    paths = [f"{number}.txt" for number in range(3)]
    assert "3 files" in program.done("/stage", paths=paths)["message"]


def test_a_program_goes_the_whole_way(program: Program) -> None:
    repo = program.desk.repo
    repo.write("a.txt", changed_at(3, 30))
    repo.write("b.txt", "new\n")
    found = program.get()
    assert (found["branch"], found["operation"]) == ("main", "")
    assert {each["path"]: each["unstaged"] for each in found["files"]} == {
        "a.txt": "M",
        "b.txt": "?",
    }
    program.done("/stage", paths=["a.txt"])
    kept_id = program.done("/discard", paths=["b.txt"])["kept_id"]
    assert not (repo.top / "b.txt").exists()
    program.done(f"/kept/{kept_id}")
    assert (repo.top / "b.txt").exists()
    digest = program.get()["staged_digest"]
    program.done("/unstage", paths=["*"])
    stale = program.post("/commit", message="Prune", staged_digest=digest).get_json()
    assert stale["data"]["state"] == "failed"
    assert "has changed since you looked" in stale["data"]["message"]
    program.done("/stage", paths=["*"])
    act = program.done("/commit", message="Prune")
    assert (act["state"], act["message"][:10]) == ("done", "Committed:")
    assert program.get(f"/acts/{act['id']}") == act
    assert program.done("/branches", name="grow")["state"] == "done"
    assert {each["name"] for each in program.get("/branches")} == {"main", "grow"}

    repo.plain("init", "-q", "--bare", "../bare")
    repo.plain("remote", "add", "origin", f"file://{repo.top.parent}/bare")
    assert program.post("/push", programs="run").status_code == 409
    plan = program.get("/push")
    assert (plan["branch"], len(plan["new_commits"])) == ("grow", 2)
    act = program.done("/push", programs="run", digest=plan["digest"])
    assert act["message"] == "Pushed 2 commits to origin/grow."


def test_hooks_are_confirmed_by_a_digest(program: Program) -> None:
    program.desk.hook("pre-commit", "touch sprung")
    program.desk.repo.write("a.txt", changed_at(3))
    program.done("/stage", paths=["a.txt"])
    refused = program.post("/commit", message="Prune")
    assert (refused.status_code, "would run programs" in refused.text) == (409, True)
    shown = program.get("/programs", act="commit")
    assert [each["name"] for each in shown["programs"]] == ["pre-commit"]
    program.done("/commit", message="Prune", programs="run", digest=shown["digest"])
    assert (program.desk.repo.top / "sprung").exists()


@pytest.mark.parametrize(
    ("where", "body", "status"),
    [
        ("/stage", {"paths": []}, 422),
        ("/stage", {"paths": ["gone"]}, 409),
        ("/stage", {"paths": ["a.txt"], "lines": ["x"]}, 409),
        ("/commit", {"message": ""}, 422),
        ("/branches", {"name": "--orphan"}, 422),
        ("/switch", {"name": "nowhere"}, 409),
        ("/kept/nothing", {}, 409),
        ("/acts/nothing/cancel", {}, 404),
    ],
)
def test_what_cannot_be_done_is_refused(
    program: Program, where: str, body: dict[str, object], status: int
) -> None:
    answer = program.post(where, **body)
    assert answer.status_code in (status, 400 if status == 422 else status), answer.text
    assert re.search(r"[A-Z].*\.$", answer.get_json()["error"])
