"""A repository that nobody vouches for: nothing of it runs, nothing leads out of it."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from opcode_htmx.lib.git.snapshots import restore, snapshot
from opcode_htmx.lib.git.snapshots.tree import SnapshotFailed, WorkingTree, reference
from tests.lib.git.snapshots.support import SESSION
from tests.security.projects.hostile_git import Trap
from tests.support.environment import SYSTEM_PATH, Sandbox
from tests.support.plain_git import GIT


@pytest.fixture
def trap(sandbox: Sandbox) -> Trap:
    return Trap(sandbox.home, sandbox.project).make()


@pytest.fixture
def tree(trap: Trap, sandbox: Sandbox, tmp_path: Path) -> Callable[[], WorkingTree]:
    environment = {"PATH": SYSTEM_PATH, "HOME": str(sandbox.home)}
    (tmp_path / "checkpoints").mkdir()
    return lambda: WorkingTree.of(trap.folder, tmp_path / "checkpoints", environment)


def hooks(trap: Trap) -> None:
    for name in ("reference-transaction", "post-index-change", "pre-commit", "post-checkout"):
        path = trap.folder / ".git" / "hooks" / name
        path.parent.mkdir(exist_ok=True)
        path.symlink_to(trap.program)


def hooks_elsewhere(trap: Trap) -> None:
    hooks(trap)
    trap.set("core.hooksPath", str(trap.folder / ".git" / "hooks"))


def filters(trap: Trap) -> None:
    for kind in ("clean", "smudge", "process"):
        trap.set(f"filter.spy.{kind}", str(trap.program))
    trap.set("filter.spy.required", "true")
    trap.write(".gitattributes", "* filter=spy diff=spy merge=spy\n")
    trap.write(".git/info/attributes", "* filter=spy\n")
    trap.set("diff.spy.textconv", str(trap.program))
    trap.set("diff.spy.command", str(trap.program))


def programs(trap: Trap) -> None:
    trap.set("core.fsmonitor", str(trap.program))
    trap.set("diff.external", str(trap.program))
    trap.set("core.alternateRefsCommand", str(trap.program))
    trap.set("commit.gpgSign", "true")
    trap.set("gpg.program", str(trap.program))
    trap.set("core.sshCommand", str(trap.program))


@pytest.mark.parametrize("arm", [hooks, hooks_elsewhere, filters, programs])
def test_checkpoint_and_restore_run_nothing(
    trap: Trap, tree: Callable[[], WorkingTree], arm: Callable[[Trap], None]
) -> None:
    arm(trap)
    trap.write("app.txt", "then\r\n")
    first = _take(tree(), 1)
    trap.write("app.txt", "now\n")
    trap.write("new.txt", "new\n")
    with tree().locked():
        then = snapshot.read(tree(), first.commit)
        now = restore.save_now(tree(), then, {})
        outcome = restore.run(tree(), now, then, {})
    assert not outcome.kept
    assert (trap.folder / "app.txt").read_bytes() == b"then\r\n"
    assert not (trap.folder / "new.txt").exists()
    assert not trap.mark.exists()


def test_a_checkpoint_that_the_repository_has_planted_leads_nowhere(
    trap: Trap, tree: Callable[[], WorkingTree], tmp_path: Path
) -> None:
    """Its references and objects may be anybody's."""
    first = _take(tree(), 1)

    def made(kind: str, stdin: bytes, *arguments: str) -> str:
        return subprocess.run(
            [*GIT, *arguments],
            cwd=trap.folder,
            input=stdin,
            capture_output=True,
            check=True,
            env={"PATH": SYSTEM_PATH},
        ).stdout.decode().strip()  # fmt: skip

    blob = made("blob", b"evil\n", "hash-object", "-w", "--stdin")
    inner = made("tree", f"100644 blob {blob}\tevil\n".encode(), "mktree")
    root = made(
        "tree",
        f"040000 tree {inner}\t..\n040000 tree {inner}\t.git\n100644 blob {blob}\tfine\n".encode(),
        "mktree",
    )
    message = first.facts.message()
    head = f"tree {root}\nauthor a <a> 0 +0000\ncommitter a <a> 0 +0000\n\n".encode()
    commit = made("commit", head + message, "hash-object", "-t", "commit", "-w", "--stdin")
    with tree().locked():
        then = snapshot.read(tree(), commit)
        now = restore.save_now(tree(), then, {})
        restore.run(tree(), now, then, {})
    assert (trap.folder / "fine").read_text() == "evil\n"
    assert not (trap.folder / ".git" / "evil").exists()
    assert not (trap.folder.parent / "evil").exists()


def test_a_commit_that_is_no_checkpoint_is_refused(
    trap: Trap, tree: Callable[[], WorkingTree]
) -> None:
    with pytest.raises(SnapshotFailed, match="cannot be read"):
        snapshot.read(tree(), trap.git("rev-parse", "HEAD"))


def _take(tree: WorkingTree, number: int) -> snapshot.Snapshot:
    with tree.locked():
        taken = snapshot.take(tree, {})
        tree.keep(reference(SESSION, number), taken.commit)
        return taken
