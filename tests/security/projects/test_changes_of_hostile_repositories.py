"""Reading the changes of a repository that nobody vouches for runs nothing and stays within it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from opcode_htmx.features.changes import bases
from opcode_htmx.features.changes.bases import Base
from opcode_htmx.features.changes.places import CannotCompare, Place
from opcode_htmx.features.changes.review.anchors import anchored
from opcode_htmx.features.changes.review.store import NEW, Comment
from opcode_htmx.features.changes.review.viewed import ViewedFiles
from opcode_htmx.features.changes.rows import row_of, with_new_lines
from opcode_htmx.lib.git.changes import file_diffs, reading
from opcode_htmx.lib.git.git import Git
from opcode_htmx.lib.git.process import GitFailed
from tests.security.projects.hostile_git import TRAPS, Trap
from tests.support.environment import SYSTEM_PATH, Sandbox

SESSION = "5e551000-0000-4000-8000-000000000018"


@pytest.fixture
def trap(sandbox: Sandbox) -> Trap:
    return Trap(sandbox.home, sandbox.project).make()


def place_of(trap: Trap) -> Place:
    git = Git.at(trap.folder, {"PATH": SYSTEM_PATH, "HOME": str(trap.home)})
    assert git
    return Place("project", SESSION, trap.folder, 1_700_000_000.0, git.at_top(), b"")


def read_everything(trap: Trap) -> list[str]:
    """All lines of all diffs against all bases, with the contents before and after."""
    place, found = place_of(trap), list[str]()
    viewed = ViewedFiles()
    for base in Base:
        with contextlib.suppress(GitFailed, CannotCompare):
            commit = bases.chosen(place, base).commit
            listing = with_new_lines(place.top, reading.listed(place.git, commit))
            for change in listing.changes:
                for ignore_space in (False, True):
                    diff = file_diffs.read(place.git, change, commit, ignore_space=ignore_space)
                    lines = (line for hunk in diff.hunks for line in hunk.lines)
                    found += [line.raw.decode("utf-8", "replace") for line in lines]
                for before in (False, True):
                    content = file_diffs.content(place.git, change, before=before)
                    found.append(content.decode("utf-8", "replace"))
                found.append(viewed.version(place.top, row_of(place.top, change)))
    return found


@pytest.mark.parametrize("arm", TRAPS, ids=lambda arm: arm.__name__)
def test_a_repository_runs_no_program_when_its_changes_are_read(
    trap: Trap, arm: Callable[[Trap], None]
) -> None:
    arm(trap)
    read_everything(trap)
    assert not trap.mark.exists()
    trap.git(*TRAPS[arm], check=False)
    assert trap.mark.exists(), "plain git runs it, so this trap is one"


@pytest.mark.parametrize("name", ["--output=sprung", "-p"])
def test_a_reference_is_no_option(trap: Trap, name: str) -> None:
    head = trap.git("rev-parse", "HEAD")
    trap.git("checkout", "--quiet", "-b", "work")
    for folder in ("heads", "remotes/origin"):
        trap.git("update-ref", f"refs/{folder}/{name}", head)
    trap.git("symbolic-ref", "refs/remotes/origin/HEAD", f"refs/remotes/origin/{name}")
    trap.git("symbolic-ref", "HEAD", f"refs/heads/{name}")
    assert "+two" in read_everything(trap)
    assert bases.chosen(place_of(trap), Base.BRANCH).branch == f"origin/{name}"
    (trap.folder / ".git/refs/remotes/origin/HEAD").write_text(f"ref: {name}\n")
    read_everything(trap)
    assert not (trap.folder / "sprung").exists()


@pytest.mark.parametrize("name", ["--output=sprung", ":(exclude)*", "a\n-b\n+c", "\u202egnp.exe"])
def test_a_name_is_no_option_and_no_pattern(trap: Trap, name: str) -> None:
    trap.write(name, "one of its own\n")
    trap.git("add", "--all")
    assert "+one of its own" in read_everything(trap)
    assert not (trap.folder / "sprung").exists()


def secret(trap: Trap) -> Path:
    folder = trap.home / "private"
    folder.mkdir()
    (folder / "payroll.txt").write_text("a secret\n")
    return folder


def test_links_are_not_followed_out_of_the_tree(trap: Trap) -> None:
    folder = secret(trap)
    (trap.folder / "to-file").symlink_to(folder / "payroll.txt")
    (trap.folder / "to-folder").symlink_to(folder)
    trap.git("add", "to-file")
    found = read_everything(trap)
    assert f"+{folder}" in found
    assert not any("a secret" in text for text in found)


def test_a_folder_that_became_a_link_is_not_followed(trap: Trap) -> None:
    folder = secret(trap)
    trap.write("inner/payroll.txt", "public\n")
    trap.git("add", "--all")
    trap.git("commit", "--quiet", "--message", "x")
    (trap.folder / "inner").rename(trap.home / "moved")
    (trap.folder / "inner").symlink_to(folder)
    found = read_everything(trap)
    assert "-public" in found
    assert not any("a secret" in text for text in found)


def test_an_index_cannot_name_files_outside(trap: Trap) -> None:
    folder = secret(trap)
    trap.write("aa/payroll.txt", "x")
    trap.git("add", "aa/payroll.txt")
    trap.git("config", "index.skipHash", "true")
    index = trap.folder / ".git" / "index"
    content = index.read_bytes()
    index.write_bytes(content.replace(b"aa/payroll.txt", b"../payroll.txt")[:-20] + bytes(20))
    (trap.folder.parent / "payroll.txt").write_text("a secret\n")
    assert folder.exists()
    assert not any("a secret" in text for text in read_everything(trap))


@pytest.mark.parametrize("key", ["../../private/payroll.txt", "/etc/passwd", "link/payroll.txt"])
def test_a_comment_reads_no_file_outside(trap: Trap, key: str) -> None:
    (trap.folder / "link").symlink_to(secret(trap))
    comment = Comment("0" * 12, key, NEW, 1, 1, "a secret", "x", sent_at=1.0)
    (found,) = anchored(trap.folder, [comment])
    assert not found.is_open, "as if there were no such file"


def test_a_pipe_in_the_tree_blocks_nothing(trap: Trap) -> None:
    os.mkfifo(trap.folder / "pipe")
    (trap.folder / "app.txt").unlink()
    os.mkfifo(trap.folder / "app.txt")
    read_everything(trap)
