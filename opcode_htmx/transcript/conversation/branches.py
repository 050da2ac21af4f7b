"""Collapse abandoned branches, which Claude does not continue from, into one block each.

Which branches are collapsed follows from the files alone. A viewer's cursor names those that its
page has collapsed, and the viewer gets the difference.
"""

from __future__ import annotations

from collections.abc import Collection, Container, Iterable, Iterator, Mapping, Sequence
from hashlib import sha256

from opcode_htmx.engines.claude.files.lineage import Lineage
from opcode_htmx.transcript.block_store import by_position
from opcode_htmx.transcript.blocks import Block, BranchBlock

MOST = 32
"""Names in a cursor. If there are more branches, the last name stands for all the others: a page
gets all of those again when one of them is added or removed."""


class Branches:
    """The abandoned branches of one session, by the uuids of their first lines."""

    def __init__(self) -> None:
        self._blocks: dict[str, BranchBlock] = {}
        self.names: tuple[str, ...] = ()
        """The names of the branches for a cursor."""
        self._jointly_named: frozenset[str] = frozenset()
        """The names of those for which the last name stands."""
        self._arranged_for: tuple[object, ...] = ()
        """The state for which the blocks were last arranged."""

    @property
    def blocks(self) -> Collection[BranchBlock]:
        return self._blocks.values()

    def get(self, block_id: str) -> BranchBlock | None:
        return next((each for each in self._blocks.values() if each.id == block_id), None)

    def arrange(
        self,
        abandoned: Mapping[str, str],
        lineage: Lineage,
        transcripts: Iterable[Sequence[Block]],
        foreign: Collection[str],
    ) -> None:
        """Move the blocks of each transcript into their branches, or back to the top level.

        `abandoned` maps each abandoned entry to the root of its branch; `foreign` are the entries
        that another program wrote while a run of ours was alive.
        """
        transcripts = list(transcripts)
        state = id(abandoned), *map(len, transcripts)
        if state == self._arranged_for:
            return
        self._arranged_for = state
        members: dict[str, list[Block]] = {}
        for blocks in transcripts:
            for block, line_uuid in with_line_uuids(blocks, lineage):
                root = abandoned.get(line_uuid, "")
                if root:
                    members.setdefault(root, []).append(block)
                elif block.parent is not None:
                    block.parent = None
        for root in [root for root in self._blocks if root not in members]:
            del self._blocks[root]
        for root, found in members.items():
            self._collapse(root, sorted(found, key=by_position), root in foreign)
        self._name_all()

    def _name_all(self) -> None:
        names = sorted(map(_name, self._blocks))
        others = names[MOST - 1 :] if len(names) > MOST else []
        self._jointly_named = frozenset(others)
        joint = [_name("-".join(others))] if others else []
        self.names = (*names[: len(names) - len(others)], *joint)

    def _collapse(self, root: str, blocks: list[Block], is_foreign: bool) -> None:
        branch = self._blocks.get(root)
        first = blocks[0]
        if branch is None:
            branch = self._blocks[root] = BranchBlock(
                id=branch_id(root),
                order=first.order,
                created=first.created,
                revision=first.revision,
            )
        if branch.children != blocks or branch.is_foreign != is_foreign:
            branch.children, branch.is_foreign = blocks, is_foreign
            branch.order = first.order
            branch.change_count += 1
        for block in blocks:
            block.parent = branch.id

    # --- differences for a viewer -----------------------------------------------------------

    def collapsed_since(self, names: Collection[str]) -> Iterator[BranchBlock]:
        """The branches that are missing on a page which has collapsed those with these names."""
        known = set(names)
        if self._jointly_named and self.names[-1] in known:
            known |= self._jointly_named
        return (block for root, block in self._blocks.items() if _name(root) not in known)

    def expanded_since(self, names: Collection[str], lineage: Lineage) -> Iterator[str]:
        """The roots of branches that such a page has collapsed, and that are abandoned no more."""
        gone = set(names) - set(map(_name, self._blocks))
        if gone:
            yield from (uuid for uuid in lineage.roots() if _name(uuid) in gone)


def with_line_uuids(
    blocks: Iterable[Block], lineage: Container[str]
) -> Iterator[tuple[Block, str]]:
    """The blocks of one transcript, each with the uuid of its entry in history.

    Blocks without an entry of their own, such as summaries and questions, stay with their turn.
    """
    line_uuid = ""
    for block in blocks:
        line_uuid = block.line_uuid if block.line_uuid in lineage else line_uuid
        yield block, line_uuid


def branch_id(root: str) -> str:
    """The id of the block of the branch that begins with this entry."""
    return f"left:{root}"  # Claude's ids have only letters, digits and dashes


def _name(root: str) -> str:
    return sha256(root.encode("utf-8", "replace")).hexdigest()[:16]


def top_of(blocks: Sequence[Block], block: Block) -> Block:
    """The outermost block that contains `block`, below the level of branches."""

    def contains(each: Block) -> bool:
        return each is block or any(map(contains, each.children))

    top = next((each for each in blocks if contains(each)), block)
    return top_of(top.children, block) if isinstance(top, BranchBlock) else top
