"""The typed messages of Claude's stream-json and history files: values only, no behaviour."""

from __future__ import annotations

from dataclasses import field
from enum import StrEnum
from typing import Any, TypeAlias

from opcode_htmx.engines.contents import Content
from opcode_htmx.lib.coerce import Json
from opcode_htmx.lib.dataclass import dataclass

SYNTHETIC = "<synthetic>"
"""The model of an answer that the CLI has written itself."""


@dataclass(frozen=True, slots=True)
class Init:
    """The first line of a turn: its session, folder, model and mode."""

    session_id: str
    cwd: str
    model: str
    permission_mode: str
    slash_commands: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PromptState:
    """The progress of a prompt that was sent: queued, started, completed or cancelled.

    In our own notes also: undelivered, of a prompt or an answer.
    """

    prompt_id: str
    state: str


@dataclass(frozen=True, slots=True)
class MessageStart:
    message_id: str
    parent: str | None


@dataclass(frozen=True, slots=True)
class BlockStart:
    message_id: str | None
    index: int
    content: Content
    parent: str | None


@dataclass(frozen=True, slots=True)
class BlockDelta:
    """A piece of text of the block at `index`; pieces of other kinds are left out."""

    message_id: str | None
    index: int
    text: str
    parent: str | None


@dataclass(frozen=True, slots=True)
class BlockStop:
    message_id: str | None
    index: int
    parent: str | None


@dataclass(frozen=True, slots=True)
class Assistant:
    message_id: str
    uuid: str
    parent: str | None
    content: tuple[Content, ...]
    error: str | None
    index: int | None = None
    """The index of the first content block in the message, where the line has it."""
    context_tokens: int = 0
    """The size of the context for this message, in tokens; 0 if the line does not have it."""
    said_at: float = 0.0
    """In seconds since the epoch; 0 if the line does not have it."""


class Author(StrEnum):
    """The author of a `user` line, by its fields."""

    PERSON = "person"
    """The text is stored exactly as it was entered."""
    PROGRAM = "program"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class User:
    """A prompt or tool results. `is_replay`: a prompt of ours that Claude has just taken up."""

    uuid: str
    parent: str | None
    content: tuple[Content, ...]
    is_replay: bool
    is_meta: bool
    tool_result: Any = field(repr=False)
    """The tool's own structured result (a patch, an exit status), if any."""
    author: Author = Author.UNKNOWN
    origin: str = ""
    """The kind of sender that the line names, such as `peer`; empty if it names none."""
    parent_uuid: str = ""
    """The uuid of the line that this one follows, in history files only."""
    is_refused: bool = False
    """A prompt that Claude Code took as a command and did not run: Claude has not read it."""
    said_at: float = 0.0
    """In seconds since the epoch; 0 if the line does not have it."""


INTERRUPTED = frozenset({"aborted_streaming", "aborted_tools"})
"""The reasons for the end of a turn that was interrupted."""


@dataclass(frozen=True, slots=True)
class TurnResult:
    uuid: str
    subtype: str
    is_error: bool
    duration_ms: int
    cost_usd: float | None
    input_tokens: int
    output_tokens: int
    turns: int
    text: str
    reason: str
    context_window: int = 0
    """The context window in tokens; 0 if the line does not have it."""
    prompt_ids: tuple[str, ...] = ()
    """The prompts of the turn; empty for a turn that Claude has started by itself."""
    cache_read_tokens: int = 0
    """How many of the input tokens were read from a cache."""
    cache_written_tokens: int = 0
    """How many of them were written to one."""
    session_id: str = ""
    """The session in which the turn was; empty if the line does not have it."""


LONGEST_DESCRIPTION = 200
"""Characters of each text about a background task; the rest is not kept."""


@dataclass(frozen=True, slots=True)
class BackgroundTask:
    """Background work: a command, an agent, a schedule."""

    id: str
    type: str
    """Claude's name for its kind, such as `local_bash` or `local_agent`."""
    description: str


@dataclass(frozen=True, slots=True)
class BackgroundTasks:
    """All background tasks that run now, schedules excepted."""

    tasks: tuple[BackgroundTask, ...]


@dataclass(frozen=True, slots=True)
class CostState:
    """The cost of a session in US dollars so far, from the history file."""

    cost_usd: float | None
    context_window: int


@dataclass(frozen=True, slots=True)
class PermissionRequest:
    request_id: str
    tool_name: str
    input: Json
    tool_use_id: str
    description: str
    blocked_path: str
    suggestions: tuple[Json, ...]


@dataclass(frozen=True, slots=True)
class ElicitationRequest:
    """A question that an MCP server asks the person, as a form or as a page to open."""

    request_id: str
    server: str
    message: str
    mode: str
    """`form` or `url`, or a mode of a later release."""
    url: str
    schema: Json
    """The JSON schema of the form; empty if there is none."""
    property_order: tuple[str, ...]
    """The names of its fields in the server's order; may be empty."""
    title: str
    label: str
    """The server's name for people; may be empty, as the title and the description."""
    description: str
    other: Json
    """Fields of the request that are not known here."""


class ElicitationAction(StrEnum):
    ACCEPT = "accept"
    DECLINE = "decline"
    CANCEL = "cancel"


Ask: TypeAlias = PermissionRequest | ElicitationRequest
"""A request that a person answers."""


@dataclass(frozen=True, slots=True)
class ControlCancel:
    request_id: str


@dataclass(frozen=True, slots=True)
class ControlResponse:
    """An answer: Claude's to one of our requests, or the echo of ours to one of Claude's."""

    request_id: str
    ok: bool
    response: Json
    error: str
    answered_at: float | None = None
    """The time of the decision, in seconds since the epoch: a field of ours in our answers."""


@dataclass(frozen=True, slots=True)
class SystemEvent:
    subtype: str
    uuid: str
    raw: Json


@dataclass(frozen=True, slots=True)
class OtherEvent:
    """A stream event without a text of its own: the ends of messages, signatures, pings."""

    type: str


@dataclass(frozen=True, slots=True)
class Unknown:
    type: str
    raw: Json


@dataclass(frozen=True, slots=True)
class LongLine:
    """Replaces a line that is too long; `offset` is its beginning in the file."""

    offset: int
    size: int
    """Bytes."""


@dataclass(frozen=True, slots=True)
class Malformed:
    text: str


Message: TypeAlias = (
    Init
    | PromptState
    | MessageStart
    | BlockStart
    | BlockDelta
    | BlockStop
    | Assistant
    | User
    | TurnResult
    | BackgroundTasks
    | CostState
    | PermissionRequest
    | ElicitationRequest
    | ControlCancel
    | ControlResponse
    | SystemEvent
    | OtherEvent
    | LongLine
    | Unknown
    | Malformed
)
