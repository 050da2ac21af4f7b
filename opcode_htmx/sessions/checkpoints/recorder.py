"""Take and remove the checkpoints of a session, and record them."""

from __future__ import annotations

import contextlib
import logging
import os
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from opcode_htmx.lib.audit_log import log_act
from opcode_htmx.lib.files.disk_space import raise_disk_full
from opcode_htmx.lib.git.process import GitFailed
from opcode_htmx.lib.git.snapshots import plan as plans
from opcode_htmx.lib.git.snapshots import restore as restores
from opcode_htmx.lib.git.snapshots import snapshot as snapshots
from opcode_htmx.lib.git.snapshots.restore import Outcome
from opcode_htmx.lib.git.snapshots.snapshot import Snapshot
from opcode_htmx.lib.git.snapshots.tree import SnapshotFailed, WorkingTree, reference
from opcode_htmx.lib.identity import Identity
from opcode_htmx.runs.supervisor import Supervisor
from opcode_htmx.sessions.checkpoints.model import (
    LONGEST_DESCRIPTION,
    Checkpoint,
    CheckpointKind,
    Record,
    Restored,
)
from opcode_htmx.sessions.checkpoints.store import CheckpointStore
from opcode_htmx.sessions.checkpoints.trees import CheckpointRefused, Trees

log = logging.getLogger(__name__)

MOST_KEPT = 100
"""Paths that a restore left alone, which are named afterwards."""


class NoSuchCheckpoint(Exception):
    """A session has no checkpoint of this number."""


