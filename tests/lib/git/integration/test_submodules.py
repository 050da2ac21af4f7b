"""Work in submodules goes with a worktree, so it is found."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from opcode_htmx.lib.git.integration import submodules
from tests.lib.git.integration.conftest import Orchard
from tests.support.copies import fill


@pytest.fixture
def orchard(tmp_path: Path) -> Orchard:
    folder = tmp_path.resolve()
    fill(folder, _with_submodule)
    return Orchard(folder)


@pytest.fixture
def inner(orchard: Orchard) -> Path:
    """A submodule that is checked out in the copy."""
    return orchard.copy / "dép" / "inner"


def _with_submodule(folder: Path) -> None:
    orchard = Orchard(folder)
    orchard.make()
    source = folder / "source"
    source.mkdir()
    orchard.run("init", "-q", at=source)
    orchard.write(source / "file", "x\n")
    orchard.commit(source)
    allow = ("-c", "protocol.file.allow=always")
    orchard.run(
        *allow, "submodule", "--quiet", "add", "../../../../source", "dép/inner", at=orchard.copy
    )
    orchard.commit(orchard.copy, "a submodule")


def _untracked(orchard: Orchard, inner: Path) -> None:
    orchard.write(inner / "new", "x\n")


def _changed(orchard: Orchard, inner: Path) -> None:
    orchard.write(inner / "file", "changed\n")


def _committed(orchard: Orchard, inner: Path) -> None:
    orchard.write(inner / "file", "changed\n")
    orchard.commit(inner)
    orchard.commit(orchard.copy, "the submodule's new commit")


def _stashed(orchard: Orchard, inner: Path) -> None:
    orchard.write(inner / "file", "changed\n")
    orchard.run("stash", at=inner)


def _on_another_branch(orchard: Orchard, inner: Path) -> None:
    orchard.run("switch", "-qc", "other", at=inner)
    _committed(orchard, inner)
    orchard.run("switch", "-q", "--detach", "HEAD~1", at=inner)


@pytest.mark.parametrize("work", [_untracked, _changed, _committed, _stashed, _on_another_branch])
def test_work_that_only_a_submodule_has_is_found(
    orchard: Orchard, inner: Path, work: Callable[[Orchard, Path], None]
) -> None:
    git = orchard.git(orchard.copy)
    assert submodules.with_work(git) == []
    work(orchard, inner)
    assert submodules.with_work(git) == ["dép/inner"]


def test_a_submodule_that_is_not_checked_out_or_lies_elsewhere_has_none(
    orchard: Orchard, inner: Path
) -> None:
    git = orchard.git(orchard.copy)
    orchard.write(inner / "new", "x\n")
    inner.parent.rename(orchard.top.parent / "elsewhere")
    inner.parent.symlink_to(orchard.top.parent / "elsewhere")
    assert submodules.with_work(git) == []
    inner.parent.unlink()
    inner.mkdir(parents=True)
    assert submodules.with_work(git) == []


def test_one_that_cannot_be_read_counts_and_runs_nothing(orchard: Orchard, inner: Path) -> None:
    mark = orchard.top.parent / "mark"
    orchard.run("config", "core.fsmonitor", f"touch {mark}; false", at=inner)
    orchard.run("config", "filter.trap.clean", f"touch {mark}; cat", at=inner)
    orchard.write(inner / ".gitattributes", "* filter=trap\n")
    (inner / "file").touch()
    git = orchard.git(orchard.copy)
    assert submodules.with_work(git) == ["dép/inner"]
    assert not mark.exists()
    (inner / ".git").write_text("gitdir: /nowhere\n")
    assert submodules.with_work(git) == ["dép/inner"]
