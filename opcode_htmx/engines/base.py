"""The port between the runs and an engine: what an engine can do, in small protocols.

The runs take the smallest protocol that serves them; only the composition root knows which engine
implements it. Lines are bytes, each with its newline where they are to be sent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from opcode_htmx.engines.capabilities import CapabilityReport
from opcode_htmx.engines.contents import ImageContent
from opcode_htmx.engines.messages import ControlResponse, Message, SystemEvent, Unknown, User
from opcode_htmx.engines.plan_limits import LimitWindow
from opcode_htmx.engines.requests import Agreed, OwnRequest, Query
from opcode_htmx.engines.trust import TrustItem
from opcode_htmx.engines.user_parts import Part
from opcode_htmx.lib.coerce import Json
from opcode_htmx.lib.dataclass import dataclass

# --- lines ----------------------------------------------------------------------------------


class Parser(Protocol):
    def parse(self, line: bytes) -> Message:
        """The message in a line that was received or sent. Never raises; see `Malformed`."""


class CapabilityReader(Protocol):
    def capabilities_of(self, answer: Json) -> CapabilityReport:
        """What the engine offers, from its answer to `initialize_line`.

        The values of `models` and `commands` are kept on disk, and read again with this.
        """


class CapabilityCodec(Parser, CapabilityReader, Protocol):
    """The request for an engine's capabilities, and its answer."""

    def initialize_line(self) -> bytes:
        """Ask for the engine's capabilities, under INITIALIZE_ID."""

    def query_line(self, request_id: str, query: Query) -> bytes:
        """Ask the engine something that needs no turn; it answers with a ControlResponse."""


class MessageReader(CapabilityReader, Protocol):
    """Reads from messages what the state of a run needs. Pure."""

    def parts_of(self, message: User) -> tuple[Part, ...]:
        """The parts of a user entry in order; empty if it holds no text."""

    def own_request(self, message: Unknown) -> OwnRequest | None:
        """Our own request in a line that was sent; None if the line is none."""

    def agreed(self, request: OwnRequest, response: ControlResponse) -> Agreed:
        """What the engine has changed, where `response` is its answer to `request`."""

    def answer_in(self, message: ControlResponse) -> str:
        """The answer to a request of the engine's, as a participle: allowed, answered…"""

    def unsupported_request(self, message: Unknown) -> str | None:
        """The id of a request of the engine's that nobody here can answer; None if it is none."""

    def permission_mode_in(self, message: SystemEvent) -> str | None:
        """The permission mode that holds from this message on; None if it names none."""

    def limits_in(self, message: SystemEvent) -> tuple[LimitWindow, ...]:
        """The limits of the plan that a message reports by itself."""

    def limits_of(self, response: ControlResponse) -> tuple[LimitWindow, ...]:
        """The limits of the plan in the answer to `limits_line`; none where there is no plan."""


class Encoder(Protocol):
    """Makes the lines that are sent, and our notes among them, which are not."""

    def prompt_line(self, prompt_id: str, text: str, images: Sequence[ImageContent] = ()) -> bytes:
        """A prompt. The engine repeats `prompt_id`, a UUID, when it takes the prompt up."""

    def allow_line(
        self,
        request_id: str,
        tool_input: Mapping[str, Any],
        permissions: Sequence[Json] = (),
        at: float | None = None,
    ) -> bytes:
        """Allow a permission request, with the input and the permission updates given.

        `at` is the Unix time of the decision.
        """

    def deny_line(self, request_id: str, reason: str, at: float | None = None) -> bytes:
        """Refuse a permission request for a reason that the engine reads."""

    def elicitation_line(
        self,
        request_id: str,
        action: str,
        content: Mapping[str, Any] | None = None,
        at: float | None = None,
    ) -> bytes:
        """Answer an MCP server's question; `content` has the values of its form."""

    def refusal_line(self, request_id: str) -> bytes:
        """Answer a request of a kind that is not supported."""

    def change_line(self, request_id: str, option: str, value: object) -> bytes | None:
        """Request a change of a session option; None if the process has nothing to do with it.

        The value None is the engine's default.
        """

    def cancel_prompt_line(self, request_id: str, prompt_id: str) -> bytes:
        """Request that a prompt is taken out of the engine's queue."""

    def limits_line(self, request_id: str) -> bytes:
        """Request the limits of the plan."""

    def interrupt_line(self, request_id: str) -> bytes:
        """Request the end of the open turn, and take all prompts out of the queue."""

    def undelivered_line(self, about: str) -> bytes:
        """A note: this prompt, or the answer to this request, did not reach the engine."""

    def withdrawn_line(self, prompt_id: str) -> bytes:
        """A note: nobody wants this prompt any more, which the engine left unread."""


