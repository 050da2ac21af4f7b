"""Merges lose nothing: what conflicts or would touch a person's changes is reported, not done."""

from __future__ import annotations

import subprocess

import pytest

from opcode_htmx.lib.git.integration import merges, work
from opcode_htmx.lib.git.integration.merges import CannotMerge, NothingToMerge, Way
from tests.lib.git.integration.conftest import Orchard, replace_by_link


def merge(orchard: Orchard, way: Way = Way.MERGE) -> str:
    return merges.merge(orchard.git(), "main", "copy", way, "Merge it", orchard.listed())


@pytest.mark.parametrize("way", list(Way))
def test_each_way_brings_the_work_into_the_base_and_its_checkout(
    orchard: Orchard, way: Way
) -> None:
    orchard.write(orchard.copy / "apple", "1\n2\n3\n4\nfive\n")
    orchard.write(orchard.copy / "plum", "blue\n")
    merges.commit_all(orchard.git(orchard.copy), "Paint\n\nall fruit")
    orchard.write(orchard.top / "notes", "mine\n")
    after = merge(orchard, way)
    assert (orchard.top / "apple").read_text().endswith("five\n")
    assert (orchard.top / "plum").read_text() == "blue\n"
    assert orchard.run("status", "--short") == "?? notes\n"
    assert orchard.run("rev-parse", "main").strip() == after
    parents = orchard.run("log", "-1", "--format=%P").split()
    assert len(parents) == (2 if way is Way.MERGE else 1)
    subject = orchard.run("log", "-1", "--format=%s").strip()
    assert subject == ("Paint" if way is Way.FAST_FORWARD else "Merge it")
    with pytest.raises(NothingToMerge, match="already"):
        merge(orchard, way)
    assert orchard.run("rev-parse", "main").strip() == after


@pytest.mark.parametrize("is_staged", [False, True])
def test_a_folder_that_was_replaced_by_a_link_is_committed_and_merged_as_the_link(
    orchard: Orchard, is_staged: bool
) -> None:
    replace_by_link(orchard, is_staged=is_staged)
    merges.commit_all(orchard.git(orchard.copy), "Link it")
    assert orchard.run("status", "--short", at=orchard.copy) == ""
    merge(orchard)
    files = orchard.run("ls-tree", "-r", "--name-only", "main").split()
    assert files == [".gitignore", "apple", "crate", "pear", "shelf/nut", "shelf/plum"]
    assert orchard.run("show", "main:crate") == "shelf"
    assert orchard.run("show", "main:shelf/plum") == "yellow\n", "not those of the folder"


def test_a_base_that_is_not_checked_out_gets_the_commit_and_no_file_changes(
    orchard: Orchard,
) -> None:
    orchard.run("checkout", "-q", "-b", "elsewhere")
    orchard.write(orchard.top / "apple", "mine\n")
    before = orchard.state(orchard.top)
    orchard.write(orchard.copy / "apple", "theirs\n")
    orchard.commit(orchard.copy)
    merge(orchard)
    assert orchard.run("show", "main:apple") == "theirs\n"
    assert orchard.state(orchard.top) == before


def test_conflicts_are_named_and_nothing_changes(orchard: Orchard) -> None:
    orchard.write(orchard.copy / "apple", "1\n2\nthree\n4\n5\n")
    orchard.commit(orchard.copy)
    orchard.write(orchard.top / "apple", "1\n2\nIII\n4\n5\n")
    orchard.commit(orchard.top)
    before = orchard.state(orchard.top), orchard.state(orchard.copy)
    with pytest.raises(CannotMerge) as refused:
        merge(orchard)
    assert refused.value.files == ("apple",)
    with pytest.raises(CannotMerge, match="Rebase first"):
        merge(orchard, Way.FAST_FORWARD)
    with pytest.raises(CannotMerge) as refused:
        merges.rebase(orchard.git(orchard.copy), "main")
    assert refused.value.files == ("apple",)
    assert (orchard.state(orchard.top), orchard.state(orchard.copy)) == before
    assert not list((orchard.top / ".git" / "worktrees" / "copy").glob("rebase*"))


@pytest.mark.parametrize("kind", ["changed", "staged", "untracked", "ignored"])
def test_uncommitted_changes_that_a_merge_would_touch_stay_and_are_named(
    orchard: Orchard, kind: str
) -> None:
    name = {"untracked": "plum", "ignored": "secret.env"}.get(kind, "apple")
    orchard.write(orchard.copy / name, "theirs\n")
    orchard.run("add", "-Af", at=orchard.copy)
    orchard.run("commit", "-qm", "x", at=orchard.copy)
    orchard.write(orchard.top / name, "mine\n")
    if kind == "staged":
        orchard.run("add", "-A")
    before = orchard.state(orchard.top)
    with pytest.raises(CannotMerge, match=name):
        merge(orchard)
    assert orchard.state(orchard.top) == before


