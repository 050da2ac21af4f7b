"""The blocks of a long history before the part that is kept in memory, folded part by part.

Each part is folded when one of its blocks is shown, and dropped again after a while. A later
part hands on to an earlier one: the entry from which the path of the conversation continues, where
rewinds have cut, and whether an interruption has finished the open blocks.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from itertools import count, islice

from gevent.lock import BoundedSemaphore

from opcode_htmx.engines.claude.files.lineage import BEFORE
from opcode_htmx.engines.claude.protocol import parser
from opcode_htmx.lib.concurrency.cooperative import run_in_thread
from opcode_htmx.lib.late.patterns import late_pattern
from opcode_htmx.transcript.block_store import OWN_ID, by_position
from opcode_htmx.transcript.blocks import Block
from opcode_htmx.transcript.context_usage import ContextUsage
from opcode_htmx.transcript.conversation import history_scan, starts
from opcode_htmx.transcript.conversation.folded_parts import (
    Below,
    FoldedPart,
    Part,
    PartFolder,
    WholeNeeded,
)
from opcode_htmx.transcript.conversation.history_part import HistoryPart
from opcode_htmx.transcript.conversation.history_scan import HistoryScan
from opcode_htmx.transcript.conversation.window import index_of
from opcode_htmx.transcript.todos import Todo, is_written_by, todo_list

SEARCHED = 10
"""Parts that are searched for the size of the context, which each answer of Claude has."""
KEPT = 4
"""Parts whose blocks stay in memory."""


_NUMBER = late_pattern(r"-[0-9]{1,4}$")
"""The number of a text in its message, or of a part in its line."""


class Earlier:
    """The parts of one history before the newest part, which is kept by its Conversation."""

    def __init__(self, newest: HistoryPart, is_taken: Callable[[str], bool]) -> None:
        """`is_taken` says whether a run has a block with an id."""
        self._newest = newest
        self.is_settled = False
        """Whether a run has begun since, which finishes what was open."""
        self.leaf = ""
        """The entry that Claude continues from."""
        self._parts: list[Part] = []
        """Those that were folded once, the latest in the file first."""
        self._kept: OrderedDict[int, FoldedPart] = OrderedDict()
        """The blocks of those shown last, by their number in `_parts`."""
        self._known_for = Below(0, "", frozenset(), False, False)
        self._folder = PartFolder(newest.path, is_taken)
        self._lock = BoundedSemaphore(1)
        self.is_begun = False
        """Whether somebody has begun to learn it."""
        self.is_learned = False
        """Whether `todos` and `usage` are known."""
        self.todos: tuple[Todo, ...] = ()
        """Claude's to-do list in front of the newest part."""
        self.usage = ContextUsage()
        """What the newest part does not say about the context and the cost."""

    @property
    def begin(self) -> int:
        """The byte at which the newest part begins."""
        return self._newest.begin

    @property
    def is_needed(self) -> bool:
        """Whether the newest part may not look as in the whole file."""
        newest = self._newest
        return newest.reaches_back(self.leaf) or newest.lineage.has_checkpoint is False

    def is_continued(self) -> bool:
        """Whether the newest part continues an entry that is not far before it. Raises OSError.

        If there is no such entry, it is lost, and what follows continues another one.
        """
        start, way_out = self._newest.start, self._way_out
        if start is None or way_out in ("", BEFORE):
            return True
        path, most = self._newest.path, starts.MOST_BYTES
        return run_in_thread(history_scan.has_entry, path, start.context, way_out, most)

    def is_current(self, most: int | None = None) -> bool | None:
        """Whether Claude continues from the newest part, by the checkpoint that was recorded last.

        None if none was in the `most` bytes before it. Raises OSError.
        """
        path, start = self._newest.path, self._newest.start
        if start is None or self._newest.lineage.has_checkpoint is not None:
            return True
        scan, end = history_scan.continues_checkpoint, start.context
        return run_in_thread(scan, path, end, self._way_out, most)

    @property
    def _way_out(self) -> str:
        return self._newest.lineage.way_out(self.leaf, 0)

    def learn(self) -> None:
        """Find out what the end of the session depends on in all that is before it.

        Takes a while, in which other greenlets run. Raises WholeNeeded, and OSError.
        """
        path, newest = self._newest.path, self._newest.transcript
        if not self.is_current():
            raise WholeNeeded
        scan = run_in_thread(history_scan.scan, path, self._newest.reader.offset)
        if scan.is_spanned(self.begin):
            raise WholeNeeded
        with self._lock:
            self._folder.scan = scan
            if any(part.start and scan.is_spanned(part.start.begin) for part in self._parts):
                self._parts.clear()
                self._kept.clear()
        self.usage = self._usage_before(scan)
        first, events = scan.first_todo, newest.todo_events
        if first is not None and first < self.begin and not is_written_by(_on_top(events)):
            self.todos = self._todos_before(first)
        self.is_learned = True

    def _usage_before(self, scan: HistoryScan) -> ContextUsage:
        usage, path, newest = ContextUsage(), self._newest.path, self._newest.transcript
        for begin, end in scan.costs:
            for line in history_scan.cost_lines(path, begin, end):
                usage.add(parser.parse(line))
        if not (newest.context_usage.tokens or newest.context_usage.is_compacted):
            for part in islice(self.walk(), SEARCHED):
                found = part.history.transcript.context_usage
                usage.tokens = found.tokens
                if found.tokens or found.is_compacted:
                    break
        return usage

    def _todos_before(self, first: int) -> tuple[Todo, ...]:
        """The list before the newest part, of which the first call is at byte `first`."""
        events: list[Block] = []
        for part in self.walk():
            own = _on_top(part.history.transcript.todo_events)
            events = [*own, *events]
            if is_written_by(own) or part.history.begin <= first:
                break
        return todo_list(sorted(events, key=by_position))

    # --- blocks -----------------------------------------------------------------------------

    def get(self, block_id: str) -> Block | None:
        """A block of the parts that were shown, by its id."""
        with self._lock:
            self._check()
            for number in self._with_id(block_id):
                if found := self._folded(number).get(block_id):
                    return found
        return None

    def part_of(self, block: Block) -> list[Block]:
        """The blocks of the part that a block is of; none if it is of another part than these."""
        with self._lock:
            kept = self._kept.values()
            return next((p.blocks for p in kept if p.get(block.id) is block), [])

    def blocks_from(self, block_id: str, more: int = 0) -> tuple[list[Block], int | None] | None:
        """The blocks from the one with this id on, up to the newest part, and `more` before it.

        Also the number of blocks before those; None if that is not known yet. None if no block
        has the id, for which all parts are searched. Raises WholeNeeded, and OSError.
        """
        with self._lock:
            self._check()
            found = self._number_of(block_id)
            if found is None:
                return None
            blocks: list[Block] = []
            for number in range(found + 1):
                blocks = [*self._folded(number).blocks, *blocks]
            index = index_of(blocks, block_id) or 0
            return self._extended(blocks, found, more - index)

    def blocks_before(self, block_id: str, more: int) -> tuple[list[Block], int | None] | None:
        """The same without the parts behind the one that has the block."""
        with self._lock:
            self._check()
            found = self._number_of(block_id)
            if found is None:
                return None
            blocks = list(self._folded(found).blocks)
            index = index_of(blocks, block_id) or 0
            return self._extended(blocks, found, more - index)

    def newest(self, more: int) -> tuple[list[Block], int | None]:
        """At least `more` blocks before the newest part, and the number of those before them."""
        with self._lock:
            self._check()
            return self._extended([], -1, more)

    def _extended(
        self, blocks: list[Block], number: int, wanted: int
    ) -> tuple[list[Block], int | None]:
        """`blocks` with those of earlier parts than `number`, until `wanted` are before it."""
        added = 0
        while added < wanted and self._has(number + 1):
            number += 1
            part = self._folded(number).blocks
            blocks, added = [*part, *blocks], added + len(part)
        return blocks, self._count_before(number)

    def count_behind(self, block_id: str, most: int) -> int | None:
        """The number of blocks between the one with this id and the newest part.

        None if it is not among those of the `most` bytes before that. Raises as the others.
        """
        with self._lock:
            self._check()
            hashed, behind = hash(block_id), 0
            for number in count():
                if not self._has(number):
                    return None
                part = self._parts[number]
                if hashed in part.ids:
                    index = index_of(self._folded(number).blocks, block_id)
                    if index is not None:
                        return behind + part.count - index - 1
                behind += part.count
                if part.own.begin < self.begin - most:
                    return None
        return None

    def has(self, block_id: str) -> bool:
        """Whether the history before the newest part names this block, or the one it is of."""
        if match := OWN_ID.fullmatch(block_id):
            return int(match[1]) < self.begin
        name = _NUMBER.sub("", block_id).encode("utf-8", "replace")
        path = self._newest.path
        return run_in_thread(history_scan.named, path, self.begin, b'"' + name) is not None

    def walk(self) -> Iterator[FoldedPart]:
        """The parts, the latest first. Raises WholeNeeded, and OSError."""
        for number in count():
            with self._lock:
                self._check()
                if not self._has(number):
                    return
                part = self._folded(number)
            yield part

    def _count_before(self, number: int) -> int | None:
        if self._has_all:
            return sum(part.count for part in self._parts[number + 1 :])
        return None

    # --- parts ------------------------------------------------------------------------------

    def _check(self) -> None:
        """Forget the parts if the newest one says otherwise about them now."""
        lineage, newest = self._newest.lineage, self._newest
        known = Below(
            newest.begin,
            lineage.way_out(self.leaf, newest.first_number),
            lineage.cuts,
            newest.transcript.is_interrupted,
            self.is_settled,
        )
        if known != self._known_for:
            self._known_for = known
            self._parts.clear()
            self._kept.clear()

    @property
    def _below(self) -> Below:
        return self._parts[-1].own if self._parts else self._known_for

    @property
    def _has_all(self) -> bool:
        return self._below.begin == 0

    def _has(self, number: int) -> bool:
        """Whether there is a part with this number; it is folded if it is the next one."""
        if number < len(self._parts):
            return True
        if self._has_all:
            return False
        part, folded = self._folder.before(self._below)
        self._parts.append(part)
        self._keep(len(self._parts) - 1, folded)
        return True

    def _folded(self, number: int) -> FoldedPart:
        folded = self._kept.get(number)
        if folded is None:
            folded = self._folder.from_start(self._parts[number].start, self._parts[number].below)
            if folded is None:
                raise WholeNeeded
        self._keep(number, folded)
        return folded

    def _keep(self, number: int, folded: FoldedPart) -> None:
        self._kept[number] = folded
        self._kept.move_to_end(number)
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)

    def _with_id(self, block_id: str) -> Iterator[int]:
        """The numbers of the known parts that may have a block with this id."""
        hashed = hash(block_id)
        return (number for number, part in enumerate(self._parts) if hashed in part.ids)

    def _number_of(self, block_id: str) -> int | None:
        """The number of the part with this block on its top level, or in a branch."""
        hashed = hash(block_id)
        for number in count():
            if not self._has(number):
                return None
            if hashed in self._parts[number].ids:
                return number
        return None


def _on_top(events: Iterable[Block]) -> list[Block]:
    """Those that are not in an abandoned branch."""
    return [event for event in events if not event.parent]