class Codec(CapabilityCodec, MessageReader, Encoder, Protocol):
    """All of an engine's lines, in both directions."""


# --- processes ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LaunchProfile:
    """What a session is limited to, and instructed with, in files of ours.

    A file that is missing keeps the process from starting: it never starts without its limits.
    """

    settings: Path
    """Settings of the engine that no other ones weaken, with what the server itself demands."""
    prompt: Path | None = None
    """Instructions beside the engine's own, or in their place if `replaces_prompt`."""
    replaces_prompt: bool = False
    without_servers: bool = False
    """Whether no MCP server is started."""


@dataclass(frozen=True, slots=True)
class LaunchOptions:
    """How a process is started. None is left to the settings of the engine and the project."""

    resume: bool
    permission_mode: str | None = None
    model: str | None = None
    effort: str | None = None
    allow_bypass: bool = False
    readable: Path | None = None
    """A folder beside the project that the engine may read without asking."""
    project_settings: bool = True
    """Whether the engine reads the settings, commands, skills and servers of the project."""
    profile: LaunchProfile | None = None
    max_cost_usd: float | None = None
    """What the process may cost before it ends its turn and takes up no further one."""


@dataclass(frozen=True, slots=True)
class QueryOptions:
    """How a process is started that only answers queries: it runs no hooks.

    Without `project_settings` the engine reads the settings of the user only. With `servers` it
    starts the configured MCP servers.
    """

    project_settings: bool
    servers: bool = False


class CommandLine(NamedTuple):
    argv: tuple[str, ...]
    environment: Mapping[str, str]


class Launcher(Protocol):
    def session(self, session_id: str, options: LaunchOptions) -> CommandLine:
        """A process for a session. It reads our lines from stdin and writes its own to stdout."""

    def probe(self) -> CommandLine:
        """A process that only answers `initialize_line`, and ends at the end of its stdin."""

    def query(self, options: QueryOptions) -> CommandLine:
        """A process that only answers `query_line`, and ends at the end of its stdin."""

    def subcommand(self, *arguments: str) -> CommandLine:
        """A subcommand of the engine's own, such as `mcp list`."""


# --- files ----------------------------------------------------------------------------------


class History(Protocol):
    def file(self, session_id: str) -> Path | None:
        """The history file of a session; None as long as there is none."""

    def size(self, session_id: str) -> int | None:
        """The size in bytes of that file; None as long as there is none."""

    def end_of_part(self, session_id: str, start: int, fell_silent: float) -> int:
        """The end of the part that one process wrote, which began at byte `start`.

        `fell_silent` is the Unix time of its last output. Another process may have written since.
        """

    def has_gone_on(self, session_id: str, since: int) -> bool:
        """Whether the file has other messages now than when it had `since` bytes."""

    def changed_at(self, session_id: str) -> int | None:
        """The modification time of the file in nanoseconds; None as long as there is none."""

    def restore_time(self, session_id: str, size: int, changed_at: int) -> None:
        """Reset the file's modification time, if it has had `size` bytes since. Raises OSError."""


class ProcessFiles(Protocol):
    """The files in which the engine registers its live processes."""

    def pids_of(self, session_id: str) -> frozenset[int]:
        """The live processes, ours and others, that have a session open."""

    def remove(self, pid: int, session_id: str) -> None:
        """Delete what a killed process of a session has left there."""


class TrustFiles(Protocol):
    """The files of projects, and the engine's own record of the projects that are trusted."""

    def items_of(self, folder: Path) -> tuple[TrustItem, ...]:
        """What takes effect in a resolved folder. May take long; raises no error."""

    def items_of_update(self, update: Json, folder: Path) -> list[TrustItem]:
        """What the engine writes into a project's files for a permission update."""

    def project_key(self, folder: Path) -> str:
        """The name under which the engine keeps what it knows of a resolved folder's project."""

    def trusted_as(self, folder: Path) -> str | None:
        """The name under which a resolved folder is trusted; None if it is not."""

    def trusted(self) -> list[str]:
        """The names of all trusted projects, which are the paths of their folders."""

    def accept(self, folder: Path) -> None:
        """Record that the project of a resolved folder is trusted. Raises TrustNotRecorded."""

    def take_back(self, name: str) -> None:
        """Record that the project with this name is not trusted. Raises TrustNotRecorded."""


class Engine(Protocol):
    """An engine with one configuration and login."""

    @property
    def config_dir(self) -> Path:
        """The folder of its configuration and login: runs of another one are another login's."""

    @property
    def codec(self) -> Codec: ...

    @property
    def launcher(self) -> Launcher: ...

    @property
    def history(self) -> History: ...

    @property
    def processes(self) -> ProcessFiles: ...

    @property
    def trust(self) -> TrustFiles: ...
