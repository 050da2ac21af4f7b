"""What is recorded of a session's checkpoints. Values, and their form in JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields, replace
from enum import StrEnum
from typing import Any

from opcode_htmx.lib.coerce import as_dict
from opcode_htmx.lib.dataclass import dataclass

LONGEST_DESCRIPTION = 200
PROMPT_CHARACTERS = 200
"""Of a prompt, kept to recognise its checkpoint."""


class CheckpointKind(StrEnum):
    """Why a checkpoint was taken."""

    MANUAL = "manual"
    PROMPT = "prompt"
    """Before a prompt was sent."""
    TURN = "turn"
    """After a turn of Claude's that has changed files."""
    TOOL = "tool"
    """After the use of a tool."""
    UNDO = "undo"
    """Before a restore or a rewind."""


class Strategy(StrEnum):
    """When checkpoints are taken without a person."""

    MANUAL = "manual"
    """Never; but a restore is still preceded by one."""
    PROMPT = "prompt"
    """Before each prompt, and after each turn that has changed files."""
    WRITES = "writes"
    """The same, and after each tool that may have written files."""
    TOOL = "tool"
    """The same, and after each tool."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """One checkpoint. Times are Unix seconds."""

    number: int
    commit: str
    kind: CheckpointKind
    at: float
    took: float
    """Seconds."""
    top: str
    """The working tree that it is of."""
    parent: int = 0
    """The checkpoint that the files were like, or came from; 0: none."""
    description: str = ""
    files: int = 0
    size: int = 0
    left_out: int = 0
    changed: int | None = None
    """Paths that differ from its parent."""
    prompt_id: str = ""
    prompt: str = ""
    """The beginning of the prompt."""
    tool: str = ""
    """The tool after which it was taken."""
    late: bool = False
    """Whether Claude had begun to use a tool before it was complete."""
    settled: bool = False
    """Whether Claude's turn ended with the files like this."""
    target: int = 0
    """The checkpoint whose restore it precedes; 0 before a rewind by Claude."""
    model: str = ""
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float | None = None

    @property
    def is_automatic(self) -> bool:
        """Whether the limit on the number of checkpoints may remove it."""
        return (
            self.kind in (CheckpointKind.PROMPT, CheckpointKind.TURN, CheckpointKind.TOOL)
            and not self.description
        )

    @classmethod
    def parse(cls, value: object) -> Checkpoint:
        """Raises ValueError, KeyError, TypeError."""
        content = as_dict(value)
        known = {each.name: content[each.name] for each in fields(cls) if each.name in content}
        return cls(**{**known, "kind": CheckpointKind(content["kind"])})


@dataclass(frozen=True, slots=True)
class Restored:
    """The last restore or rewind of files, which can be undone."""

    at: float
    undo: int
    """The number of the checkpoint that was taken before it."""
    target: int
    """The checkpoint that was restored; 0 where Claude has rewound its own changes."""
    changed: int
    kept: Mapping[str, str]
    """Paths that were left alone, and why, as in `plan.Kept`; the first hundred."""
    kept_count: int


@dataclass(frozen=True, slots=True)
class Record:
    """The checkpoints of one session, oldest first, and what belongs to them."""

    checkpoints: Sequence[Checkpoint] = ()
    current: int = 0
    """The checkpoint that the next one comes from."""
    last: int = 0
    """The highest number that was given."""
    strategy: Strategy | None = None
    """What was chosen for the session; None: as for its project."""
    restored: Restored | None = None
    problem: str = ""
    """Why the last automatic checkpoint was not taken; empty if it was."""
    asked: Mapping[str, Any] | None = None
    """What Claude has answered to the last question what its rewind would change."""

    def get(self, number: int) -> Checkpoint | None:
        return next((each for each in self.checkpoints if each.number == number), None)

    def before_prompt(self, prompt_id: str) -> Checkpoint | None:
        """The newest one that was taken before a prompt."""
        found = [each for each in self.checkpoints if each.prompt_id == prompt_id]
        return next((each for each in reversed(found) if each.kind is CheckpointKind.PROMPT), None)

    def changed(self, number: int, **changes: Any) -> Record:
        """The record with other values of one checkpoint."""
        return replace(
            self,
            checkpoints=tuple(
                replace(each, **changes) if each.number == number else each
                for each in self.checkpoints
            ),
        )

    def without(self, numbers: set[int]) -> Record:
        """The record without some checkpoints; what came from them comes from their parents."""
        parents = {each.number: each.parent for each in self.checkpoints}

        def nearest(number: int) -> int:
            while number in numbers:
                number = parents.get(number, 0)
            return number

        kept = tuple(
            replace(each, parent=nearest(each.parent))
            for each in self.checkpoints
            if each.number not in numbers
        )
        restored = self.restored if self.restored and self.restored.undo not in numbers else None
        return replace(self, checkpoints=kept, current=nearest(self.current), restored=restored)

    def dump(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def parse(cls, content: dict[str, Any]) -> Record:
        """Raises ValueError, KeyError, TypeError."""
        restored = content.get("restored")
        strategy = content.get("strategy")
        return cls(
            tuple(map(Checkpoint.parse, content["checkpoints"])),
            int(content["current"]),
            int(content["last"]),
            Strategy(strategy) if strategy else None,
            Restored(**restored) if restored else None,
            str(content.get("problem", "")),
            content.get("asked"),
        )


@dataclass(frozen=True, slots=True)
class Row:
    """A checkpoint in the timeline: how many branches it is away from the first line."""

    checkpoint: Checkpoint
    depth: int
    is_branch: bool
    """Whether a branch begins with it."""


def timeline(checkpoints: Sequence[Checkpoint]) -> list[Row]:
    """The checkpoints as a tree, oldest first: the first child goes on, others are branches."""
    numbers = {each.number for each in checkpoints}
    children: dict[int, list[Checkpoint]] = {}
    for each in checkpoints:
        parent = each.parent if each.parent in numbers and each.parent != each.number else 0
        children.setdefault(parent, []).append(each)
    rows: list[Row] = []
    waiting = [(each, 0, False) for each in reversed(children.get(0, []))]
    while waiting:
        checkpoint, depth, is_branch = waiting.pop()
        rows.append(Row(checkpoint, depth, is_branch))
        following = children.pop(checkpoint.number, [])
        # what goes on is shown below the branches, next to nothing else of the same depth
        if following:
            waiting.append((following[0], depth, False))
            waiting += [(each, depth + 1, True) for each in reversed(following[1:])]
    return rows
