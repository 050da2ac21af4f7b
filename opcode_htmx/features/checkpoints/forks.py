"""A new session from a checkpoint: its files in a worktree of their own.

The working tree that the checkpoint is of stays as it is.
"""

from __future__ import annotations

from pathlib import Path

from opcode_htmx.lib.audit_log import log_act
from opcode_htmx.lib.git import revisions, worktrees
from opcode_htmx.lib.git.process import GitFailed
from opcode_htmx.lib.git.repository import RepositoryRefused
from opcode_htmx.lib.git.snapshots import restore as restores
from opcode_htmx.lib.git.snapshots import snapshot as snapshots
from opcode_htmx.lib.git.snapshots.tree import SnapshotFailed, WorkingTree
from opcode_htmx.lib.identity import Identity
from opcode_htmx.sessions.checkpoints.service import Checkpoints
from opcode_htmx.sessions.checkpoints.trees import CheckpointRefused

MOST = 50
"""Forks of one checkpoint."""


def fork(
    checkpoints: Checkpoints, session_id: str, number: int, folder: Path, by: Identity
) -> Path:
    """The folder, in a new worktree with the checkpoint's files, that corresponds to `folder`.

    Raises CheckpointRefused, NoSuchCheckpoint.
    """
    checkpoint = checkpoints.get(session_id, number)
    tree = checkpoints.trees.top_of(checkpoint.top)
    if not tree.has_repository:
        raise CheckpointRefused(
            "Only a git repository can have a copy beside it. Put the files back instead."
        )
    name = _free_name(tree.top, f"checkpoint-{session_id[:8].lower()}-{number}")
    try:
        made = worktrees.make(folder, name, tree.environment)
        copy = checkpoints.trees.of(made)
        with copy.locked():
            _fill(tree, copy, checkpoint.commit)
    except revisions.NoRepository as error:
        raise CheckpointRefused(str(error)) from error
    except (GitFailed, RepositoryRefused, SnapshotFailed) as error:
        raise CheckpointRefused(f"The copy could not be made: {error}") from error
    log_act(by, "checkpoint.fork", session=session_id, number=number, name=name)
    return made


def _free_name(top: Path, name: str) -> str:
    names = (name, *(f"{name}-{number}" for number in range(2, MOST)))
    for each in names:
        if not (top / worktrees.PLACE / each).exists():
            return each
    raise CheckpointRefused("There are too many copies of this checkpoint. Remove some first.")


def _fill(tree: WorkingTree, copy: WorkingTree, commit: str) -> None:
    """Put the files of a checkpoint into a new worktree."""
    then = snapshots.read(tree, commit)
    now = snapshots.take(copy, {})
    restores.run(copy, now, then, {})
