"""Checkpoints are taken by a strategy, described and removed; those of killed servers too."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from opcode_htmx.features.checkpoints import background
from opcode_htmx.lib.files import file_locks
from opcode_htmx.lib.git.snapshots import restore
from opcode_htmx.lib.identity import owner
from opcode_htmx.sessions.checkpoints.model import CheckpointKind, Strategy
from tests.features.checkpoints.pages.garden import Garden
from tests.support.apps.in_process import app_of
from tests.support.clients import api
from tests.support.environment import USER, Sandbox


@pytest.fixture
def lone_garden(sandbox: Sandbox, stand_in: Path) -> Iterator[Garden]:
    """The only one of its app, whose limits a test may change."""
    with app_of(sandbox, stand_in, jobs=False) as app:
        yield Garden(app, sandbox).repository()


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
