"""The types of blocks: the content of a transcript as values, without HTML.

Every block has an id derived from Claude's data, the revision at which it was created, and the one
at which it last changed. Revisions are byte offsets in the file that the block was read from, so
every server that reads the file assigns the same ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar

from markupsafe import Markup

from opcode_htmx.engines.contents import Content, ImageContent
from opcode_htmx.engines.messages import Ask, PermissionRequest
from opcode_htmx.lib.coerce import Json
from opcode_htmx.lib.dataclass import dataclass

if TYPE_CHECKING:
    from opcode_htmx.markup.growing.incremental_markdown import IncrementalMarkdown


def _no_markdown() -> IncrementalMarkdown:
    """Imported with the first text: the types of blocks are in every start."""
    from opcode_htmx.markup.growing.incremental_markdown import IncrementalMarkdown

    return IncrementalMarkdown()


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
    """The base of all blocks."""

    kind: ClassVar[str] = ""
    id: str
    order: str
    """The position among the blocks of one container, as numbers joined by dots."""
    created: int
    """The revision at which it was created."""
    revision: int
    """The revision at which it last changed."""
    line_uuid: str = ""
    """The uuid of the line that it comes from; empty if that has none."""
    parent: str | None = None
    """The id of the containing block: the tool that called its subagent, or an abandoned branch."""
    children: list[Block] = field(default_factory=list)
    change_count: int = 0
    """How often it has changed: one line may change it several times, with viewers in between."""
    is_unrenderable: bool = False
    """Whether its renderer has failed, which is logged once."""
    html: tuple[int, Markup] | None = None
    """The version rendered last, and its HTML: one rendering for all viewers."""

    position_cache: tuple[str, tuple[int, ...]] = ("", ())
    """The value of `order` that was parsed last, and its numbers."""

    @property
    def position(self) -> tuple[int, ...]:
        """Sorts the blocks of all transcripts of a session in the order of its page."""
        if self.position_cache[0] != self.order:
            self.position_cache = self.order, tuple(map(int, self.order.split(".")))
        return self.position_cache[1]

    @property
    def version(self) -> int:
        """A number that differs after each change of the block or of a block inside it."""
        return 1 + self.change_count + sum(child.version for child in self.children)


@dataclass(slots=True, kw_only=True)
class PromptBlock(Block):
    kind: ClassVar[str] = "prompt"
    text: str
    images: Sequence[ImageContent] = ()
    local: bool = False
    """Whether it is a command that Claude Code executed by itself, without the model."""
    refused: bool = False
    """Whether Claude Code took it for a command and did not execute it: Claude has not read it."""
    sent_as_text: bool = False
    """Whether a refused prompt was sent again as text; its words are then in that prompt only."""
    others: Sequence[Content] = ()
    """Attached content that is neither text nor image."""

    @property
    def attached(self) -> list[Content]:
        """All content but the text."""
        return [*self.images, *self.others]


@dataclass(slots=True, kw_only=True)
class ShellBlock(Block):
    """A command that the user ran in the terminal with `!`, and its output, escapes included."""

    kind: ClassVar[str] = "shell"
    command: str = ""
    """Empty if only the output is known."""
    stdout: str = ""
    stderr: str = ""


@dataclass(slots=True, kw_only=True)
class TextBlock(Block):
    """Text from Claude or, as `ThinkingBlock`, its thinking; `open` while it may still grow."""

    kind: ClassVar[str] = "text"
    markdown: IncrementalMarkdown = field(default_factory=_no_markdown)
    source: list[str] = field(default_factory=list)
    open: bool = True


@dataclass(slots=True, kw_only=True)
class ThinkingBlock(TextBlock):
    kind: ClassVar[str] = "thinking"


@dataclass(slots=True, kw_only=True)
class ToolBlock(Block):
    """A tool call and, once it has arrived, its result."""

    kind: ClassVar[str] = "tool"
    name: str
    input: Json = field(default_factory=dict)
    state: ToolState = ToolState.PREPARING
    output: str = ""
    """The texts of its result, joined."""
    parts: Sequence[Content] = ()
    """The parts of its result."""
    details: Any = None
    """The structured result that the tool itself reported."""
    ask: AskBlock | None = None
    """The newest request to the user about it."""
    is_denied_by_person: bool = False
    """Whether its result is the words of a person who denied it."""
    answered_at: float = 0.0
    """When it got its result, in seconds since the epoch; 0 if that is not known."""
    runs_in_background: bool = False
    """Whether a background subagent still works on it, although it has its result."""

    @property
    def images(self) -> list[ImageContent]:
        """The images of its result."""
        return [part for part in self.parts if isinstance(part, ImageContent)]

    @property
    def is_covered_by_ask(self) -> bool:
        """Whether the AskBlock shows all of it: a question, or a plan while it is open."""
        if self.ask is None or self.ask.is_covered_by_tool:
            return False
        plan = self.name == "ExitPlanMode" and self.state is ToolState.WAITING
        return plan or self.name == "AskUserQuestion"

    @property
    def done(self) -> bool:
        """Whether it has its result, or will never get one."""
        return self.state not in UNFINISHED

    @property
    def is_finished(self) -> bool:
        """Whether nothing more will be added: the blocks of a subagent may be collapsed."""
        return self.done and not self.runs_in_background


@dataclass(slots=True, kw_only=True)
class AskBlock(Block):
    """A permission request, a question, a plan or a question of an MCP server, and its answer."""

    kind: ClassVar[str] = "ask"
    request: Ask
    run_id: str
    state: AskState = AskState.OPEN
    answer: Json = field(default_factory=dict)
    answered_at: float | None = None
    """When it was answered, as a Unix time; None if that is not known."""
    has_tool: bool = False
    """Whether the call that it asks about is a block of the transcript."""

    @property
    def tool_use_id(self) -> str:
        """The call that it is about; empty if that is not known."""
        return self.request.tool_use_id if isinstance(self.request, PermissionRequest) else ""

    @property
    def is_covered_by_tool(self) -> bool:
        """Whether the card of its tool shows all of it: once a call has been allowed or denied.

        Or once the request was withdrawn, as by Stop: the call was interrupted then, or goes on.
        """
        if not (isinstance(self.request, PermissionRequest) and self.has_tool):
            return False
        if self.state is AskState.WITHDRAWN:
            return True
        own = self.request.tool_name in ("ExitPlanMode", "AskUserQuestion")
        return not own and self.state is not AskState.OPEN


@dataclass(slots=True, kw_only=True)
class NoticeBlock(Block):
    """An event that is no message. `until`: when a limit ends, as a Unix time."""

    kind: ClassVar[str] = "notice"
    text: str
    detail: str = ""
    until: float | None = None
    topic: str = ""
    session_id: str = ""
    """Another session that it refers to."""
    pull_request: str = ""
    """The address of a pull request; unverified."""


@dataclass(slots=True, kw_only=True)
class ErrorBlock(Block):
    kind: ClassVar[str] = "error"
    text: str
    until: float | None = None


@dataclass(slots=True, kw_only=True)
class SummaryBlock(Block):
    """The end of a turn: its duration (ms) and its cost (US dollars, tokens).

    `cost_usd` is the turn's own cost; None if only the session's cost is known.
    """

    kind: ClassVar[str] = "summary"
    duration_ms: int
    cost_usd: float | None
    total_cost_usd: float | None
    input_tokens: int
    output_tokens: int


@dataclass(slots=True, kw_only=True)
class BranchBlock(Block):
    """An abandoned branch of the history: taken back by a rewind or an edit, or said elsewhere."""

    kind: ClassVar[str] = "branch"
    is_foreign: bool = False
    """Whether another program wrote it while a run of ours was alive."""

    @property
    def label(self) -> str:
        return "Said at the computer" if self.is_foreign else "Taken back"

    @property
    def words(self) -> str:
        """The start of its first prompt on one line; empty if it holds no prompt."""
        prompts = (child.text for child in self.children if isinstance(child, PromptBlock))
        return " ".join(next(prompts, "")[:200].split())


@dataclass(slots=True, kw_only=True)
class RawBlock(Block):
    """A line of an unknown type, shown as it is rather than dropped."""

    kind: ClassVar[str] = "raw"
    type: str
    text: str
    parts: Sequence[Content] = ()
    """The content of a message for which there is no type of block; `text` holds the same."""

    @property
    def images(self) -> list[ImageContent]:
        return [part for part in self.parts if isinstance(part, ImageContent)]
