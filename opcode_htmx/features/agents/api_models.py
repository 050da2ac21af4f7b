"""The shapes of the agents' API: those that the reference implementation's client reads.

Names and docstrings of these models are in the OpenAPI document, so they are part of the API.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, StringConstraints, model_validator

from opcode_htmx.web.rest.models import LowerUuid, RequestModel, ResponseModel

JsonValue = Any
"""Any JSON value."""

Path = Annotated[str, StringConstraints(min_length=1, max_length=4096)]
Long = Annotated[str, StringConstraints(max_length=100_000)]
Line = Annotated[str, StringConstraints(max_length=2000)]
Lines = Annotated[list[Line], Field(max_length=100)]
Mode = Literal["", "default", "acceptEdits", "plan", "dontAsk", "bypassPermissions"]


class _Request(RequestModel):
    model_config = ConfigDict(strict=True)


class Agent(ResponseModel):
    """An agent."""

    id: int
    name: str
    icon: str
    system_prompt: str
    default_task: str | None
    model: str = Field(description="Empty: Claude's default.")
    enable_file_read: bool
    enable_file_write: bool
    enable_network: bool
    hooks: str | None = Field(description="JSON, as under “hooks” in a settings file.")
    permission_mode: str = Field(description="Empty: as Claude's settings say.")
    replaces_prompt: bool = Field(description="Whether its prompt replaces Claude's own.")
    allowed_tools: list[str] = Field(description="Permission rules.")
    denied_tools: list[str] = Field(description="Permission rules.")
    folders: list[str] = Field(description="Further folders to work in.")
    closed_paths: list[str] = Field(description="Paths that are neither read nor written.")
    revision: str = Field(description="To be sent with a change.")
    created_at: str = Field(description="ISO 8601.")
    updated_at: str


class NewAgent(_Request):
    """An agent to be made. What is not named is as in a new one."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=80)]
    icon: Line = "bot"
    system_prompt: Annotated[str, StringConstraints(min_length=1, max_length=100_000)]
    default_task: Long | None = None
    model: Line | None = None
    enable_file_read: bool = True
    enable_file_write: bool = True
    enable_network: bool = False
    hooks: Annotated[str, StringConstraints(max_length=50_000)] | dict[str, JsonValue] | None = None
    permission_mode: Mode = ""
    replaces_prompt: bool = False
    allowed_tools: Lines = []
    denied_tools: Lines = []
    folders: Lines = []
    closed_paths: Lines = []


class ChangedAgent(NewAgent):
    """What an agent is to be from now on."""

    revision: Line | None = Field(
        None, description="That of the agent that was seen; without one, the newest is replaced."
    )


class ExportedAgent(ResponseModel):
    """An exported agent, `.opcode.json`."""

    version: Literal[1]
    exported_at: str = Field(description="ISO 8601.")
    agent: dict[str, JsonValue]


class ImportedAgent(_Request):
    """An exported agent: itself, or as text in `json_data`."""

    model_config = ConfigDict(extra="allow")

    version: JsonValue = None
    exported_at: JsonValue = None
    agent: JsonValue = None
    json_data: Annotated[str, StringConstraints(max_length=262_144)] | None = None


class AgentExecution(_Request):
    """A task for an agent in a project."""

    project_path: Path
    task: Annotated[str, StringConstraints(min_length=1, max_length=100_000)] | None = Field(
        None, description="By default its default task."
    )
    model: Line | None = None
    worktree: bool = Field(False, description="Work in a new git worktree.")
    session_id: LowerUuid | None = Field(None, description="The id that the session gets.")
    prompt_id: LowerUuid | None = Field(None, description="Makes a start that is sent twice one.")
    trust: bool = Field(False, description="Trust all that the project's files hold now.")
    untrusted: bool = Field(False, description="Start without the settings of the project.")

    @model_validator(mode="after")
    def _one_at_most(self) -> Self:
        if self.trust and self.untrusted:
            raise ValueError("trust and untrusted exclude each other")
        return self


class RunsQuery(_Request):
    """Whose runs are listed."""

    model_config = ConfigDict(strict=False)

    agent_id: int | None = Field(None, alias="agentId")


class AgentRunInfo(ResponseModel):
    """A run of an agent. It stays when its agent is deleted."""

    id: int
    agent_id: int
    agent_name: str
    agent_icon: str
    task: str
    model: str
    project_path: str
    session_id: str
    status: Literal["pending", "running", "completed", "failed", "cancelled"]
    pid: int | None
    process_started_at: str | None
    created_at: str = Field(description="ISO 8601.")
    completed_at: str | None
    working_path: str = Field(description="Where it works: the project, or a worktree.")
    problem: str | None = Field(
        description="Why its task could not be sent, such as a failed set-up of its worktree."
    )


class AgentRunMetrics(ResponseModel):
    """What a run has used; null where it is not known."""

    duration_ms: int | None
    total_tokens: int | None
    cost_usd: float | None = Field(description="As Claude reports it at the end of a turn.")
    message_count: int | None
    files_changed: int | None
    lines_added: int | None
    lines_removed: int | None


class MeasuredAgentRun(AgentRunInfo):
    """A run with its figures, and with Claude's last words."""

    metrics: AgentRunMetrics
    output: str | None
