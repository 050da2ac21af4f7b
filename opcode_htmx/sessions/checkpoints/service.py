"""Take, compare, restore and remove the checkpoints of a session."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator
from pathlib import Path

from opcode_htmx.lib.audit_log import log_act
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.git.process import GitFailed
from opcode_htmx.lib.git.snapshots import plan as plans
from opcode_htmx.lib.git.snapshots import restore as restores
from opcode_htmx.lib.git.snapshots import snapshot as snapshots
from opcode_htmx.lib.git.snapshots.plan import Plan
from opcode_htmx.lib.git.snapshots.restore import Outcome
from opcode_htmx.lib.git.snapshots.snapshot import Snapshot
from opcode_htmx.lib.git.snapshots.tree import SnapshotFailed, WorkingTree
from opcode_htmx.lib.identity import Identity
from opcode_htmx.runs.model.lifecycle import OPEN_TURN
from opcode_htmx.sessions.checkpoints.model import Checkpoint, CheckpointKind, Restored
from opcode_htmx.sessions.checkpoints.recorder import NoSuchCheckpoint, Recorder, in_words

MOST_PAIRS = 60
"""Spans between Claude's turns that are looked through for changes of a person."""


class ClaudeWorks(Exception):
    """Files are not put back while Claude works on them; the text is a sentence for the person."""


class PlanChanged(Exception):
    """The plan is no longer the one that the person has seen; the text says so."""


@dataclass(frozen=True, slots=True)
class Preview:
    """What a restore would do."""

    tree: WorkingTree
    now: Snapshot
    then: Snapshot
    plan: Plan
    digest: str
    """Names this plan: the person's consent is to it."""
    outside: frozenset[bytes]
    """The paths among the changes that were changed last outside of Claude's turns."""


class Checkpoints(Recorder):
    """The checkpoints of all sessions. All workers may use them at once."""

    # --- comparing --------------------------------------------------------------------------

    @contextlib.contextmanager
    def look(
        self, session_id: str, number: int
    ) -> Iterator[tuple[WorkingTree, Snapshot, Snapshot]]:
        """A tree, what is there now, and what was there then; nothing is kept of now.

        Raises CheckpointRefused, NoSuchCheckpoint.
        """
        checkpoint = self.get(session_id, number)
        tree = self.trees.top_of(checkpoint.top)
        with in_words(), tree.looking() as scratch:
            then = snapshots.read(scratch, checkpoint.commit)
            now = snapshots.take(scratch, {}, also=plans.names(scratch, then))
            yield scratch, now, then

    @contextlib.contextmanager
    def pair(
        self, session_id: str, number: int
    ) -> Iterator[tuple[WorkingTree, Snapshot | None, Snapshot]]:
        """A tree, the parent of a checkpoint if it has one, and the checkpoint."""
        checkpoint = self.get(session_id, number)
        tree = self.trees.top_of(checkpoint.top)
        with in_words():
            then = snapshots.read(tree, checkpoint.commit)
            parent = self.store.read(session_id).get(checkpoint.parent)
            if parent is None or parent.top != checkpoint.top:
                yield tree, None, then
            else:
                yield tree, snapshots.read(tree, parent.commit), then

    @contextlib.contextmanager
    def preview(self, session_id: str, number: int) -> Iterator[Preview]:
        """What a restore would do now. Raises CheckpointRefused, NoSuchCheckpoint."""
        with self.look(session_id, number) as (tree, now, then):
            plan = plans.make(tree, now, then)
            outside = self._outside(session_id, number, tree, now)
            changed = frozenset(each.path for each in plan.changes)
            yield Preview(tree, now, then, plan, _digest(plan), outside & changed)

    def _outside(
        self, session_id: str, number: int, tree: WorkingTree, now: Snapshot
    ) -> frozenset[bytes]:
        """The paths that were changed between Claude's turns since a checkpoint.

        Only where a turn's end is on record: where it is not, who changed them is not known.
        """
        record = self.store.read(session_id)
        since = [each for each in record.checkpoints if each.number >= number]
        since = [each for each in since if each.top == str(tree.top)][-MOST_PAIRS:]
        found: set[bytes] = set()
        for first, second in zip(since, [*since[1:], None], strict=True):
            if not (first.settled or first.kind is CheckpointKind.TURN):
                continue
            if second is not None and second.kind in (CheckpointKind.TURN, CheckpointKind.TOOL):
                continue
            with contextlib.suppress(GitFailed, SnapshotFailed):
                before = snapshots.read(tree, first.commit)
                after = now if second is None else snapshots.read(tree, second.commit)
                found |= {each.path for each in plans.compare(tree, before, after)}
        return frozenset(found)

    # --- restoring --------------------------------------------------------------------------

    def restore(self, session_id: str, number: int, *, digest: str = "", by: Identity) -> Restored:
        """Restore a checkpoint, after one of now.

        With a `digest`, only if it would still do what its preview said. Raises ClaudeWorks,
        PlanChanged, CheckpointRefused, NoSuchCheckpoint, DiskFull.
        """
        checkpoint = self.get(session_id, number)
        tree = self.trees.top_of(checkpoint.top)
        self.check_rest(tree.top)
        with self.working(tree):
            then = snapshots.read(tree, checkpoint.commit)
            now = restores.save_now(
                tree, then, {"session": session_id, "kind": str(CheckpointKind.UNDO)}
            )
            if digest and _digest(plans.make(tree, now, then)) != digest:
                raise PlanChanged("Files have changed since you looked. Look again.")
            undo = self.record(session_id, tree, now, CheckpointKind.UNDO, target=number)
            about = {"session": session_id, "undo": undo.number, "number": number}
            outcome = restores.run(tree, now, then, about)
            log_act(by, "checkpoint.restore", session=session_id, number=number, undo=undo.number)
            return self.note_restored(session_id, undo.number, number, outcome)

    def undo(self, session_id: str, *, by: Identity) -> Restored:
        """Undo the last restore, or rewind of files. Raises as `restore` does."""
        restored = self.store.read(session_id).restored
        if restored is None:
            raise NoSuchCheckpoint("There is nothing to undo.")
        return self.restore(session_id, restored.undo, by=by)

    def before_rewind(self, session_id: str, folder: Path) -> Checkpoint:
        """The checkpoint before Claude takes back its changes. Raises as `restore` does."""
        tree = self.trees.of(folder)
        self.check_rest(tree.top)
        with self.working(tree):
            now = snapshots.take(tree, {"session": session_id}, durable=True)
            return self.record(session_id, tree, now, CheckpointKind.UNDO)

    def note_rewound(self, session_id: str, undo: int, changed: int) -> Restored:
        """Claude has taken back its changes; they can be undone."""
        return self.note_restored(session_id, undo, 0, Outcome(changed))

    def check_rest(self, top: Path) -> None:
        """Raises ClaudeWorks where Claude works in a tree, in whichever session."""
        for run in self._supervisor.live():
            if run.phase in OPEN_TURN and self.trees.is_in(Path(run.record.project_path), top):
                raise ClaudeWorks(
                    "Claude is at work on these files. Wait until it is done, or stop it first."
                )


def _digest(plan: Plan) -> str:
    lines = sorted((each.path, repr(each.now), repr(each.then)) for each in plan.changes)
    return hashlib.sha256(repr(lines).encode()).hexdigest()[:32]
