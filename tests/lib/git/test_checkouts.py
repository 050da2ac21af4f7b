"""A worktree is made without running what settings name that hold in it only."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest

from opcode_htmx.lib.git import checkouts, linked_worktrees, worktrees
from opcode_htmx.lib.git.clones import transfer
from opcode_htmx.lib.git.clones.bare import BareRepository
from opcode_htmx.lib.git.integration import kept
from opcode_htmx.lib.git.process import GitFailed
from tests.lib.git.integration.conftest import Orchard, orchard
from tests.support.outside.git_server import GitServer, git

__all__ = ["orchard"]

CONDITIONS = ("gitdir:**/worktrees/**", "onbranch:other")


@pytest.fixture
def mark(orchard: Orchard) -> Path:
    """What a filter makes that is configured in worktrees only, for all files."""
    found = orchard.top.parent / "mark"
    trap = orchard.top.parent / "trap"
    trap.write_text(
        f'[filter "trap"]\nsmudge = "touch {found}; cat"\nclean = "touch {found}; cat"\n'
    )
    for each in CONDITIONS:
        orchard.run("config", f"includeIf.{each}.path", str(trap))
    (orchard.top / ".git" / "info" / "attributes").write_text("* filter=trap\n")
    return found


def test_filters_that_are_included_for_worktrees_only_do_not_run(
    orchard: Orchard, mark: Path
) -> None:
    made = worktrees.make(orchard.top, "other", orchard.environment)
    assert (made / "apple").read_text() == "1\n2\n3\n4\n5\n"
    (made / "pear").write_text("changed\n")
    for keeps_branch in (True, False):
        found = next(each for each in orchard.listed() if each.path == made)
        assert (found.branch, found.locked) == ("other", None)
        keep_id = uuid.uuid4().hex
        gone = kept.discard(orchard.git(), found, keep_id, with_branch=not keeps_branch)
        kept.restore(orchard.git(), made, gone, keep_id, "other")
        assert (made / "apple").read_text() == "1\n2\n3\n4\n5\n"
        assert (made / "pear").read_text() == "changed\n"
    assert not mark.exists()
    orchard.run("worktree", "add", "-q", str(orchard.top.parent / "by-hand"))
    assert mark.exists(), "plain git runs it, so this trap is one"


def test_nor_do_they_in_worktrees_of_clones(orchard: Orchard, mark: Path, tmp_path: Path) -> None:
    remote = GitServer(tmp_path).repository("o/n")
    transfer.clone(f"file://{remote}", tmp_path / "c", orchard.environment)
    bare = BareRepository.at(tmp_path / "c", orchard.environment)
    for each in CONDITIONS:
        git(bare.path, "config", f"includeIf.{each}.path", str(orchard.top.parent / "trap"))
    (bare.path / "info").mkdir(exist_ok=True)
    (bare.path / "info" / "attributes").write_text("* filter=trap\n")
    target = tmp_path / "w"
    start = "refs/remotes/origin/main"
    linked_worktrees.add(bare, target, "other", start, orchard.environment)
    assert (target / "file-0.txt").read_text().startswith("text 0")
    (target / "file-0.txt").touch()  # git reads it again
    linked_worktrees.remove(bare, target, orchard.environment)
    assert not target.exists()
    assert not mark.exists()


def test_a_worktree_whose_files_cannot_be_written_is_removed_again(
    orchard: Orchard, tmp_path: Path
) -> None:
    target = tmp_path / "broken"
    main = worktrees.main_git(orchard.git())

    def run(*arguments: str, **more: float) -> object:
        if arguments[:2] == ("worktree", "unlock"):
            raise GitFailed("no")
        return main.run(*arguments, **more)  # type: ignore[arg-type]

    with pytest.raises(GitFailed, match="no"):
        checkouts.add(run, target, ("--detach",), ("main",), orchard.environment, 20.0)
    assert not target.exists()
    assert [each.branch for each in orchard.listed()] == ["main", "copy"]
