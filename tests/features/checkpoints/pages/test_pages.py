"""The timeline, what a restore would change, restoring and forking, by page and API."""

from __future__ import annotations

import re

import pytest

from opcode_htmx.lib.identity import owner
from opcode_htmx.sessions.checkpoints.model import CheckpointKind
from opcode_htmx.sessions.checkpoints.service import PlanChanged
from tests.features.checkpoints.pages.garden import Garden
from tests.support.environment import USER


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


def test_a_digest_names_exactly_one_plan(garden: Garden) -> None:
    garden.take()
    garden.write("tree.txt", "pear\n")
    checkpoints = garden.context.sessions.checkpoints
    with pytest.raises(PlanChanged):
        checkpoints.restore(garden.id, 1, digest="0" * 32, by=owner(USER))
    assert garden.read("tree.txt") == "pear\n"
