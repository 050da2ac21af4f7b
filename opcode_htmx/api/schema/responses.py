"""The responses of the API: their shapes, made by the endpoints and rendered as OpenAPI.

Names and docstrings of these models are in the OpenAPI document, so they are part of the API.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from opcode_htmx.engines.messages import ElicitationAction
from opcode_htmx.web.rest.models import ResponseModel

JsonValue = Any
"""Any JSON value, as Claude has written it."""


class TrustItem(ResponseModel):
    """Something that takes effect once Claude works with a project's settings."""

    kind: str = Field(description="hook, helper, server, environment, permission and so on.")
    name: str
    text: str = Field(description="What it runs or sets, without secrets.")
    file: str


class TrustList(ResponseModel):
    """What the files of a project would run, change or allow, and nobody has trusted yet."""

    folder: str
    items: list[TrustItem]


class Failure(ResponseModel):
    """The answer of every request that did not succeed."""

    success: Literal[False] = False
    data: None = None
    error: str = Field(description="One sentence that says what to do.")
    trust: TrustList | None = Field(
        None, description="What a person has to decide about before Claude starts in the folder."
    )


# Projects and sessions -------------------------------------------------------------------


class Project(ResponseModel):
    """A folder in which Claude has worked."""

    id: str = Field(description="The name of its folder among Claude's files.")
    path: str = Field(description="Where the project is; its id if no session names it.")
    sessions: list[str] = Field(description="Session ids, the one used last first.")
    created_at: int = Field(description="Unix time of its first session.")
    most_recent_session: int | None = Field(description="Unix time of the last activity.")


class Session(ResponseModel):
    """One conversation."""

    id: str
    project_id: str
    project_path: str
    todo_data: JsonValue = Field(description="Claude's list of tasks as it keeps it, or null.")
    created_at: int = Field(description="Unix time.")
    first_message: str | None = Field(description="The first prompt, cut at 300 characters.")
    message_timestamp: str | None = Field(description="When it was given, in ISO 8601.")


# Claude's settings -----------------------------------------------------------------------


class ClaudeSettings(ResponseModel):
    """The user's settings.json, as Claude keeps it."""

    data: dict[str, JsonValue]


class ClaudeVersion(ResponseModel):
    """The Claude CLI with which this server works."""

    is_installed: bool
    version: str | None
    output: str = Field(description="What `claude --version` prints, or why it prints nothing.")


# The catalogue ---------------------------------------------------------------------------


class SlashCommand(ResponseModel):
    """A command or skill that somebody has written into a file."""

    id: str
    name: str
    full_command: str = Field(description="What is typed, with its slash.")
    scope: Literal["project", "user"]
    namespace: str | None
    file_path: str
    content: str = Field(description="What stands below the front matter.")
    description: str | None
    allowed_tools: list[str]
    has_bash_commands: bool
    has_file_references: bool
    accepts_arguments: bool


# Runs ------------------------------------------------------------------------------------


class SessionLinks(ResponseModel):
    """Where a session's output is read, and where its run is ended."""

    output: str
    cancel: str
    socket: str


class StartedRun(ResponseModel):
    """A prompt on its way."""

    session_id: str
    run_id: str
    prompt_id: str
    cursor: str = Field(description="The place from which its output is read.")
    links: SessionLinks


class ClaudeSessionProcess(ResponseModel):
    """What the desktop app's registry says of a session's process."""

    session_id: str


class ProcessType(ResponseModel):
    """The same, by kind."""

    ClaudeSession: ClaudeSessionProcess


class BackgroundTask(ResponseModel):
    """What runs beside Claude's turns, or is scheduled."""

    id: str
    type: str = Field(description="Claude's name for its kind, or `cron`, or `wakeup`.")
    description: str


class RunningSession(ResponseModel):
    """A run whose process is alive."""

    run_id: str
    process_type: ProcessType
    session_id: str
    project_path: str
    pid: int | None
    started_at: int = Field(description="Unix time.")
    age_seconds: int
    memory_bytes: int = Field(description="Resident, of Claude and all that it has started.")
    cpu_percent: float = Field(description="Of one core, lately; of the same processes.")
    processes: int = Field(description="How many these are.")
    model: str | None
    task: str = Field(description="The first prompt.")
    status: str
    background_tasks: list[BackgroundTask] = Field(
        description="What runs beside Claude's turns, or is scheduled."
    )
    links: SessionLinks


class CancelledRun(ResponseModel):
    """What became of a run that was to be ended."""

    session_id: str
    run_id: str | None
    cancelled: bool = Field(description="Whether this request has ended it.")
    outcome: str | None
    message: str | None


class OutputLine(ResponseModel):
    """A line that a run has written."""

    run_id: str
    stream: Literal["stdout", "stderr"]
    content: str
    cursor: str = Field(description="The place behind it.")


class Output(ResponseModel):
    """Lines of a session's runs."""

    session_id: str
    lines: list[OutputLine]
    cursor: str | None = Field(description="The place behind the last one.")
    status: str
    running: bool


class OpenElicitation(ResponseModel):
    """A question of an MCP server that waits for an answer."""

    request_id: str
    run_id: str
    server_name: str
    message: str
    mode: str = Field(description="“form” or “url”, or a mode of a later release.")
    url: str | None = Field(description="The page to open, in mode “url”.")
    requested_schema: JsonValue = Field(description="The JSON schema of the form, or null.")
    property_order: list[str] = Field(description="Its fields in the server's order.")
    title: str
    display_name: str
    description: str
    other: JsonValue = Field(description="Further fields, as the server sent them.")


class AnsweredElicitation(ResponseModel):
    """The answer that was sent, without its content."""

    request_id: str
    run_id: str
    action: ElicitationAction


# Chats -----------------------------------------------------------------------------------


class ChatLinks(ResponseModel):
    """Where a session of /api/claude/sessions is found."""

    self: str
    chat: str = Field(description="The WebSocket.")
    export: str
    page: str = Field(description="For a person.")


class ChatSession(ResponseModel):
    """A session that can be chatted with."""

    id: str
    title: str
    workingDir: str  # noqa: N815
    status: str = Field(description="created, a phase of its run, or ended.")
    createdAt: str = Field(description="ISO 8601, in UTC.")  # noqa: N815
    lastActivity: str = Field(description="ISO 8601, in UTC.")  # noqa: N815
    links: ChatLinks


class EndedChat(ResponseModel):
    """A session whose processes are gone."""

    id: str
    status: Literal["ended"]


# Health ----------------------------------------------------------------------------------


class Stall(ResponseModel):
    """One time that the server could attend to nothing else."""

    ms: float
    at: float = Field(description="When it was over, in Unix seconds.")
    by: list[str] = Field(description="What went on, the innermost call first; may be empty.")


class Health(ResponseModel):
    """How long the server process that answers was kept from attending to anything else."""

    since: float = Field(description="Since when it is measured, in Unix seconds.")
    busy: float = Field(description="Which share of the last minute it worked, from 0 to 1.")
    limit_ms: float = Field(description="What takes longer is counted as a stall.")
    worst_ms: float
    worst_of_minute_ms: float
    worst_lately_ms: float = Field(description="The same for the last `seconds` of the query.")
    stalls: int
    last: Stall | None