class Recorder:
    """Takes and records checkpoints. All workers may use it at once."""

    def __init__(
        self,
        store: CheckpointStore,
        trees: Trees,
        supervisor: Supervisor,
        keep: int,
    ) -> None:
        """`keep`: how many automatic ones each session keeps."""
        self.store = store
        self.trees = trees
        self._supervisor = supervisor
        self._keep = keep

    def get(self, session_id: str, number: int) -> Checkpoint:
        """Raises NoSuchCheckpoint."""
        found = self.store.read(session_id).get(number)
        if found is None:
            raise NoSuchCheckpoint("There is no such checkpoint.")
        return found

    def of_session_prompt(self, session_id: str, prompt_id: str) -> Checkpoint | None:
        """The newest checkpoint that was taken before a prompt."""
        return self.store.read(session_id).before_prompt(prompt_id)

    # --- taking -----------------------------------------------------------------------------

    def take(
        self, session_id: str, folder: Path, *, description: str = "", by: Identity
    ) -> Checkpoint:
        """Take one by hand. Raises CheckpointRefused, DiskFull."""
        taken = self.add(
            session_id,
            folder,
            CheckpointKind.MANUAL,
            description=" ".join(description.split())[:LONGEST_DESCRIPTION],
        )
        if taken is None:
            raise CheckpointRefused("Nothing has changed since the last checkpoint.")
        log_act(by, "checkpoint.take", session=session_id, number=taken.number)
        return taken

    def add(
        self,
        session_id: str,
        folder: Path,
        kind: CheckpointKind,
        *,
        only_changed: bool = False,
        **facts: Any,
    ) -> Checkpoint | None:
        """Take a checkpoint and record it. Raises CheckpointRefused, DiskFull.

        None, with `only_changed`, where the files are as in the current checkpoint.
        """
        if refusal := self._supervisor.disk_guard.start_refusal:
            raise CheckpointRefused(refusal)
        tree = self.trees.of(folder)
        with self.working(tree):
            began = time.time()
            taken = snapshots.take(tree, {"session": session_id, "kind": str(kind)})
            self.trees.note_time(tree, time.time() - began)
            record = self.store.read(session_id)
            before = record.get(record.current)
            if only_changed and before and self._is_same(tree, before, taken):
                return None
            return self.record(session_id, tree, taken, kind, **facts)

    def _is_same(self, tree: WorkingTree, before: Checkpoint, taken: Snapshot) -> bool:
        if before.top != str(tree.top):
            return False
        known = snapshots.read(tree, before.commit)
        return known.tree == taken.tree and not plans.compare(tree, known, taken)

    def record(
        self,
        session_id: str,
        tree: WorkingTree,
        taken: Snapshot,
        kind: CheckpointKind,
        **facts: Any,
    ) -> Checkpoint:
        """Set the reference of a snapshot, then record it, under the next number."""

        def number(record: Record) -> Record:
            return replace(record, last=record.last + 1)

        while True:
            last = self.store.change(session_id, number).last
            if tree.commit_of(reference(session_id, last)) is None:
                tree.keep(reference(session_id, last), taken.commit)
                break
        record = self.store.read(session_id)
        parent = record.get(record.current)
        changed = None
        if parent and parent.top == str(tree.top):
            with contextlib.suppress(GitFailed, SnapshotFailed):
                before = snapshots.read(tree, parent.commit)
                changed = len(plans.compare(tree, before, taken))
        found = taken.facts
        checkpoint = Checkpoint(
            number=last,
            commit=taken.commit,
            kind=kind,
            at=found.at,
            took=round(found.completed_at - found.at, 3),
            top=str(tree.top),
            parent=parent.number if parent else 0,
            files=found.files,
            size=found.size,
            left_out=len(found.left_out),
            changed=changed,
            **facts,
        )
        self.store.change(
            session_id,
            lambda known: replace(
                known, checkpoints=(*known.checkpoints, checkpoint), current=last, problem=""
            ),
        )
        self._remove_surplus(session_id, tree)
        return checkpoint

    # --- removing ---------------------------------------------------------------------------

    def describe(self, session_id: str, number: int, text: str) -> None:
        """Give a checkpoint a description. Raises NoSuchCheckpoint."""
        self.get(session_id, number)
        words = " ".join(text.split())[:LONGEST_DESCRIPTION]
        self.store.change(session_id, lambda record: record.changed(number, description=words))

    def remove(self, session_id: str, numbers: set[int]) -> int:
        """Remove checkpoints; how many. git's own clean-up removes their objects later."""
        record = self.store.read(session_id)
        gone = [each for each in record.checkpoints if each.number in numbers]
        for each in gone:
            self._drop(session_id, each)
        removed = {each.number for each in gone}
        self.store.change(session_id, lambda known: known.without(removed))
        return len(gone)

    def remove_all_but(
        self, session_id: str, *, newest: int | None = None, older_than: float | None = None
    ) -> int:
        """Remove those that are not among the newest, or older than so many seconds; how many."""
        record = self.store.read(session_id)
        rest = list(record.checkpoints)
        if newest is not None:
            rest = rest[: max(0, len(rest) - newest)]
        if older_than is not None:
            rest = [each for each in rest if time.time() - each.at > older_than]
        return self.remove(session_id, {each.number for each in rest})

    def _remove_surplus(self, session_id: str, tree: WorkingTree) -> None:
        record = self.store.read(session_id)
        automatic = [each for each in record.checkpoints if each.is_automatic]
        surplus = automatic[: max(0, len(automatic) - self._keep)]
        gone = {each.number for each in surplus if each.top == str(tree.top)} - {record.current}
        for number in gone:
            tree.drop(reference(session_id, number))
        if gone:
            self.store.change(session_id, lambda known: known.without(gone))

    def _drop(self, session_id: str, checkpoint: Checkpoint) -> None:
        """Delete the reference of a checkpoint, where its tree is still there."""
        try:
            self.trees.top_of(checkpoint.top).drop(reference(session_id, checkpoint.number))
        except (CheckpointRefused, GitFailed) as error:
            log.info("the reference of a checkpoint in %s stays: %s", checkpoint.top, error)

    # --- trees ------------------------------------------------------------------------------

    @contextlib.contextmanager
    def working(self, tree: WorkingTree) -> Iterator[None]:
        """Hold the lock of a tree; a restore that was cut short is finished first."""
        with in_words(), tree.locked():
            self.resume(tree)
            yield

    def resume(self, tree: WorkingTree) -> None:
        """Finish a restore that was cut short; the caller holds the lock of the tree."""
        finished = restores.resume(tree)
        if finished is None:
            return
        about = finished.about
        log.info("finished a restore of %s that was cut short", tree.top)
        with contextlib.suppress(KeyError, ValueError, OSError):
            self.note_restored(
                str(about["session"]), int(about["undo"]), int(about["number"]), finished.outcome
            )

    def note_restored(self, session_id: str, undo: int, target: int, outcome: Outcome) -> Restored:
        kept = list(outcome.kept.items())
        shown = {os.fsdecode(path): str(why) for path, why in kept[:MOST_KEPT]}
        done = Restored(time.time(), undo, target, outcome.changed, shown, len(kept))
        self.store.change(
            session_id,
            lambda record: replace(
                record,
                restored=done,
                current=target if record.get(target) else record.current,
            ),
        )
        return done


@contextlib.contextmanager
def in_words() -> Iterator[None]:
    """Turn errors of git and of the disk into sentences."""
    try:
        with raise_disk_full():
            yield
    except SnapshotFailed as error:
        raise CheckpointRefused(str(error)) from error
    except GitFailed as error:
        log.warning("a checkpoint failed: %s", error)
        raise CheckpointRefused(f"git could not do this: {error}") from error
