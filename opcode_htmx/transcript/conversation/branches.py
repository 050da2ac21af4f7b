"""Fold away what Claude does not go on from: each branch that was left becomes one block.

Knows blocks and the lineage of the history file. Which branches are folded follows from the files
alone; a viewer names those that its page has folded, and gets the difference.
"""

from __future__ import annotations

from collections.abc import Collection, Container, Iterable, Iterator, Mapping, Sequence
from hashlib import sha256

from opcode_htmx.engines.claude.files.lineage import Lineage
from opcode_htmx.transcript.block_store import by_position
from opcode_htmx.transcript.blocks import Block, BranchBlock

MOST = 32
"""Names in a cursor. Where there are more branches, the last name stands for all others together:
a page gets those anew when one of them comes or goes."""


class Branches:
    """The branches of one session that were left, by the ids of the lines that they begin with."""

    def __init__(self) -> None:
        self._blocks: dict[str, BranchBlock] = {}
        self.names: tuple[str, ...] = ()
        """The branches as a cursor names them."""
        self._named_together: frozenset[str] = frozenset()
        """The names of those for which the last name stands."""
        self._arranged: tuple[object, ...] = ()
        """What the blocks were arranged for."""

    @property
    def blocks(self) -> Collection[BranchBlock]:
        return self._blocks.values()

    def get(self, block_id: str) -> BranchBlock | None:
        return next((each for each in self._blocks.values() if each.id == block_id), None)

    def arrange(
        self,
        left: Mapping[str, str],
        lineage: Lineage,
        transcripts: Iterable[Sequence[Block]],
        foreign: Collection[str],
    ) -> None:
        """Put the blocks of each transcript where they belong.

        `left` are the entries that were left, with the roots of their branches; `foreign` those
        that were written elsewhere while a run of ours was alive.
        """
        transcripts = list(transcripts)
        state = id(left), *map(len, transcripts)
        if state == self._arranged:
            return
        self._arranged = state
        members: dict[str, list[Block]] = {}
        for blocks in transcripts:
            for block, row in with_rows(blocks, lineage):
                root = left.get(row, "")
                if root:
                    members.setdefault(root, []).append(block)
                elif block.parent is not None:
                    block.parent = None
        for root in [root for root in self._blocks if root not in members]:
            del self._blocks[root]
        for root, found in members.items():
            self._fold(root, sorted(found, key=by_position), root in foreign)
        self._name_all()

    def _name_all(self) -> None:
        names = sorted(map(_name, self._blocks))
        others = names[MOST - 1 :] if len(names) > MOST else []
        self._named_together = frozenset(others)
        joint = [_name("-".join(others))] if others else []
        self.names = (*names[: len(names) - len(others)], *joint)

    def _fold(self, root: str, blocks: list[Block], is_foreign: bool) -> None:
        branch = self._blocks.get(root)
        first = blocks[0]
        if branch is None:
            branch = self._blocks[root] = BranchBlock(
                id=branch_id(root), order=first.order, born=first.born, revision=first.revision
            )
        if branch.children != blocks or branch.is_foreign != is_foreign:
            branch.children, branch.is_foreign = blocks, is_foreign
            branch.order = first.order
            branch.changes += 1
        for block in blocks:
            block.parent = branch.id

    # --- what a viewer lacks ----------------------------------------------------------------

    def folded_since(self, names: Collection[str]) -> Iterator[BranchBlock]:
        """The branches that a page does not have which has folded those with these names."""
        known = set(names)
        if self._named_together and self.names[-1] in known:
            known |= self._named_together
        return (block for root, block in self._blocks.items() if _name(root) not in known)

    def unfolded_since(self, names: Collection[str], lineage: Lineage) -> Iterator[str]:
        """The roots of branches that such a page has folded, and that are left no more."""
        gone = set(names) - set(map(_name, self._blocks))
        if gone:
            yield from (uuid for uuid in lineage.roots() if _name(uuid) in gone)


def with_rows(blocks: Iterable[Block], lineage: Container[str]) -> Iterator[tuple[Block, str]]:
    """The blocks of one transcript, each with the entry of history that it belongs to.

    What has no entry of its own, a summary or a question, stays with its turn.
    """
    row = ""
    for block in blocks:
        row = block.row if block.row in lineage else row
        yield block, row


def branch_id(root: str) -> str:
    """The id of the block that holds the branch beginning with this entry."""
    return f"left:{root}"  # no id of Claude's, which are letters, digits and dashes


def _name(root: str) -> str:
    return sha256(root.encode("utf-8", "replace")).hexdigest()[:16]


def top_of(blocks: Sequence[Block], block: Block) -> Block:
    """The block of the conversation that `block` stands in, also of a branch that was left."""

    def holds(each: Block) -> bool:
        return each is block or any(map(holds, each.children))

    top = next((each for each in blocks if holds(each)), block)
    return top_of(top.children, block) if isinstance(top, BranchBlock) else top
