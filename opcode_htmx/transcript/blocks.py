"""The blocks of a transcript: what a person sees, as values without a word of HTML.

Every block has an id derived from Claude's data, the revision at which it was born and the one at
which it last changed. Revisions are byte offsets in the file that the block was read from, so any
server that reads the file numbers them alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, ClassVar

from markupsafe import Markup

from opcode_htmx.engines.messages import Content, ImageContent, PermissionRequest
from opcode_htmx.lib.coerce import Json
from opcode_htmx.markup.incremental_markdown import IncrementalMarkdown


class ToolState(StrEnum):
    PREPARING = "preparing"
    RUNNING = "running"
    WAITING = "waiting"
    DONE = "done"
    ERROR = "error"
    DENIED = "denied"
    INTERRUPTED = "interrupted"


UNFINISHED = frozenset({ToolState.PREPARING, ToolState.RUNNING, ToolState.WAITING})


class AskState(StrEnum):
    OPEN = "open"
    ALLOWED = "allowed"
    DENIED = "denied"
    WITHDRAWN = "withdrawn"


@dataclass(slots=True, kw_only=True)
class Block:
    """What all blocks have. `order` sorts the blocks of one container as they came."""

    kind: ClassVar[str] = ""
    id: str
    order: str
    born: int
    revision: int
    row: str = ""
    """The uuid of the line that it comes from; empty where that has none."""
    parent: str | None = None
    """The id of the block in which it stands: the tool that its subagent was called by, or the
    branch that was left."""
    children: list[Block] = field(default_factory=list)
    changes: int = 0
    """How often it has changed: one line may tell of several things, with a look in between."""
    is_unrenderable: bool = False
    """Whether its renderer has failed, which is logged once."""
    html: tuple[int, Markup] | None = None
    """The block as rendered last and the state it shows: one rendering for all viewers."""

    numbers: tuple[str, tuple[int, ...]] = ("", ())
    """The numbers in `order`, and the order that they were taken from."""

    @property
    def position(self) -> tuple[int, ...]:
        """Sorts blocks of all transcripts of a session as they stand on its page."""
        if self.numbers[0] != self.order:
            self.numbers = self.order, tuple(map(int, self.order.split(".")))
        return self.numbers[1]

    @property
    def state_number(self) -> int:
        """Another one whenever the block, or one in it, has changed."""
        return 1 + self.changes + sum(child.state_number for child in self.children)


@dataclass(slots=True, kw_only=True)
class PromptBlock(Block):
    kind: ClassVar[str] = "prompt"
    text: str
    images: Sequence[ImageContent] = ()
    local: bool = False
    """Whether it is a command that Claude Code carried out by itself, without the model."""
    refused: bool = False
    """Whether Claude Code took it as a command and did nothing with it: Claude has not read it."""
    sent_as_text: bool = False
    """Whether a refused one was sent again as text: its words stand there, and no longer here."""
    others: Sequence[Content] = ()
    """What came with it that is neither text nor image."""

    @property
    def attached(self) -> list[Content]:
        """All that is no text."""
        return [*self.images, *self.others]


@dataclass(slots=True, kw_only=True)
class ShellBlock(Block):
    """What a person ran at the terminal with `!`, and what it printed, terminal escapes and all."""

    kind: ClassVar[str] = "shell"
    command: str = ""
    """Empty where only output is known."""
    stdout: str = ""
    stderr: str = ""


@dataclass(slots=True, kw_only=True)
class TextBlock(Block):
    """Claude's words or, as `ThinkingBlock`, its thoughts; `open` while they may still grow."""

    kind: ClassVar[str] = "text"
    markdown: IncrementalMarkdown = field(default_factory=IncrementalMarkdown)
    source: list[str] = field(default_factory=list)
    open: bool = True


@dataclass(slots=True, kw_only=True)
class ThinkingBlock(TextBlock):
    kind: ClassVar[str] = "thinking"


@dataclass(slots=True, kw_only=True)
class ToolBlock(Block):
    """A tool's call and, once there is one, its result."""

    kind: ClassVar[str] = "tool"
    name: str
    input: Json = field(default_factory=dict)
    state: ToolState = ToolState.PREPARING
    output: str = ""
    """The texts of its result, joined."""
    parts: Sequence[Content] = ()
    """Its result, part by part."""
    details: Any = None
    """The tool's own structured account of its result."""
    asked: bool = False
    """Whether a card of its own asked the person about it."""
    at_work: bool = False
    """Whether a subagent in the background still works on it, although it has its result."""

    @property
    def images(self) -> list[ImageContent]:
        """The images of its result."""
        return [part for part in self.parts if isinstance(part, ImageContent)]

    @property
    def shown_by_its_ask(self) -> bool:
        """Whether the card that asks says all of it: a question, or a plan while it is open."""
        plan = self.name == "ExitPlanMode" and self.state is ToolState.WAITING
        return self.asked and (plan or self.name == "AskUserQuestion")

    @property
    def done(self) -> bool:
        """Whether it has its result, or will never have one."""
        return self.state not in UNFINISHED

    @property
    def over(self) -> bool:
        """Whether nothing more will come of it: what a subagent did may be folded away."""
        return self.done and not self.at_work


@dataclass(slots=True, kw_only=True)
class AskBlock(Block):
    """A permission request, a question or a plan, and what became of it."""

    kind: ClassVar[str] = "ask"
    request: PermissionRequest
    run_id: str
    state: AskState = AskState.OPEN
    answer: Json = field(default_factory=dict)
    answered_at: float | None = None
    """When it was answered, in seconds since the epoch, if that was noted."""


@dataclass(slots=True, kw_only=True)
class NoticeBlock(Block):
    """What happened beside the conversation. `until`: when it ends, in seconds of the epoch."""

    kind: ClassVar[str] = "notice"
    text: str
    detail: str = ""
    until: float | None = None
    topic: str = ""
    session_id: str = ""
    """Another session that it speaks of."""


@dataclass(slots=True, kw_only=True)
class ErrorBlock(Block):
    kind: ClassVar[str] = "error"
    text: str
    until: float | None = None


@dataclass(slots=True, kw_only=True)
class SummaryBlock(Block):
    """The end of a turn: how long it took (ms) and what it cost (US dollars, tokens).

    `cost_usd` is the turn's own cost, None where it cannot be told from the session's.
    """

    kind: ClassVar[str] = "summary"
    duration_ms: int
    cost_usd: float | None
    total_cost_usd: float | None
    input_tokens: int
    output_tokens: int


@dataclass(slots=True, kw_only=True)
class BranchBlock(Block):
    """What Claude does not go on from: taken back by a rewind or an edit, or said elsewhere."""

    kind: ClassVar[str] = "branch"
    is_foreign: bool = False
    """Whether it was said elsewhere, while a run of ours was alive."""

    @property
    def label(self) -> str:
        return "Said at the computer" if self.is_foreign else "Taken back"

    @property
    def words(self) -> str:
        """The words that it begins with, as a line; empty if it holds no prompt."""
        prompts = (child.text for child in self.children if isinstance(child, PromptBlock))
        return " ".join(next(prompts, "")[:200].split())


@dataclass(slots=True, kw_only=True)
class RawBlock(Block):
    """A line of a type that is not known: shown as it came rather than dropped."""

    kind: ClassVar[str] = "raw"
    type: str
    text: str
    parts: Sequence[Content] = ()
    """A part of a message for which there is no block of its own; `text` says the same."""

    @property
    def images(self) -> list[ImageContent]:
        return [part for part in self.parts if isinstance(part, ImageContent)]
