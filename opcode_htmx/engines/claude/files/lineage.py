"""The tree of the entries of a history file, and the leaf that Claude continues from.

Every entry names its parent. A person who rewinds, edits a prompt, or works on the session in two
places makes a second branch: the older one stays in the file, and the model never sees it again.
Pure: parsed entries in, ids out. The rule for the leaf is the CLI's own (docs/history-tree.md).
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from enum import Enum, auto
from itertools import islice

from opcode_htmx.lib.coerce import (
    Json,
    as_dict,
    as_list,
    as_str,
)
from opcode_htmx.lib.dataclass import dataclass


def checkpoint_line(session_id: str, leaf: str) -> bytes:
    """The line that makes a CLI that resumes the session continue from the entry `leaf`."""
    entry = {"type": "last-prompt", "leafUuid": leaf, "explicit": True, "sessionId": session_id}
    return json.dumps(entry, separators=(",", ":")).encode() + b"\n"


BEFORE = "\0before"
"""Stands for the entry before the first one of a part of a file, whose uuid is not known."""

_NEAR = 200
"""Entries from the end of a file; an entry that continues an older one may begin a branch."""


class Kind(Enum):
    """The role of an entry in the tree."""

    PROMPT = auto()
    """The beginning of a turn: a prompt, a command or a notification."""
    SAID = auto()
    """An answer, or the result of a tool."""
    NOTE = auto()
    """An attachment or a system line: part of the chain, no part of the conversation."""


@dataclass(frozen=True, slots=True)
class _Node:
    parent: str
    """Empty for a root."""
    kind: Kind
    number: int
    """Its place among the entries of the file."""


def kind_of(entry: Json) -> Kind:
    """A history entry with a uuid, as a node of the tree."""
    message = as_dict(entry.get("message"))
    match entry.get("type"):
        case "assistant":
            return Kind.SAID
        case "user" if message:
            parts = as_list(message.get("content"))
            is_result = any(as_dict(part).get("type") == "tool_result" for part in parts)
            is_meta = entry.get("isMeta") is True
            return Kind.SAID if is_result or is_meta else Kind.PROMPT
        case _:
            return Kind.NOTE


class Lineage:
    """The entries of one history file, added in the order of the file.

    With `is_part`, those of its end, or of another part: what the entries continue that are not
    among them is noted (`exits`), and not taken for lost.
    """

    def __init__(self, *, is_part: bool = False) -> None:
        self._is_part = is_part
        self._exits: dict[str, str] = {}
        """The entries of a part that continue one outside it, each with the uuid of that one."""
        self._nodes: dict[str, _Node] = {}
        self.tip = ""
        """The newest entry of the file, whatever its kind."""
        self._checkpoint = ""
        """The leaf that the CLI has recorded last."""
        self._is_decided = False
        """Whether a checkpoint was recorded, or a compaction has cleared it."""
        self._is_behind_checkpoint: bool | None = None
        """Whether the tip descends from the checkpoint; None: not computed yet."""
        self._is_fixed = False
        """Whether a rewind has set the checkpoint, and nothing was added since."""
        self._is_emptied = False
        """Whether a rewind has left nothing, and nothing was added since."""
        self._cuts: set[str] = set()
        self._compacted = 0
        """The number of entries that the newest compaction has replaced."""
        self._preserved: set[str] = set()
        """Those of them that Claude still has, after the summary."""
        self._summary = ""
        """The summary that has replaced them."""
        self.version = 0
        """Changes whenever Claude may continue from another branch."""

    def __contains__(self, uuid: object) -> bool:
        return uuid in self._nodes

    def __len__(self) -> int:
        return len(self._nodes)

    # --- entries ----------------------------------------------------------------------------

    def add(self, entry: Json) -> None:
        """Add a parsed line of the file; lines of other kinds than the tree's change nothing."""
        if entry.get("type") == "last-prompt":
            self._note_checkpoint(entry)
            return
        uuid = as_str(entry.get("uuid"))
        if not uuid or entry.get("isSidechain") is True or uuid in self._nodes:
            return
        kind = kind_of(entry)
        parent = self._parent_of(entry, kind)
        if self._is_fixed or self._is_emptied or not self._continues(parent):
            self.version += 1
        self._is_fixed = self._is_emptied = False
        if _is_boundary(entry):
            self._compact(uuid, entry)
        elif _is_summary(entry) and self._summary == parent:
            self._summary = uuid
        if parent != self.tip:
            self._is_behind_checkpoint = None
        if self._is_part and parent and parent not in self._nodes:
            self._exits[uuid], parent = parent, ""
        self._nodes[uuid] = _Node(parent, kind, len(self._nodes))
        self.tip = uuid

    def _compact(self, uuid: str, boundary: Json) -> None:
        """A summary replaces the entries before it, also for other programs.

        The CLI keeps the newest answers after the summary. Where it keeps none, a program that has
        read the session before may continue from the old entries.
        """
        self._checkpoint, self._is_decided = "", True
        metadata = as_dict(boundary.get("compactMetadata"))
        preserved = as_list(as_dict(metadata.get("preservedMessages")).get("uuids"))
        if preserved:
            self._compacted, self._summary = len(self._nodes), uuid
            self._preserved = set(map(as_str, preserved))

    def _parent_of(self, entry: Json, kind: Kind) -> str:
        """The id of the parent; empty for a root.

        A compaction begins a root and names what it continues. Where the parent's line is lost,
        the entry continues the one before it in the file: a crash abandons nothing.
        """
        parent = entry.get("parentUuid", self.tip)
        if parent is None and (_is_boundary(entry) or _is_summary(entry)):
            parent = entry.get("logicalParentUuid") or self.tip
        if parent is None and kind is Kind.PROMPT:
            return ""
        if not isinstance(parent, str) or parent not in self._nodes:
            before = parent if isinstance(parent, str) and parent else self.tip or BEFORE
            return before if self._is_part else self.tip
        is_replaced = self.is_compacted(parent) and not _is_boundary(entry)
        return self._summary if is_replaced else parent

    def _continues(self, parent: str) -> bool:
        """Whether `parent` belongs to the last turn of the file, and is near its end."""
        for uuid in islice(self.up(self.tip), _NEAR):
            if uuid == parent:
                return True
            if self._nodes[uuid].kind is Kind.PROMPT:
                return False
        return parent == self.tip

    def _note_checkpoint(self, entry: Json) -> None:
        leaf, cut = entry.get("leafUuid"), entry.get("cutUuid")
        self._is_behind_checkpoint = None
        is_explicit = entry.get("explicit") is True
        if entry.get("rewound") is True and isinstance(cut, str):
            self._cuts.add(cut)
        self._is_decided |= isinstance(leaf, str) or is_explicit
        if isinstance(leaf, str):
            if self.is_compacted(leaf):  # programs continue after the summary only
                leaf = self._summary if leaf in self._preserved else ""
            is_said_again = self._is_fixed and leaf == self._checkpoint
            self._is_fixed = is_explicit or is_said_again
            self._checkpoint, self._is_emptied = leaf, False
        elif is_explicit and leaf is None:
            self._checkpoint, self._is_fixed, self._is_emptied = "", False, True
        if is_explicit or not self._continues(self._checkpoint or self.tip):
            self.version += 1

    # --- parts of a file --------------------------------------------------------------------

    @property
    def has_checkpoint(self) -> bool | None:
        """Whether this part has the entry that the CLI has recorded last as the leaf.

        None if the part records none, and an earlier record may count.
        """
        if self._checkpoint:
            return self._checkpoint in self._nodes
        return True if self._is_decided else None

    @property
    def cuts(self) -> frozenset[str]:
        """The entries at which rewinds have cut."""
        return frozenset(self._cuts)

    def add_cuts(self, cuts: Collection[str]) -> None:
        """Add those that later parts of the file name."""
        self._cuts.update(cuts)

    def standing_for(self, uuid: str) -> str:
        """The entry of this part that one behind it continues, which names `uuid` as its parent.

        Empty if this part does not have it.
        """
        if uuid == BEFORE:
            return self.tip
        return self._summary if self.is_compacted(uuid) else uuid if uuid in self._nodes else ""

    def reaches_back(self, leaf: str, first: int) -> bool:
        """Whether what is shown of a part depends on more than is known of its past.

        The part shows its entries from the one with number `first` on. The path from `leaf` may
        lead out of it, and branches may begin where the path does; no branch may be older.
        """
        nodes, way_out = self._nodes, self.way_out(leaf, 0)
        outside: dict[str, str] = {}
        for uuid, node in nodes.items():
            outside[uuid] = self._exits.get(uuid) or outside.get(node.parent, "")
            if node.number >= first and outside[uuid] not in ("", way_out):
                return True
        left = self.left(leaf)
        return any(nodes[root].number < first <= nodes[uuid].number for uuid, root in left.items())

    def way_out(self, leaf: str, first: int) -> str:
        """The newest entry before number `first` on the path of `leaf`; empty if there is none.

        The path may leave the part: then the entry that its oldest one continues.
        """
        oldest = ""
        for uuid in self.up(leaf):
            if self._nodes[uuid].number < first:
                return uuid
            oldest = uuid
        return self._exits.get(oldest, "")

    # --- branches ---------------------------------------------------------------------------

    @property
    def leaf(self) -> str:
        """The entry that a resumed Claude continues from; empty if there is none."""
        if self._is_emptied:
            return ""
        if self._checkpoint not in self._nodes:  # it is of another file, or lost
            return self.tip
        if self._is_behind_checkpoint is None:
            self._is_behind_checkpoint = self.descends(self.tip, self._checkpoint)
        return self.tip if self._is_behind_checkpoint and not self._is_fixed else self._checkpoint

    def is_compacted(self, uuid: str) -> bool:
        """Whether a summary has replaced an entry, for every program."""
        node = self._nodes.get(uuid)
        return node is not None and node.number < self._compacted

    def parent(self, uuid: str) -> str:
        """The entry that `uuid` continues; empty for a root, and for an unknown one."""
        node = self._nodes.get(uuid)
        return node.parent if node else ""

    def descends(self, uuid: str, ancestor: str) -> bool:
        """Whether `ancestor` is `uuid` itself or one of its ancestors."""
        return any(each == ancestor for each in self.up(uuid))

    def left(self, leaf: str) -> Mapping[str, str]:
        """The entries that `leaf` does not continue, each with the root of its branch.

        A branch begins with a prompt, or where a rewind has cut. Other entries beside the path are
        part of it: results of parallel tools, attachments.
        """
        kept = set(self.up(leaf))
        roots: dict[str, str] = {}
        for uuid, node in self._nodes.items():  # parents come before their children
            if uuid in kept:
                continue
            root = roots.get(node.parent, "")
            if root or node.kind is Kind.PROMPT or uuid in self._cuts:
                roots[uuid] = root or uuid
        return roots

    def below(self, roots: Collection[str]) -> set[str]:
        """The entries at and below `roots`."""
        found: set[str] = set()
        for uuid, node in self._nodes.items() if roots else ():
            if uuid in roots or node.parent in found:
                found.add(uuid)
        return found

    def roots(self) -> Iterator[str]:
        """The entries with which a branch may begin."""
        for uuid, node in self._nodes.items():
            if node.kind is Kind.PROMPT or uuid in self._cuts:
                yield uuid

    def is_said(self, uuid: str) -> bool:
        """Whether an entry is a part of the conversation, and not a note."""
        node = self._nodes.get(uuid)
        return node is not None and node.kind is not Kind.NOTE

    def is_newer(self, uuid: str, other: str) -> bool:
        """Whether an entry comes after another one in the file."""
        first, second = self._nodes.get(uuid), self._nodes.get(other)
        return first is not None and second is not None and first.number > second.number

    def meeting(self, uuid: str, other: str) -> tuple[list[str], list[str]]:
        """The entries from each of two up to their common ancestor, without that."""
        ways: tuple[list[str], list[str]] = [], []
        ends = [uuid, other]
        while ends[0] != ends[1]:
            numbers = [node.number if (node := self._nodes.get(end)) else -1 for end in ends]
            if max(numbers) < 0:
                break
            later = numbers.index(max(numbers))
            ways[later].append(ends[later])
            ends[later] = self.parent(ends[later])
        return ways

    def up(self, uuid: str) -> Iterator[str]:
        """`uuid` and its ancestors. Parents are older than their children: there is no cycle."""
        while uuid and (node := self._nodes.get(uuid)):
            yield uuid
            uuid = node.parent


def _is_boundary(entry: Json) -> bool:
    return entry.get("subtype") == "compact_boundary"


def _is_summary(entry: Json) -> bool:
    return entry.get("isCompactSummary") is True
