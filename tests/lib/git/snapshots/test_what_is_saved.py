"""What a snapshot has, what it leaves out, and that a restore touches nothing else."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from opcode_htmx.lib.git.process import GitFailed
from opcode_htmx.lib.git.snapshots import listing, plan, restore, snapshot
from opcode_htmx.lib.git.snapshots.listing import LeftOut
from opcode_htmx.lib.git.snapshots.plan import Kept
from opcode_htmx.lib.git.snapshots.tree import SnapshotFailed, WorkingTree, reference
from tests.lib.git.snapshots.support import SESSION, Orchard


def test_defect_of_the_desktop_a_restore_deletes_nothing_that_is_not_saved(
    orchard: Orchard,
) -> None:
    (orchard.top / "tracked").write_text("1")
    (orchard.top / "unchanged").write_text("never modified\n")
    orchard.git("add", "-A")
    orchard.git("commit", "-qm", "x")
    (orchard.top / "tracked").write_text("2")
    first = orchard.take()
    (orchard.top / "tracked").write_text("3")
    (orchard.top / "new").write_text("made later")
    now, _ = orchard.restore(first)
    assert (orchard.top / "unchanged").read_text() == "never modified\n"
    assert (orchard.top / "tracked").read_text() == "2"
    assert not (orchard.top / "new").exists()
    orchard.restore(now)
    assert (orchard.top / "new").read_text() == "made later"


def test_defect_of_the_desktop_binary_files_keep_their_bytes(folder: Orchard) -> None:
    content = bytes(range(256)) * 40
    (folder.top / "image.png").write_bytes(content)
    first = folder.take()
    (folder.top / "image.png").write_bytes(b"")
    folder.restore(first)
    assert (folder.top / "image.png").read_bytes() == content


def test_the_tree_of_a_snapshot_has_the_files_at_its_root(orchard: Orchard) -> None:
    (orchard.top / "a").write_text("1\n")
    orchard.git("add", "a")
    orchard.take()
    (orchard.top / "a").write_text("2\n")
    name = reference(SESSION, 1)
    assert name == f"refs/opcode/checkpoints/{SESSION}/000001"
    assert b"-1\n+2\n" in orchard.git("diff", name)


def test_a_file_that_the_repository_ignored_then_is_not_deleted(orchard: Orchard) -> None:
    (orchard.top / ".gitignore").write_text("secret*\n/deep/\n")
    (orchard.top / "secret.txt").write_text("not saved")
    first = orchard.take()
    (orchard.top / ".gitignore").write_text("")
    (orchard.top / "made").write_text("by Claude")
    _, outcome = orchard.restore(first)
    assert outcome.kept == {b"secret.txt": Kept.IGNORED}
    assert (orchard.top / "secret.txt").read_text() == "not saved"
    assert not (orchard.top / "made").exists()


def test_a_file_that_is_ignored_now_is_saved_before_it_is_overwritten(orchard: Orchard) -> None:
    (orchard.top / "notes").write_text("then")
    first = orchard.take()
    (orchard.top / ".gitignore").write_text("notes\n")
    (orchard.top / "notes").write_text("now")
    now, outcome = orchard.restore(first)
    assert not outcome.kept
    assert (orchard.top / "notes").read_text() == "then"
    orchard.restore(now)
    assert (orchard.top / "notes").read_text() == "now"


def test_what_is_left_out_is_named_and_never_touched(
    orchard: Orchard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "MOST_FILE_BYTES", 100)
    (orchard.top / "grows").write_text("small")
    first = orchard.take()
    (orchard.top / "grows").write_text("large " * 50)
    (orchard.top / "large").write_text("large " * 50)
    os.mkfifo(orchard.top / "pipe")
    inner = orchard.top / "inner"
    inner.mkdir()
    orchard.git("init", "-q", "inner")
    (inner / "file").write_text("another repository")
    second = orchard.take()
    assert second.facts.left_out == {
        b"grows": LeftOut.LARGE,
        b"large": LeftOut.LARGE,
        b"inner": LeftOut.REPOSITORY,
    }
    before = orchard.contents()
    _, outcome = orchard.restore(first)
    assert outcome.kept == {b"grows": Kept.LEFT_OUT}
    assert orchard.contents() == before
    (orchard.top / "large").write_text("small now")
    _, outcome = orchard.restore(second)
    assert (orchard.top / "large").read_text() == "small now"


def test_a_submodule_is_left_out(orchard: Orchard, tmp_path: Path) -> None:
    inner = orchard.top / "module"
    inner.mkdir()
    orchard.git("init", "-q", "module")
    (inner / "file").write_text("1")
    orchard.git("-C", "module", "add", "-A")
    orchard.git("-C", "module", "commit", "-qm", "x")
    orchard.git("add", "module")
    first = orchard.take()
    (inner / "file").write_text("2")
    assert first.facts.left_out == {b"module": LeftOut.REPOSITORY}
    _, outcome = orchard.restore(first)
    assert (outcome.changed, (inner / "file").read_text()) == (0, "2")


def during(orchard: Orchard, then: snapshot.Snapshot, act: Callable[[], object]) -> restore.Outcome:
    """Restore, and do something after the snapshot that precedes it."""
    tree = orchard.tree

    def at_step(step: str) -> None:
        if step == "journal":
            act()

    with tree.locked():
        now = orchard.keep(restore.save_now(tree, then, {}))
        return restore.run(tree, now, then, {}, at_step)


def test_what_changes_after_that_snapshot_is_left_alone_and_named(orchard: Orchard) -> None:
    for name in ("written", "deleted", "fine"):
        (orchard.top / name).write_text("then")
    first = orchard.take()
    for name in ("written", "fine", "new"):
        (orchard.top / name).write_text("now")
    (orchard.top / "deleted").unlink()

    def act() -> None:
        for name in ("written", "deleted", "new"):
            (orchard.top / name).write_text("a person is faster")

    outcome = during(orchard, first, act)
    assert outcome.kept == dict.fromkeys((b"written", b"deleted", b"new"), Kept.CHANGED)
    assert (orchard.top / "fine").read_text() == "then"
    for name in ("written", "deleted", "new"):
        assert (orchard.top / name).read_text() == "a person is faster"


def test_a_folder_that_becomes_a_link_leads_no_write_and_no_deletion_out(
    orchard: Orchard, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    for name in ("a", "new"):
        (outside / name).write_text("outside")
    (orchard.top / "sub").mkdir()
    (orchard.top / "sub" / "a").write_text("then")
    (orchard.top / "sub" / "gone").write_text("then")
    first = orchard.take()
    (orchard.top / "sub" / "a").write_text("outside")
    (orchard.top / "sub" / "new").write_text("outside")
    (orchard.top / "sub" / "gone").unlink()

    def act() -> None:
        (orchard.top / "sub").rename(tmp_path / "moved")
        (orchard.top / "sub").symlink_to(outside)

    outcome = during(orchard, first, act)
    assert set(outcome.kept) == {b"sub/a", b"sub/gone"}
    assert {each.name: each.read_text() for each in outside.iterdir()} == {
        "a": "outside",
        "new": "outside",
    }


def test_objects_that_were_pruned_are_written_again(orchard: Orchard) -> None:
    (orchard.top / "a").write_text("content")
    orchard.take()
    orchard.tree.drop(reference(SESSION, 1))
    orchard.git("prune", "--expire=now")
    first = orchard.take()
    (orchard.top / "a").unlink()
    orchard.restore(first)
    assert (orchard.top / "a").read_text() == "content"


def test_without_a_reference_git_prunes_a_snapshot_and_keeps_the_others(orchard: Orchard) -> None:
    (orchard.top / "a").write_text("1")
    first = orchard.take()
    (orchard.top / "a").write_text("2")
    second = orchard.take()
    orchard.tree.drop(reference(SESSION, 1))
    orchard.git("prune", "--expire=now")
    assert orchard.tree.commit_of(reference(SESSION, 1)) is None
    assert orchard.tree.commit_of(reference(SESSION, 2)) == second.commit
    with pytest.raises(GitFailed):
        snapshot.read(orchard.tree, first.commit)
    orchard.git("fsck", "--strict")


def test_a_linked_worktree_and_sha256_ids_work_as_well(folder: Orchard, tmp_path: Path) -> None:
    folder.git("init", "-q", "--object-format=sha256")
    folder.git("commit", "-q", "--allow-empty", "-m", "x")
    folder.git("worktree", "add", "-q", str(tmp_path / "linked"))
    linked = Orchard(tmp_path / "linked", folder.store, folder.home)
    (linked.top / "a").write_text("1")
    first = linked.take()
    (linked.top / "a").write_text("2")
    linked.restore(first)
    assert (linked.top / "a").read_text() == "1"
    assert len(first.commit) == 64
    assert folder.tree.commit_of(reference(SESSION, 1)) == first.commit


def test_a_folder_without_a_repository_has_its_objects_in_the_private_directory(
    folder: Orchard,
) -> None:
    (folder.top / "a").write_text("1")
    folder.take()
    assert [path.name for path in folder.top.iterdir()] == ["a"]


def test_the_second_snapshot_reads_only_what_has_changed(
    orchard: Orchard, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(30):
        (orchard.top / f"{number}").write_text(f"{number}")
    orchard.take()
    index = (orchard.tree.private / "index").stat().st_mtime_ns
    (orchard.top / "5").write_text("five")
    second = orchard.take()
    assert index != (orchard.tree.private / "index").stat().st_mtime_ns
    assert second.facts.files == 30
    changed = plan.compare(
        orchard.tree, second, snapshot.read(orchard.tree, orchard_first(orchard))
    )
    assert [each.path for each in changed] == [b"5"]


def orchard_first(orchard: Orchard) -> str:
    return orchard.tree.commit_of(reference(SESSION, 1)) or ""


def test_a_reference_is_never_overwritten_and_its_name_is_checked(orchard: Orchard) -> None:
    taken = orchard.take()
    with pytest.raises(GitFailed):
        orchard.tree.keep(reference(SESSION, 1), taken.commit)
    for bad in ("HEAD", "refs/heads/main", "--exec=x", f"refs/opcode/checkpoints/{SESSION}/x"):
        with pytest.raises(ValueError, match="no reference"):
            orchard.tree.keep(bad, taken.commit)
    with pytest.raises(ValueError, match="no reference"):
        reference("../../heads", 1)


@pytest.mark.parametrize(
    "path", [b"../x", b"/etc/passwd", b".git/config", b"a/.GIT/x", b"a//b", b"", b"./a", b"a\0b"]
)
def test_paths_that_lead_elsewhere_are_not_taken(path: bytes) -> None:
    assert not listing.is_safe(path)


def test_a_folder_of_too_many_files_is_refused(
    orchard: Orchard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "MOST_FILES", 1)
    for name in "ab":
        (orchard.top / name).touch()
    with pytest.raises(SnapshotFailed, match="too many for a checkpoint"):
        orchard.take()


def test_trees_of_two_folders_do_not_meet(orchard: Orchard, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    assert WorkingTree.of(other, orchard.store, orchard.environment).private != orchard.tree.private


def test_a_private_folder_that_is_removed_meanwhile_is_made_again(orchard: Orchard) -> None:
    (orchard.top / "made.txt").write_text("x")
    tree = orchard.tree
    shutil.rmtree(tree.private)
    with tree.locked():
        assert snapshot.take(tree, {}).facts.files == 1
