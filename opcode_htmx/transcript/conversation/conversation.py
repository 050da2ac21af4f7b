"""Merge Claude's history and our runs into the blocks of one session, and keep them up to date.

A run's part comes from its stdout, everything else from Claude's history file; abandoned branches
are collapsed. A cursor says how much of both a viewer has; it means the same to every server that
reads the files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import field
from pathlib import Path

from gevent.lock import BoundedSemaphore

from opcode_htmx.engines.claude.files.lineage import Lineage
from opcode_htmx.lib.concurrency.broadcast import Broadcast
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.runs.control.run import Run
from opcode_htmx.transcript.block_store import by_position
from opcode_htmx.transcript.blocks import Block, PromptBlock
from opcode_htmx.transcript.context_usage import ContextUsage
from opcode_htmx.transcript.conversation.branches import (
    Branches,
    branch_id,
    top_of,
    with_line_uuids,
)
from opcode_htmx.transcript.conversation.cursor import Cursor
from opcode_htmx.transcript.conversation.earlier import Earlier
from opcode_htmx.transcript.conversation.folded_parts import WholeNeeded
from opcode_htmx.transcript.conversation.parts import ConversationParts
from opcode_htmx.transcript.conversation.window import index_of
from opcode_htmx.transcript.fold import Transcript
from opcode_htmx.transcript.todos import Todo, todo_list

NEAR = 1_000_000
"""Bytes before the end of a long history in which a checkpoint is looked for at once."""


@dataclass(frozen=True, slots=True)
class Change:
    """A block that a viewer lacks, and the revision of its transcript that the viewer has.

    `moves` are the ids of blocks whose elements have to be removed from their old place.
    """

    block: Block
    since: int
    moves: tuple[str, ...] = ()


@dataclass(slots=True, eq=False)
class Conversation:
    """The blocks of one session and the state of its newest run."""

    session_id: str
    runs: Callable[[], Sequence[Run]]
    """The runs of the session, oldest first."""
    history_file: Callable[[], Path | None]
    changed: Broadcast
    """Notified when there may be new lines."""
    from_end: bool = False
    """Whether of a long history only the end is read; `earlier` has what is before it."""
    needs_whole: bool = False
    """Whether the end of its history cannot be shown without all that is before it."""
    gone: bool = False
    """Whether its files were removed or cut: viewers must get a new Conversation."""
    is_behind: bool = False
    """Whether another program continued the session, unknown to the Claude that runs."""
    _branches: Branches = field(default_factory=Branches)
    _abandoned: Mapping[str, str] = field(default_factory=dict)
    """The abandoned entries of history, with the roots of their branches."""
    _abandoned_for: tuple[int, str, int] = (0, "", 0)
    """The state of the lineage for which `_abandoned` was computed."""
    _parts: ConversationParts = field(init=False)
    _folding: BoundedSemaphore = field(default_factory=lambda: BoundedSemaphore(1))

    def __post_init__(self) -> None:
        self._parts = ConversationParts(self.runs, self.history_file, self.from_end)

    @property
    def earlier(self) -> Earlier | None:
        """The history before the part that is read; None if all of it is."""
        return self._parts.earlier

    @property
    def size(self) -> int:
        """Bytes of the folded lines, as an estimate of the memory in use."""
        return self._parts.size

    @property
    def run(self) -> Run | None:
        """The newest run, alive or not."""
        runs = self.runs()
        return runs[-1] if runs else None

    @property
    def cursor(self) -> Cursor:
        newest, history = self._parts.newest, self._parts.history
        return Cursor(
            newest.number if newest else 0,
            newest.folded_to if newest else 0,
            history.folded_to if history else 0,
            self._branches.names,
        )

    @property
    def current(self) -> Block | None:
        """The current activity of the newest run."""
        newest, is_older = self._parts.newest, self._parts.is_history_newest
        return None if newest is None or is_older else newest.transcript.current

    @property
    def context_usage(self) -> ContextUsage:
        usage = self.earlier.usage if self.earlier else ContextUsage()
        for transcript in self._parts.by_age():
            usage = transcript.context_usage.or_else(usage)
        return usage

    def blocks(self) -> Iterator[Block]:
        """The blocks of the top level, in order."""
        transcripts = self._parts.transcripts()
        top = [each for transcript in transcripts for each in transcript.blocks if not each.parent]
        if len(transcripts) > 1 or self._branches.blocks:
            top = sorted([*top, *self._branches.blocks], key=by_position)
        yield from top

    def newest_first(self) -> Iterator[Block]:
        """The same from the newest on; of a single run, not all are passed over for a few."""
        transcripts = self._parts.transcripts()
        if len(transcripts) == 1 and not self._branches.blocks:
            return (each for each in reversed(transcripts[0].blocks) if not each.parent)
        return reversed(list(self.blocks()))

    def block(self, block_id: str) -> Block | None:
        """A block by its id; of a long history, one that a page has shown."""
        found = (transcript.shown(block_id) for transcript in self._parts.transcripts())
        block = next(filter(None, found), None) or self._branches.get(block_id)
        return block or (self.earlier.get(block_id) if self.earlier else None)

    def turn_of(self, block: Block) -> list[Block] | None:
        """The blocks of the top level among which a block and its turn are.

        None if of a long history not all of them are in memory.
        """
        blocks, earlier = list(self.blocks()), self.earlier
        if earlier is None:
            return blocks
        prompts = _prompts_around(blocks, block)
        if prompts is not None:
            return blocks if prompts[0] else None
        blocks = earlier.part_of(block)
        return blocks if _prompts_around(blocks, block) == (True, True) else None

    def learn(self) -> None:
        """Find out what the page depends on in the history before the part that is read.

        If it cannot be read in parts, viewers have to get another Conversation, of all of it.
        """
        earlier = self.earlier
        if earlier is None or earlier.is_learned or self.gone:
            return
        try:
            earlier.learn()
        except (WholeNeeded, OSError):
            self.gone = self.needs_whole = True
        self.changed.notify()

    def lacks(self, cursor: Cursor) -> bool:
        """Whether a viewer at `cursor` may lack changes in the history that is not read."""
        return self.earlier is not None and cursor.history < self.earlier.begin

    @property
    def newest_elsewhere(self) -> str:
        """The newest foreign entry that the running Claude does not know; empty if it knows all."""
        return self._parts.history.foreign_tip if self._parts.history and self.is_behind else ""

    @property
    def would_take_back(self) -> bool:
        """Whether continuing from `newest_elsewhere` would abandon messages written here since."""
        newest, history = self._parts.newest, self._parts.history
        if history is None or newest is None:
            return False
        _, here = history.lineage.meeting(history.foreign_tip, newest.tip)
        return any(map(history.lineage.is_said, here))

    def continues_from(self, uuid: str) -> bool:
        """Whether a Claude that resumes the session will know the entry with this uuid."""
        lineage = self._parts.history.lineage if self._parts.history else None
        return lineage is not None and lineage.descends(lineage.leaf, uuid)

    def todos(self) -> tuple[Todo, ...]:
        """Claude's to-do list."""
        transcripts = self._parts.transcripts()
        events = [e for transcript in transcripts for e in transcript.todo_events if not e.parent]
        before = self.earlier.todos if self.earlier else ()
        return todo_list(sorted(events, key=by_position), before)

    # --- differences for a viewer -----------------------------------------------------------

    def changes_since(self, cursor: Cursor) -> list[Change]:
        """The changes that a viewer at `cursor` lacks, in the order of the page."""
        here = self.cursor
        if cursor.run > here.run or cursor.history > here.history:
            # Run folders were removed, or the history file was replaced
            cursor = Cursor(branches=cursor.branches)
        changes = []
        for number, part in self._parts.of_runs.items():
            if number >= cursor.run:
                since = cursor.revision if number == cursor.run else 0
                changes += _changes(part.transcript, since)
        if self._parts.history:
            changes += _changes(self._parts.history.transcript, cursor.history)
        listed = {change.block.id for change in changes}
        changes += [
            Change(block, -1)
            for number, revision, block in self._parts.changed_by_later_run
            if (number, revision) > (cursor.run, cursor.revision) and block.id not in listed
        ]
        changes.sort(key=lambda change: change.block.position)
        return [*self._moved_since(cursor), *changes]

    def _moved_since(self, cursor: Cursor) -> Iterator[Change]:
        """The branches that were collapsed or expanded since, with all their blocks."""
        lineage = self._parts.history.lineage if self._parts.history else Lineage()
        expanded = list(self._branches.expanded_since(cursor.branches, lineage))
        stale = tuple(map(branch_id, expanded))
        for branch in self._branches.collapsed_since(cursor.branches):
            yield Change(branch, -1, (*stale, *(block.id for block in branch.children)))
        uuids = lineage.below(set(expanded))
        for transcript in self._parts.transcripts() if uuids else ():
            for block, line_uuid in with_line_uuids(transcript.blocks, lineage):
                if line_uuid in uuids and not block.parent:
                    yield Change(block, -1, stale)

    # --- reading ----------------------------------------------------------------------------

    def refresh(self) -> None:
        """Fold new lines; other greenlets run while there are many."""
        with self._folding:
            if self._parts.history and self._parts.history.is_cut:
                self.gone = True
            if self.gone:
                return
            is_new = self._parts.are_empty
            self._parts.read()
            self._arrange()
            while is_new and self.earlier and self._needs_more(self.earlier):
                self._branches = Branches()
                self._abandoned, self._abandoned_for = {}, (0, "", 0)
                self._parts.read_more()
                self._arrange()
            if self.earlier and self.earlier.is_needed:
                # a new line refers to what was not read: viewers get a new Conversation
                self.gone = True

    def _needs_more(self, earlier: Earlier) -> bool:
        try:
            if earlier.is_needed or not earlier.is_continued():
                return True
            return earlier.is_current(NEAR) is False
        except OSError:
            return True

    def _arrange(self) -> None:
        """Collapse the branches that the running Claude, or else the next one, has abandoned."""
        history, newest = self._parts.history, self._parts.newest
        if history is None:
            return
        lineage = history.lineage
        part = newest if newest and newest.run.live else None
        leaf, running = lineage.leaf, part.tip if part else ""
        has_diverged = bool(running) and history.is_foreign_above(leaf, running)
        # A user who continued here after the foreign messages has decided for this branch
        is_newest = part is not None and lineage.is_newer(history.foreign_tip, part.last_turn)
        # After a compaction by our run, Claude cannot continue from what it replaced
        is_lost = lineage.is_compacted(history.foreign_tip)
        self.is_behind = has_diverged and is_newest and not is_lost
        # While the file grows at its tip, no further entry becomes abandoned
        is_linear = lineage.tip == (running or leaf) and not has_diverged
        state = lineage.version, running if has_diverged else "", 0 if is_linear else len(lineage)
        if state != self._abandoned_for:
            self._abandoned_for, self._abandoned = state, lineage.left(running or leaf)
            if self.earlier:
                self.earlier.leaf = running or leaf
        if self._abandoned or self._branches.blocks:
            transcripts = [transcript.blocks for transcript in self._parts.transcripts()]
            self._branches.arrange(self._abandoned, lineage, transcripts, history.foreign)


def _prompts_around(blocks: Sequence[Block], block: Block) -> tuple[bool, bool] | None:
    """Whether a turn begins up to a block, and after it; None if it is not among these."""
    index = index_of(blocks, top_of(blocks, block).id)
    if index is None:
        return None
    is_prompt = [isinstance(each, PromptBlock) for each in blocks]
    return any(is_prompt[: index + 1]), any(is_prompt[index + 1 :])


def _changes(transcript: Transcript, since: int) -> list[Change]:
    return [Change(block, since) for block in transcript.changed_since(since)]
