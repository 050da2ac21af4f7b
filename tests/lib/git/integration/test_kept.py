"""What is thrown away can be brought back as it was, byte by byte, the index too."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest

from opcode_htmx.lib.git.integration import kept, work
from opcode_htmx.lib.git.integration.kept import CannotRestore
from opcode_htmx.lib.git.worktrees import listed
from tests.lib.git.integration.conftest import Orchard, replace_by_link


def test_a_worktree_comes_back_with_its_commits_index_and_uncommitted_work(
    orchard: Orchard,
) -> None:
    copy, keep_id = orchard.copy, uuid.uuid4().hex
    orchard.write(copy / "plum", "blue\n")
    orchard.commit(copy, "a commit of its own")
    orchard.write(copy / "apple", "staged\n")
    orchard.run("add", "apple", at=copy)
    orchard.write(copy / "apple", "staged and more\n")
    orchard.write(copy / "new" / "café\nfile", "\x00binary")
    (copy / "new" / "run").write_text("#!/bin/sh\n")
    (copy / "new" / "run").chmod(0o755)
    (copy / "link").symlink_to("../outside")
    (copy / "pear").unlink()
    before = orchard.state(copy)
    found = orchard.of_copy()

    gone = kept.discard(orchard.git(), found, keep_id, with_branch=True)
    assert not copy.exists()
    assert orchard.run("branch", "--list", "copy") == ""
    assert gone.branch == "copy"
    orchard.run("-c", "gc.pruneExpire=now", "gc", "-q")

    kept.restore(orchard.git(), copy, gone, keep_id, "copy")
    assert orchard.state(copy) == before
    assert (copy / "new" / "run").stat().st_mode & 0o111
    assert Path(copy / "link").readlink() == Path("../outside")
    assert orchard.run("for-each-ref", kept.REFERENCES) == ""
    with pytest.raises(CannotRestore, match="something at"):
        kept.restore(orchard.git(), copy, gone, keep_id, "copy")


@pytest.mark.parametrize("is_staged", [False, True])
def test_a_folder_that_was_replaced_by_a_link_comes_back_as_the_link(
    orchard: Orchard, is_staged: bool
) -> None:
    copy, keep_id = orchard.copy, uuid.uuid4().hex
    replace_by_link(orchard, is_staged=is_staged)
    before = orchard.state(copy)
    gone = kept.discard(orchard.git(), orchard.of_copy(), keep_id, with_branch=True)
    files = orchard.run("ls-tree", "-r", "--name-only", gone.snapshot).split()
    assert files == [".gitignore", "apple", "crate", "pear", "shelf/nut", "shelf/plum"]
    kept.restore(orchard.git(), copy, gone, keep_id, "copy")
    assert orchard.state(copy) == before
    assert (copy / "crate").readlink() == Path("shelf")


def test_repositories_within_it_and_ignored_files_are_known_to_be_lost(orchard: Orchard) -> None:
    copy, keep_id = orchard.copy, uuid.uuid4().hex
    orchard.write(copy / "one.env", "KEY=1\n")
    orchard.write(copy / "build" / "out", "x\n")
    orchard.write(copy / "inner" / "file", "x\n")
    orchard.write(copy / "plum", "x\n")
    orchard.run("init", "-q", at=copy / "inner")
    git = orchard.git(copy)
    found = work.uncommitted(git)
    assert (found.untracked, found.nested) == (("plum",), ("inner/",))
    assert sorted(work.ignored(git)) == ["build/", "one.env"]
    gone = kept.discard(orchard.git(), orchard.of_copy(), keep_id, with_branch=True)
    kept.restore(orchard.git(), copy, gone, keep_id, "copy")
    assert (copy / "plum").exists()
    assert not (copy / "inner").exists()


def test_one_whose_folder_is_gone_and_one_that_is_locked_can_be_removed(orchard: Orchard) -> None:
    other = orchard.top.parent / "other"
    orchard.run("worktree", "add", "-q", "--lock", "--reason", "claude, 1", "-b", "b", str(other))
    orchard.copy.rename(orchard.top.parent / "moved")
    found = {each.branch: each for each in orchard.listed()}
    assert found["copy"].prunable is not None
    assert found["b"].locked == "claude, 1"
    assert found["main"].is_main
    for name in ("copy", "b"):
        kept.discard(orchard.git(), found[name], uuid.uuid4().hex, with_branch=True)
    assert [each.branch for each in listed(orchard.git())] == ["main"]
    assert not other.exists()


def test_the_branch_stays_where_it_moved_meanwhile(orchard: Orchard) -> None:
    found = orchard.of_copy()
    gone = kept.discard(orchard.git(), found, uuid.uuid4().hex, with_branch=False)
    assert gone.branch == ""
    assert orchard.run("branch", "--list", "copy").strip() == "copy"
    kept.restore(orchard.git(), orchard.copy, gone, "0" * 32, "copy")
    assert orchard.of_copy().branch == "copy"


def test_what_a_crash_has_kept_before_the_removal_comes_back(orchard: Orchard) -> None:
    orchard.write(orchard.copy / "plum", "blue\n")
    before, keep_id = orchard.state(orchard.copy), uuid.uuid4().hex
    noted: list[kept.Kept] = []

    def crash(found: kept.Kept) -> None:
        noted.append(found)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        kept.discard(orchard.git(), orchard.of_copy(), keep_id, with_branch=True, note=crash)
    assert orchard.state(orchard.copy) == before, "nothing is removed before it is on record"
    # as if git had removed the worktree, and not yet its branch
    orchard.run("worktree", "remove", "--force", str(orchard.copy))
    kept.restore(orchard.git(), orchard.copy, noted[0], keep_id, "copy")
    assert orchard.state(orchard.copy) == before
    assert orchard.of_copy().branch == "copy"


def test_changes_are_counted_with_untracked_files(orchard: Orchard) -> None:
    orchard.write(orchard.copy / "apple", "1\n2\n3\n4\n5\n6\n")
    orchard.write(orchard.copy / "plum", "a\nb")
    orchard.write(orchard.copy / "bin", "\x00")
    (orchard.copy / "pear").unlink()
    found = work.changes_since(orchard.git(orchard.copy), "HEAD")
    assert [(each.path, each.added, each.removed) for each in found] == [
        ("apple", 1, 0), ("bin", None, 0), ("pear", 0, 1), ("plum", 2, 0)
    ]  # fmt: skip
