"""A session as a page shows it: Claude's history and our runs in one order, kept up to date.

A run's part comes from its stdout, everything else from Claude's history file; the branches that
Claude does not go on from are folded. A cursor says how far a viewer has come in both; it means
the same to every server that reads the files.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gevent.lock import BoundedSemaphore

from opcode_htmx.engines.claude.files.lineage import Lineage
from opcode_htmx.lib.broadcast import Broadcast
from opcode_htmx.runs.control.run import Run
from opcode_htmx.runs.model.lifecycle import Phase
from opcode_htmx.transcript.block_store import by_position
from opcode_htmx.transcript.blocks import Block
from opcode_htmx.transcript.context_usage import Progress
from opcode_htmx.transcript.conversation.branches import Branches, branch_id, with_rows
from opcode_htmx.transcript.conversation.cursor import Cursor
from opcode_htmx.transcript.conversation.history_part import HistoryPart, Stretch
from opcode_htmx.transcript.conversation.run_part import RunPart
from opcode_htmx.transcript.fold import Transcript
from opcode_htmx.transcript.todos import Todo, todo_list


@dataclass(frozen=True, slots=True)
class Change:
    """A block that differs from what a viewer has, and since which revision of its transcript.

    `moves` are the ids of blocks whose elements stand elsewhere on the page and give way to this.
    """

    block: Block
    since: int
    moves: tuple[str, ...] = ()


@dataclass(slots=True, weakref_slot=True, eq=False)
class Conversation:
    """The blocks of one session and the state of its newest run."""

    session_id: str
    runs: Callable[[], Sequence[Run]]
    """The runs of the session, oldest first."""
    history_file: Callable[[], Path | None]
    changed: Broadcast
    """Notified when there may be more to see."""
    gone: bool = False
    """Whether its files were taken away or cut: who looks at it has to ask anew."""
    size: int = 0
    """Bytes of the lines that were folded, as a measure of the memory that it takes."""
    is_behind: bool = False
    """Whether the session went on elsewhere, and the Claude that runs does not know of it."""
    _parts: dict[int, RunPart] = field(default_factory=dict)
    """The runs' parts by their numbers, which are odd: 1 for the first run."""
    _history: HistoryPart | None = None
    _branches: Branches = field(default_factory=Branches)
    _left: Mapping[str, str] = field(default_factory=dict)
    """The entries of history that were left, with the roots of their branches."""
    _left_at: tuple[int, str, int] = (0, "", 0)
    """The state of the lineage for which that holds."""
    _changed_later: list[tuple[int, int, Block]] = field(default_factory=list)
    """Blocks of a run that a later one has changed: its number, the revision, and the block."""
    _folding: BoundedSemaphore = field(default_factory=lambda: BoundedSemaphore(1))

    @property
    def run(self) -> Run | None:
        """The newest run, alive or not."""
        runs = self.runs()
        return runs[-1] if runs else None

    @property
    def cursor(self) -> Cursor:
        newest = self._newest
        return Cursor(
            newest.number if newest else 0,
            newest.whole if newest else 0,
            self._history.whole if self._history else 0,
            self._branches.names,
        )

    @property
    def current(self) -> Block | None:
        """What goes on in the newest run."""
        newest = self._newest
        return None if newest is None or self._is_history_newest else newest.transcript.current

    @property
    def progress(self) -> Progress:
        progress = Progress()
        for transcript in self._by_age():
            progress = transcript.progress.over(progress)
        return progress

    def blocks(self) -> Iterator[Block]:
        """The blocks of the top level, in order."""
        transcripts = self._transcripts()
        top = [each for transcript in transcripts for each in transcript.blocks if not each.parent]
        if len(transcripts) > 1 or self._branches.blocks:
            top = sorted([*top, *self._branches.blocks], key=by_position)
        yield from top

    def block(self, block_id: str) -> Block | None:
        found = (transcript.get(block_id) for transcript in self._transcripts())
        return next(filter(None, found), None) or self._branches.get(block_id)

    @property
    def newest_elsewhere(self) -> str:
        """The entry of history that the Claude that runs does not know; empty if it knows all."""
        return self._history.foreign_tip if self._history and self.is_behind else ""

    @property
    def would_take_back(self) -> bool:
        """Whether what was said here since would be left by going on from `newest_elsewhere`."""
        newest, history = self._newest, self._history
        if history is None or newest is None:
            return False
        _, here = history.lineage.meeting(history.foreign_tip, newest.tip)
        return any(map(history.lineage.is_said, here))

    def goes_on_behind(self, uuid: str) -> bool:
        """Whether a Claude that resumes the session knows the entry with this uuid."""
        lineage = self._history.lineage if self._history else None
        return lineage is not None and lineage.descends(lineage.leaf, uuid)

    def todos(self) -> tuple[Todo, ...]:
        """What Claude has noted that it has to do, as it stands now."""
        transcripts = self._transcripts()
        events = [e for transcript in transcripts for e in transcript.todo_events if not e.parent]
        return todo_list(sorted(events, key=by_position))

    # --- what a viewer lacks ----------------------------------------------------------------

    def changes_since(self, cursor: Cursor) -> list[Change]:
        """What a viewer at `cursor` lacks, in order of appearance."""
        here = self.cursor
        if cursor.run > here.run or cursor.history > here.history:
            cursor = Cursor(left=cursor.left)  # runs were cleared away, or the file is another one
        changes = []
        for number, part in self._parts.items():
            if number >= cursor.run:
                since = cursor.revision if number == cursor.run else 0
                changes += _changes(part.transcript, since)
        if self._history:
            changes += _changes(self._history.transcript, cursor.history)
        listed = {change.block.id for change in changes}
        changes += [
            Change(block, -1)
            for number, revision, block in self._changed_later
            if (number, revision) > (cursor.run, cursor.revision) and block.id not in listed
        ]
        changes.sort(key=lambda change: change.block.position)
        return [*self._moved_since(cursor), *changes]

    def _moved_since(self, cursor: Cursor) -> Iterator[Change]:
        """The branches that were folded or unfolded since, with all that is in them."""
        lineage = self._history.lineage if self._history else Lineage()
        unfolded = list(self._branches.unfolded_since(cursor.left, lineage))
        stale = tuple(map(branch_id, unfolded))
        for branch in self._branches.folded_since(cursor.left):
            yield Change(branch, -1, (*stale, *(block.id for block in branch.children)))
        rows = lineage.below(set(unfolded))
        for transcript in self._transcripts() if rows else ():
            for block, row in with_rows(transcript.blocks, lineage):
                if row in rows and not block.parent:
                    yield Change(block, -1, stale)

    # --- reading ----------------------------------------------------------------------------

    def refresh(self) -> None:
        """Fold what has been written since; gives way to other greenlets where it is much."""
        with self._folding:
            if self._history and self._history.is_cut:
                self.gone = True
                return
            stretches: list[Stretch] = []
            for index, run in enumerate(self.runs()):
                run.refresh_record()  # another worker may have started or ended it
                if run.phase is not Phase.QUEUED:
                    self._read_history(stretches, run.record.history_start)
                    if self._history:
                        self._history.end_in_front_of(2 * index + 1)
                    stretches.append(self._read_run(2 * index + 1, run))
            self._read_history(stretches, None)
            if self._history:
                self._history.show_what_waits(stretches)
            self._note_sent_as_text()
            self._arrange()

    def _read_run(self, number: int, run: Run) -> Stretch:
        part = self._parts.get(number)
        end = run.record.end
        # A folder that was cleared away: what Claude noted of the run is still there
        if part is None and (end is None or run.folder.output.exists()):
            part = self._parts[number] = RunPart.of(run, number, self._taken_before(number))
        if part is not None:
            self.size += part.fold()
        history_end = end.history_end if end else None
        return Stretch(run.record.history_start, history_end, number, part)

    def _note_sent_as_text(self) -> None:
        """Change refused commands whose words a later run has read."""
        parts = [self._parts[number] for number in sorted(self._parts)]
        for number, part in enumerate(parts):
            for prompt_id in part.transcript.refused:
                for later in parts[number + 1 :]:
                    read = later.transcript.get(prompt_id)
                    if read and (block := part.transcript.note_sent_as_text(prompt_id)):
                        self._changed_later.append((later.number, read.born, block))

    def _read_history(self, stretches: Sequence[Stretch], limit: int | None) -> None:
        if self._history is None:
            path = None if limit == 0 else self.history_file()
            if path is None:
                return
            self._history = HistoryPart.of(path, self._taken_before(None))
            if stretches:  # these runs began before there was anything in front of them
                self._history.settled = stretches[-1].number
        self.size += self._history.fold(stretches, limit)

    def _arrange(self) -> None:
        """Fold the branches that Claude does not go on from: the one that runs, or else a next."""
        history, newest = self._history, self._newest
        if history is None:
            return
        lineage = history.lineage
        part = newest if newest and newest.run.live else None
        leaf, running = lineage.leaf, part.tip if part else ""
        is_beside = bool(running) and history.is_foreign_above(leaf, running)
        # A person who goes on here after what was said elsewhere has decided
        is_newest = part is not None and lineage.is_newer(history.foreign_tip, part.last_turn)
        # Behind a compaction of ours no Claude can go on from what it has replaced
        is_lost = lineage.is_compacted(history.foreign_tip)
        self.is_behind = is_beside and is_newest and not is_lost
        # As long as the file goes on where it ended, nothing is left that was not left before
        goes_on = lineage.tip == (running or leaf) and not is_beside
        state = lineage.version, running if is_beside else "", 0 if goes_on else len(lineage)
        if state != self._left_at:
            self._left_at, self._left = state, lineage.left(running or leaf)
        if self._left or self._branches.blocks:
            transcripts = [transcript.blocks for transcript in self._transcripts()]
            self._branches.arrange(self._left, lineage, transcripts, history.foreign)

    # --- the parts --------------------------------------------------------------------------

    @property
    def _newest(self) -> RunPart | None:
        """The part of the newest run that has one."""
        return self._parts[max(self._parts)] if self._parts else None

    def _transcripts(self) -> list[Transcript]:
        history = [self._history.transcript] if self._history else []
        return [*history, *(self._parts[number].transcript for number in sorted(self._parts))]

    @property
    def _is_history_newest(self) -> bool:
        """Whether the newest words stand in history, and not in the newest run."""
        newest = self._newest
        return self._history is not None and (newest is None or self._history.place > newest.number)

    def _by_age(self) -> list[Transcript]:
        """The transcripts, the one in which something was said last at the end."""
        transcripts = self._transcripts()
        return [*transcripts[1:], transcripts[0]] if self._is_history_newest else transcripts

    def _taken_before(self, number: int | None) -> Callable[[str], bool]:
        """Whether a block in front of the run with this number has an id; None: of any run.

        No id stands twice on a page: what is said again in a later part gets an id of its own.
        """
        here = weakref.ref(self)  # else it would only be found by the garbage collector, later

        def is_taken(block_id: str) -> bool:
            conversation = here()
            if conversation is None:
                return False
            if number is not None and (history := conversation._history):
                known = history.transcript.get(block_id)
                if known is not None and known.position[0] < number:
                    return True
            parts = conversation._parts.values()
            earlier = (part for part in parts if number is None or part.number < number)
            return any(part.transcript.get(block_id) for part in earlier)

        return is_taken


def _changes(transcript: Transcript, since: int) -> list[Change]:
    return [Change(block, since) for block in transcript.changed_since(since)]
