"""Fold one part of a history file, which begins and ends where it looks as in the whole file."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.transcript.block_store import by_position
from opcode_htmx.transcript.blocks import Block, BranchBlock
from opcode_htmx.transcript.conversation import starts
from opcode_htmx.transcript.conversation.branches import Branches
from opcode_htmx.transcript.conversation.history_part import HistoryPart
from opcode_htmx.transcript.conversation.history_scan import HistoryScan
from opcode_htmx.transcript.conversation.starts import Start

LINES = (160, 800, 3_000)
"""Lines of a part, and of a longer one if blocks depend on lines before it."""


class WholeNeeded(Exception):
    """The history cannot be shown in parts: it has to be folded from its beginning."""


@dataclass(frozen=True, slots=True)
class Below:
    """What the parts from byte `begin` on say about the one that ends there."""

    begin: int
    continued: str
    """The entry that the path of the conversation continues; empty if it has ended."""
    cuts: frozenset[str]
    is_interrupted: bool
    is_settled: bool


@dataclass(frozen=True, slots=True)
class Part:
    """A part that was folded, without its blocks. `below` is what was known before."""

    below: Below
    start: Start | None
    own: Below
    """What is known for the part before it."""
    count: int
    """The number of its blocks at the top level."""
    ids: array[int]
    """Hashes of the ids of its blocks, and of those in its branches."""


@dataclass(slots=True, weakref_slot=True, eq=False)
class FoldedPart:
    """The blocks of a part."""

    blocks: list[Block]
    history: HistoryPart
    branches: Branches

    def get(self, block_id: str) -> Block | None:
        return self.history.transcript.shown(block_id) or self.branches.get(block_id)


class PartFolder:
    """Folds the parts of one history file."""

    def __init__(self, path: Path, is_taken: Callable[[str], bool]) -> None:
        """`is_taken` says whether a run has a block with an id."""
        self._path = path
        self._is_taken = is_taken
        self.scan: HistoryScan | None = None
        """What is known of the whole file, if it is: where no part may begin."""

    def before(self, below: Below) -> tuple[Part, FoldedPart]:
        """The part that ends where `below` begins. Raises WholeNeeded, and OSError."""
        for lines in (*LINES, 0) if below.continued else (0,):
            start = starts.before(self._path, below.begin, lines) if lines else starts.BEGINNING
            if start is None or (start == starts.BEGINNING and below.begin > starts.MOST_BYTES):
                continue
            start = None if start == starts.BEGINNING else start
            if start and self.scan and self.scan.is_spanned(start.begin):
                continue
            folded = self.from_start(start, below)
            if folded is None:
                if start is None:
                    break
                continue
            history = folded.history
            leaf = history.lineage.standing_for(below.continued)
            own = Below(
                history.begin,
                history.lineage.way_out(leaf, history.first_number),
                history.lineage.cuts,
                below.is_interrupted or history.transcript.is_interrupted,
                below.is_settled,
            )
            ids = array("q", map(hash, _ids(folded.blocks)))
            return Part(below, start, own, len(folded.blocks), ids), folded
        raise WholeNeeded

    def from_start(self, start: Start | None, below: Below) -> FoldedPart | None:
        """The part from `start` on; None if its blocks depend on lines before that."""
        history = HistoryPart.of(self._path, self._is_taken, start)
        history.fold([], below.begin)
        if below.is_interrupted:
            history.transcript.end_turn()
        if below.is_settled:
            history.transcript.settle(below.begin)
        lineage = history.lineage
        lineage.add_cuts(below.cuts)
        leaf = lineage.standing_for(below.continued)
        if (below.continued and not leaf) or history.reaches_back(leaf):
            return None
        if any(True for _ in history.transcript.refused):
            return None  # whether it was sent again as text is known by later lines
        branches = Branches()
        branches.arrange(lineage.left(leaf), lineage, [history.transcript.blocks], frozenset())
        top = [block for block in history.transcript.blocks if not block.parent]
        return FoldedPart(sorted([*top, *branches.blocks], key=by_position), history, branches)


def _ids(blocks: Sequence[Block]) -> Iterator[str]:
    for block in blocks:
        yield block.id
        if isinstance(block, BranchBlock):
            yield from (child.id for child in block.children)