def test_a_rebase_puts_the_work_on_top_and_then_it_can_be_moved_forward(orchard: Orchard) -> None:
    orchard.write(orchard.copy / "apple", "1\n2\n3\n4\nfive\n")
    with pytest.raises(CannotMerge, match="Commit them first"):
        merges.rebase(orchard.git(orchard.copy), "main")
    merges.commit_all(orchard.git(orchard.copy), "five")
    orchard.write(orchard.top / "pear", "yellow\n")
    orchard.commit(orchard.top)
    found = work.commits(orchard.git(), "refs/heads/main", "refs/heads/copy")
    assert (found.ahead, found.behind, found.subjects) == (1, 1, ("five",))
    merges.rebase(orchard.git(orchard.copy), "main")
    merge(orchard, Way.FAST_FORWARD)
    assert (orchard.top / "pear").read_text() == "yellow\n"
    assert (orchard.top / "apple").read_text().endswith("five\n")


def test_nothing_that_the_repository_names_runs(orchard: Orchard) -> None:
    mark = orchard.top.parent / "mark"
    for name in (
        *("post-checkout", "post-merge", "pre-commit", "commit-msg", "pre-merge-commit"),
        *("post-rewrite", "reference-transaction", "post-commit", "prepare-commit-msg"),
    ):
        hook = orchard.top / ".git" / "hooks" / name
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(f"#!/bin/sh\necho {name} >> {mark}\n")
        hook.chmod(0o755)
    orchard.run("config", "merge.trap.driver", f"echo driver >> {mark}")
    orchard.run("config", "core.fsmonitor", f"echo fsmonitor >> {mark}")
    orchard.run("config", "core.editor", f"echo editor >> {mark}")
    orchard.run("config", "gpg.program", f"echo gpg >> {mark}")
    orchard.run("config", "commit.gpgSign", "true")
    orchard.write(orchard.copy / ".gitattributes", "apple merge=trap\n")
    orchard.write(orchard.copy / "apple", "one\n2\n3\n4\n5\n")
    mark.unlink(missing_ok=True)
    merges.commit_all(orchard.git(orchard.copy), "x")
    orchard.write(orchard.top / "pear", "yellow\n")
    merges.commit_all(orchard.git(), "y")
    merges.rebase(orchard.git(orchard.copy), "main")
    merge(orchard)
    assert not mark.exists(), mark.read_text()
    assert (orchard.top / "apple").read_text().startswith("one")


def test_files_of_a_filter_are_left_to_the_computer(orchard: Orchard) -> None:
    orchard.run("config", "filter.lfs.smudge", "cat")
    orchard.write(orchard.copy / ".gitattributes", "*.bin filter=lfs\n")
    orchard.write(orchard.copy / "a.bin", "content\n")
    with pytest.raises(CannotMerge, match=r"a\.bin"):
        merges.commit_all(orchard.git(orchard.copy), "x")
    orchard.commit(orchard.copy)
    before = orchard.state(orchard.top)
    with pytest.raises(CannotMerge, match=r"a\.bin"):
        merge(orchard)
    assert orchard.state(orchard.top) == before


def test_a_commit_needs_no_name_of_the_person(orchard: Orchard) -> None:
    (orchard.top.parent / ".gitconfig").write_text("[user]\nuseConfigOnly = true\n")
    orchard.write(orchard.copy / "plum", "blue\n")
    merges.commit_all(orchard.git(orchard.copy), "x")
    merge(orchard)
    assert orchard.run("log", "-1", "--format=%an").strip() == "opcode"


def test_a_base_that_is_being_rebased_stays(orchard: Orchard) -> None:
    orchard.write(orchard.copy / "plum", "blue\n")
    orchard.commit(orchard.copy)
    orchard.run("branch", "other")
    orchard.write(orchard.top / "apple", "mine\n")
    orchard.commit(orchard.top)
    orchard.run("checkout", "-q", "other")
    orchard.write(orchard.top / "apple", "theirs\n")
    orchard.commit(orchard.top)
    orchard.run("checkout", "-q", "main")
    with pytest.raises(subprocess.CalledProcessError):
        orchard.run("rebase", "-q", "other")
    before = orchard.run("rev-parse", "main")
    with pytest.raises(CannotMerge, match="in progress"):
        merge(orchard)
    assert orchard.run("rev-parse", "main") == before


def test_many_carried_files_are_left_out_of_a_commit(orchard: Orchard) -> None:
    copy, many = orchard.copy, 700  # as arguments they would be too long for a command
    deep = copy.joinpath("carried", *["x" * 250] * 12)
    deep.mkdir(parents=True)
    for number in range(many):
        (deep / f"{number:06} {'x' * 235}").touch()
    orchard.write(copy / "new\n\u202efile", "x\n")
    (copy / "pear").unlink()
    orchard.write(copy / "pear" / "is now a folder", "x\n")
    orchard.run("mv", "--", "apple", "-renamed", at=copy)
    orchard.write(copy / "-renamed", "changed\n")
    (copy / "link").symlink_to("/nowhere")
    orchard.write(copy / "carried" / "of git", "x\n")
    orchard.run("add", "carried/of git", at=copy)
    orchard.write(copy / "carried" / "of git", "changed\n")
    git = orchard.git(copy)
    commit = merges.commit_all(git, "All but what was carried", ["carried"])
    assert len(work.uncommitted(git).untracked) == many
    listed = orchard.run("ls-tree", "-rz", "--name-only", commit, at=copy).split("\0")
    assert listed[:-1] == [
        "-renamed", ".gitignore", "carried/of git", "link", "new\n\u202efile",
        "pear/is now a folder",
    ]  # fmt: skip
    assert orchard.run("status", "--porcelain", "-uno", at=copy) == ""
