"""The timeline, what a restore would change, restoring, forking and removing, by page and API."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from opcode_htmx.features.checkpoints import background
from opcode_htmx.features.context import AppContext
from opcode_htmx.lib.files import file_locks
from opcode_htmx.lib.git.snapshots import restore
from opcode_htmx.lib.identity import owner
from opcode_htmx.runs.events.types import TurnEnded, Usage
from opcode_htmx.sessions.checkpoints.model import CheckpointKind, Strategy
from opcode_htmx.sessions.checkpoints.service import PlanChanged
from tests.support.apps.in_process import app_of, client_of
from tests.support.clients import api
from tests.support.environment import SYSTEM_PATH, USER, Sandbox
from tests.support.plain_git import GIT


class Garden:
    """An app with one session in a project, and its checkpoints."""

    def __init__(self, app: Flask, sandbox: Sandbox) -> None:
        self.context: AppContext = app.extensions["opcode_context"]
        self.folder = sandbox.project
        self.file = api.session(
            sandbox.config_dir, self.folder, api.prompt("Prune the trees", self.folder)
        )
        self.id = self.file.stem
        self.client = client_of(app)
        self.address = f"/projects/{self.file.parent.name}/sessions/{self.id}"
        self.rest = f"/api/sessions/{self.id}"

    def git(self, *arguments: str) -> str:
        environment = {"PATH": SYSTEM_PATH, "HOME": str(self.folder.parent), "EMAIL": "a@b.example"}
        who = {"GIT_AUTHOR_NAME": "A", "GIT_COMMITTER_NAME": "A"}
        return subprocess.run(
            [*GIT, *arguments],
            cwd=self.folder, env={**environment, **who}, capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip

    def repository(self) -> Garden:
        self.git("init", "-q")
        self.write("tree.txt", "apple\n")
        self.git("add", "-A")
        self.git("commit", "-qm", "first")
        return self

    def write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text)

    def read(self, name: str) -> str | None:
        path = self.folder / name
        return path.read_text() if path.exists() else None

    def page(self, path: str = "checkpoints", status: int = 200) -> str:
        answer = self.client.get(f"{self.address}/{path}")
        assert answer.status_code == status, answer.text
        return answer.text

    def post(self, path: str, status: int = 303, **form: str) -> TestResponse:
        answer = self.client.post(f"{self.address}/{path}", data=form)
        assert answer.status_code == status, answer.text
        return answer

    def take(self, description: str = "") -> int:
        self.post("checkpoints", description=description)
        return int(self.listed[-1]["checkpoint"])

    def call(self, method: str, path: str, status: int = 200, **body: object) -> Any:
        json = body if method in ("post", "put") else None
        answer = getattr(self.client, method)(f"{self.rest}/{path}", json=json)
        assert answer.status_code == status, answer.text
        return answer.get_json().get("data")

    @property
    def listed(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.call("get", "checkpoints")["checkpoints"]
        return found

    def restore(self, number: int, status: int = 303) -> TestResponse:
        digest = re.search(r'name="digest" value="(\w+)"', self.page(f"checkpoints/{number}"))
        assert digest
        return self.post(f"checkpoints/{number}/restore", status, digest=digest[1])

    def turn_ended(self, *prompts: str) -> None:
        usage = Usage(100, 20, 0, 0, 0.5, 0.5, "claude-x", 1)
        self.context.sessions.automatic_checkpoints.turn_ended(
            TurnEnded(
                id="run.turn_ended.1", at=time.time(), run_id="run", session_id=self.id,
                project_path=str(self.folder), by=owner(USER), prompt_ids=prompts, is_error=False,
                reason="completed", usage=usage,
            )
        )  # fmt: skip


@pytest.fixture
def garden(shared_app: Flask, shared_home: Sandbox) -> Garden:
    """In a project of its own, with an app that others have gardens in."""
    return Garden(shared_app, shared_home.with_own_project()).repository()


@pytest.fixture
def lone_garden(sandbox: Sandbox, stand_in: Path) -> Iterator[Garden]:
    """The only one of its app, whose limits a test may change."""
    with app_of(sandbox, stand_in, jobs=False) as app:
        yield Garden(app, sandbox).repository()


@pytest.fixture
def plain(sandbox: Sandbox, stand_in: Path) -> Iterator[Garden]:
    """The same in a folder without a repository."""
    with app_of(sandbox, stand_in, jobs=False) as app:
        garden = Garden(app, sandbox)
        garden.write("tree.txt", "apple\n")
        yield garden


def test_a_restore_shows_first_what_changes_and_can_be_undone(garden: Garden) -> None:
    first = garden.take("before the winter")
    garden.write("tree.txt", "pear\n")
    garden.write("new.txt", "made since\n")
    head, index = garden.git("rev-parse", "HEAD"), (garden.folder / ".git/index").read_bytes()

    page = garden.page(f"checkpoints/{first}")
    assert "Going back changes 2 files" in page
    assert page.index("new.txt") < page.index("tree.txt")
    shown = re.search(r'href="([^"]+/file\?[^"]+)"[^>]*>\s*<span[^>]*>tree.txt', page)
    assert shown
    diff = garden.client.get(shown[1].replace("&amp;", "&")).text
    assert re.search(r'"diff-del"[^>]*>-.*pear', diff)
    assert re.search(r'"diff-add"[^>]*>\+.*apple', diff)
    garden.restore(first)
    assert (garden.read("tree.txt"), garden.read("new.txt")) == ("apple\n", None)
    assert garden.git("rev-parse", "HEAD") == head
    assert (garden.folder / ".git/index").read_bytes() == index
    assert "before the winter" in garden.page()
    assert f'sessions/{garden.id}/changes">Changes</a>' in garden.page()
    assert "Put the files back to checkpoint 1" in garden.page()

    garden.post("checkpoints/undo")
    assert (garden.read("tree.txt"), garden.read("new.txt")) == ("pear\n", "made since\n")


def test_the_timeline_branches_after_a_restore(garden: Garden) -> None:
    first = garden.take()
    garden.write("tree.txt", "pear\n")
    second = garden.take()
    garden.restore(first)
    garden.write("tree.txt", "plum\n")
    third = garden.take()
    parents = {each["checkpoint"]: each["parent"] for each in garden.listed}
    assert (parents[second], parents[third]) == (first, first)
    assert f"from {first}" in garden.page()


def test_what_was_changed_after_claudes_turn_is_named_first(garden: Garden) -> None:
    add = garden.context.sessions.checkpoints.add
    add(garden.id, garden.folder, CheckpointKind.PROMPT, prompt_id="p1", prompt="Prune")
    garden.write("tree.txt", "pruned by Claude\n")
    garden.turn_ended("p1")
    garden.write("zebra.txt", "by a person\n")
    page = garden.page("checkpoints/1")
    assert "1 file of these was changed after Claude’s turn" in page
    assert page.index("zebra.txt") < page.index("tree.txt")
    files = {each["path"]: each for each in garden.call("get", "checkpoints/1/diff")["files"]}
    assert files["zebra.txt"]["changed_outside"]
    assert not files["tree.txt"]["changed_outside"]
    before = garden.listed[0]
    assert (before["model"], before["input_tokens"]) == ("claude-x", 100)
    kinds = [each["kind"] for each in garden.listed]
    assert kinds == ["prompt", "turn"]
    garden.turn_ended("p2")
    assert [each["kind"] for each in garden.listed] == ["prompt", "turn", "turn"]
    garden.turn_ended("p3")
    assert len(garden.listed) == 3, "nothing has changed since"


def test_a_restore_that_was_not_seen_as_it_would_be_is_refused(garden: Garden) -> None:
    first = garden.take()
    garden.write("tree.txt", "pear\n")
    digest = garden.call("get", f"checkpoints/{first}/diff")["digest"]
    garden.write("tree.txt", "a person was faster\n")
    answer = garden.post(f"checkpoints/{first}/restore", 409, digest=digest)
    assert "Look again" in answer.text
    assert garden.read("tree.txt") == "a person was faster\n"
    garden.post(f"checkpoints/{first}/restore", 422)


def test_defect_of_the_desktop_a_fork_leaves_the_working_tree_alone(garden: Garden) -> None:
    garden.write("untracked.txt", "not committed\n")
    first = garden.take()
    garden.write("tree.txt", "pear\n")
    answer = garden.post(f"checkpoints/{first}/fork")
    assert garden.read("tree.txt") == "pear\n"
    made = next((garden.folder / ".claude" / "worktrees").iterdir())
    assert (made / "tree.txt").read_text() == "apple\n"
    assert (made / "untracked.txt").read_text() == "not committed\n"
    assert made.name in answer.headers["Location"]
    second = garden.call("post", f"checkpoints/{first}/fork", 201)
    assert second["project_path"] != str(made)


def test_a_folder_without_a_repository_has_checkpoints_and_no_forks(plain: Garden) -> None:
    first = plain.take()
    plain.write("tree.txt", "pear\n")
    plain.restore(first)
    assert plain.read("tree.txt") == "apple\n"
    answer = plain.post(f"checkpoints/{first}/fork", 422)
    assert "Only a git repository" in answer.text
    plain.git("init", "-q")
    plain.write("tree.txt", "pear\n")
    plain.restore(first)
    assert plain.read("tree.txt") == "apple\n", "those from before the repository still count"
    plain.git("fsck", "--strict")


def test_checkpoints_are_described_removed_and_cleaned_up(garden: Garden) -> None:
    numbers = []
    for fruit in ("pear", "plum", "fig"):
        garden.write("tree.txt", f"{fruit}\n")
        numbers.append(garden.take())
    garden.post(f"checkpoints/{numbers[1]}/describe", description="  the \n plum ")
    assert garden.listed[1]["description"] == "the plum"
    garden.post(f"checkpoints/{numbers[1]}/delete")
    assert [each["checkpoint"] for each in garden.listed] == [numbers[0], numbers[2]]
    assert garden.listed[1]["parent"] == numbers[0]
    references = garden.git("for-each-ref", "refs/opcode")
    assert references.count("\n") == 2
    garden.post("checkpoints/clean-up", by="newest", number="0")
    assert garden.listed == []
    assert garden.git("for-each-ref", "refs/opcode") == ""
    garden.post("checkpoints/clean-up", 422, by="newest", number="8")
    assert "No checkpoint yet" in garden.page()
    garden.page(f"checkpoints/{numbers[0]}", 404)


def test_the_api_lists_takes_compares_restores_undoes_and_removes(garden: Garden) -> None:
    assert garden.call("post", "checkpoints", 201, description="one")["files"] == 1
    garden.write("tree.txt", "pear\n")
    diff = garden.call("get", "checkpoints/1/diff")
    assert [(each["path"], each["change"], each["added"]) for each in diff["files"]] == [
        ("tree.txt", "changed", 1)
    ]
    done = garden.call("post", "checkpoints/1/restore", digest=diff["digest"])
    assert (done["changed"], done["kept"], garden.read("tree.txt")) == (1, [], "apple\n")
    assert garden.call("post", "undo-restore")["changed"] == 1
    assert garden.read("tree.txt") == "pear\n"
    assert garden.call("put", "checkpoints/1", description="two")["description"] == "two"
    assert garden.call("get", f"checkpoints/{done['undo']}/diff?against=parent")["count"] == 1
    garden.call("get", "checkpoints/1/diff?against=parent", 404)
    assert garden.call("delete", "checkpoints/1") == "deleted"
    garden.call("get", "checkpoints/1", 404)
    garden.call("get", "checkpoints/x", 404)
    assert garden.call("post", "clean-checkpoints", keep=0)["removed"] == 2


def test_the_strategy_is_chosen_for_a_session_and_for_a_project(garden: Garden) -> None:
    automatic = garden.context.sessions.automatic_checkpoints

    def now() -> Strategy:
        return automatic.strategy(garden.id, garden.folder)

    assert now() is Strategy.PROMPT
    garden.post("checkpoints/when", strategy="writes")
    assert now() is Strategy.WRITES
    garden.post("checkpoints/when", strategy="manual", project="1")
    assert now() is Strategy.MANUAL
    garden.call("put", "checkpoint-strategy", strategy="tool")
    assert now() is Strategy.TOOL
    garden.post("checkpoints/when", strategy="")
    assert now() is Strategy.MANUAL
    garden.post("checkpoints/when", strategy="", project="1")
    assert now() is Strategy.PROMPT
    garden.post("checkpoints/when", 422, strategy="always")
    tree = garden.context.sessions.checkpoints.trees.of(garden.folder)
    trees = garden.context.sessions.checkpoints.trees
    trees.note_time(tree, 9.0)
    assert now() is Strategy.PROMPT, "the first one reads all files"
    trees.note_time(tree, 9.0)
    assert now() is Strategy.MANUAL, "a snapshot takes too long"
    trees.note_time(tree, 0.5)
    assert now() is Strategy.PROMPT, "the computer was busy"
    for _ in range(3):
        trees.note_time(tree, 9.0)
    assert now() is Strategy.MANUAL
    os.utime(tree.private / "times.json", (1, 1))
    assert now() is Strategy.PROMPT, "a day later it is tried again"


def test_without_a_repository_nothing_is_taken_by_itself(plain: Garden) -> None:
    plain.context.sessions.automatic_checkpoints.before_prompt(plain.id, plain.folder, "p", "x")
    plain.turn_ended("p")
    assert plain.listed == []
    assert not (plain.context.state.folder("checkpoint_trees")).exists()


def test_old_automatic_checkpoints_make_room_and_others_stay(lone_garden: Garden) -> None:
    garden = lone_garden
    checkpoints = garden.context.sessions.checkpoints
    checkpoints._keep = 2
    garden.take("by hand")
    for number in range(4):
        garden.write("tree.txt", f"{number}\n")
        checkpoints.add(garden.id, garden.folder, CheckpointKind.PROMPT, prompt_id=str(number))
    assert [each["kind"] for each in garden.listed] == ["manual", "prompt", "prompt"]
    assert garden.git("for-each-ref", "refs/opcode").count("\n") == 3


def test_a_restore_that_a_killed_server_has_begun_is_finished_at_the_start(
    garden: Garden, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = garden.take()
    garden.write("tree.txt", "pear\n")

    def killed(*arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(restore, "_finish", killed)
        with pytest.raises(KeyboardInterrupt):
            garden.context.sessions.checkpoints.restore(garden.id, first, by=owner(USER))
    assert garden.read("tree.txt") == "pear\n"
    background.finish_restores(garden.context)
    assert garden.read("tree.txt") == "apple\n"
    garden.post("checkpoints/undo")
    assert garden.read("tree.txt") == "pear\n"


def test_checkpoints_go_with_their_session(lone_garden: Garden) -> None:
    garden = lone_garden
    garden.take()
    store = garden.context.sessions.checkpoints.store
    old = time.time() - 100 * 86400
    store.change(garden.id, lambda record: record.changed(1, at=old))
    assert background.collect(garden.context) == 0
    garden.file.unlink()
    assert background.collect(garden.context) == 1
    assert garden.git("for-each-ref", "refs/opcode") == ""
    assert list(store.sessions()) == []


@pytest.mark.parametrize("meanwhile", [False, True])
def test_an_unused_tree_is_removed_unless_a_checkpoint_is_taken_at_that_moment(
    lone_garden: Garden, monkeypatch: pytest.MonkeyPatch, meanwhile: bool
) -> None:
    garden = lone_garden
    checkpoints = garden.context.sessions.checkpoints
    checkpoints.remove(garden.id, {garden.take()})
    (private,) = checkpoints.trees.known()

    def make_old() -> None:
        os.utime(private / "lock", (0, 0))

    def taking(path: Path) -> int | None:
        if meanwhile:
            garden.take()
            make_old()
        return take(path)

    make_old()
    take = file_locks.take
    monkeypatch.setattr(file_locks, "take", taking)
    background.collect(garden.context)
    assert private.exists() is meanwhile
    number = garden.take()
    garden.write("tree.txt", "pear\n")
    garden.restore(number)
    assert garden.read("tree.txt") == "apple\n"
    checkpoints.remove(garden.id, {each["checkpoint"] for each in garden.listed})
    background.collect(garden.context)
    assert private.exists(), "a tree that was used just now is not old"


def test_a_repository_above_the_roots_is_refused(sandbox: Sandbox, stand_in: Path) -> None:
    inner = sandbox.project / "inner"
    inner.mkdir()
    with app_of(sandbox, stand_in, jobs=False, OPCODE_PROJECT_ROOTS=str(inner)) as app:
        garden = Garden(app, sandbox).repository()
        garden.file.unlink()
        file = api.session(sandbox.config_dir, inner, api.prompt("Prune", inner), garden.file.stem)
        garden.address = f"/projects/{file.parent.name}/sessions/{file.stem}"
        answer = garden.post("checkpoints", 422)
        assert "outside the folders that may be worked in" in answer.text


def test_a_digest_names_exactly_one_plan(garden: Garden) -> None:
    garden.take()
    garden.write("tree.txt", "pear\n")
    checkpoints = garden.context.sessions.checkpoints
    with pytest.raises(PlanChanged):
        checkpoints.restore(garden.id, 1, digest="0" * 32, by=owner(USER))
    assert garden.read("tree.txt") == "pear\n"
