"""The requests of clients, over REST and over sockets: their fields, and their limits.

The names are those of the reference implementations' clients. An unknown name is refused, so
that a misspelling is reported and not ignored. Names and docstrings of the models that REST takes
are in the OpenAPI document.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

from opcode_htmx.engines.messages import ElicitationAction
from opcode_htmx.runs.model.prompt_content import MAX_PROMPT_CHARACTERS
from opcode_htmx.web.rest.models import UUID, LowerUuid, RequestModel

MAX_TASK_BYTES = 8192

SessionId = Annotated[str, StringConstraints(pattern=UUID)]
"""A UUID, in the case in which Claude's file has it."""

EitherId = Annotated[
    str, StringConstraints(pattern=r"^[0-9a-fA-F]{8}(-?[0-9a-fA-F]{4}){3}-?[0-9a-fA-F]{12}$")
]
"""Of a session, or of one of its runs (32 digits)."""
Model = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/@\[\]-]{0,127}$")]
Prompt = Annotated[str, StringConstraints(min_length=1, max_length=MAX_PROMPT_CHARACTERS)]
Text = Annotated[str, StringConstraints(max_length=4000)]


PermissionMode = Literal["default", "acceptEdits", "plan", "bypassPermissions"]


class StrictRequest(RequestModel):
    """A request whose values are of exactly the declared types."""

    model_config = ConfigDict(strict=True)


JsonValue = Any
"""Any JSON value."""


# Claude's settings, and the catalogue ------------------------------------------------------


class NewSettings(StrictRequest):
    """What settings.json is to hold from now on."""

    settings: dict[str, JsonValue]


class NewSystemPrompt(StrictRequest):
    """What the user's CLAUDE.md is to hold from now on."""

    content: Annotated[str, Field(max_length=1024 * 1024)]


class OfProject(StrictRequest):
    """For which project, if for one, is asked."""

    project_id: str | None = Field(None, description="The id of a project.")
    project_path: str | None = Field(None, description="Or its folder.")


class NewSlashCommand(StrictRequest):
    """A command to be made or changed."""

    scope: Literal["project", "user"]
    name: Annotated[str, Field(max_length=100)]
    namespace: Annotated[str, Field(max_length=300)] | None = Field(
        None, description="The folders before its name, with colons between them."
    )
    content: Annotated[str, Field(max_length=1024 * 1024)] = Field(
        description="What stands below the front matter."
    )
    description: Annotated[str, Field(max_length=20_000)] | None = None
    allowed_tools: list[Annotated[str, Field(max_length=1000)]] = Field([], max_length=200)
    project_id: str | None = Field(None, description="The id of the project.")
    project_path: str | None = Field(None, description="Or its folder.")


class ExportQuery(StrictRequest):
    """In which form a session is taken along."""

    format: Literal["md", "html", "jsonl"] = "md"


# Runs --------------------------------------------------------------------------------------


class TrustChoice(RequestModel):
    """A decision about files of the project that would run what nobody has trusted."""

    trust: bool = False
    """Trust all that the files of the project hold now."""
    untrusted: bool = False
    """Start without the settings of the project, also from now on in this session."""

    @model_validator(mode="after")
    def _one_at_most(self) -> Self:
        if self.trust and self.untrusted:
            raise ValueError("trust and untrusted exclude each other")
        return self


class Execution(TrustChoice):
    """A prompt that begins a run, or goes on with a session's."""

    _ignored: ClassVar[frozenset[str]] = frozenset({"command_type"})
    """Over REST the address says it."""

    project_path: Annotated[str, StringConstraints(min_length=1, max_length=4096)]
    """The folder to work in: absolute, or with `~`."""
    prompt: Prompt
    model: Model | None = None
    session_id: SessionId | None = None
    """Of a new session: the id that it gets, Claude's own. Of a resumed one: which it is."""
    permission_mode: PermissionMode | None = None
    effort: Literal["low", "medium", "high", "xhigh", "max"] | None = None
    prompt_id: LowerUuid | None = None
    """Makes the prompt idempotent: sent again under this id, it is not sent to Claude again."""
    detach: bool | None = None
    """Whether the run goes on when nobody is connected; by default over REST, not over a socket."""

    @model_validator(mode="before")
    @classmethod
    def _leave_out_ignored(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return {name: each for name, each in value.items() if name not in cls._ignored}


class Start(Execution):
    """The same as the first message of a socket."""

    _ignored: ClassVar[frozenset[str]] = frozenset()

    command_type: Literal["execute", "continue", "resume"]


class OfSession(RequestModel):
    """A message about one session; without an id, the one that this socket began last."""

    session_id: EitherId | None = None


class Attach(OfSession):
    """Hear a session from `cursor` on, or from its first line that is still here."""

    command_type: Literal["attach"]
    session_id: EitherId
    cursor: str | None = None


class FollowUp(OfSession, TrustChoice):
    """A further prompt, also while Claude works."""

    command_type: Literal["prompt"]
    prompt: Prompt
    prompt_id: LowerUuid | None = None


class Cancel(OfSession):
    """End the run with all it has started."""

    command_type: Literal["cancel"]


class Annotation(RequestModel):
    """What a person adds to an answer."""

    notes: Text


class Permission(OfSession):
    """The answer to a `permission_request`."""

    command_type: Literal["permission"]
    request_id: Annotated[str, StringConstraints(min_length=1, max_length=256)]
    decision: Literal["allow", "deny"]
    reason: Text | None = None
    """With `deny`: the message to Claude."""
    answers: dict[str, str] | None = None
    """With `allow`, for AskUserQuestion: the chosen label or free words for each question."""
    annotations: dict[str, Annotation] | None = None
    """With `answers`: what the person adds to the answer of a question."""
    updated_input: dict[str, Any] | None = None
    """With `allow`: what is laid over the tool's input."""
    suggestions: list[Annotated[int, Field(ge=0)]] | None = None
    """With `allow`: the numbers of Claude's suggestions that shall hold from now on."""


class ElicitationAnswer(RequestModel):
    """The answer to what an MCP server asks."""

    action: ElicitationAction
    """`accept`, `decline` (a no), or `cancel` (no answer)."""
    content: dict[str, JsonValue] | None = None
    """With `accept`: the values of the form, by the names of its fields."""


class Elicitation(OfSession, ElicitationAnswer):
    """The answer to an `elicitation_request`."""

    command_type: Literal["elicitation"]
    request_id: Annotated[str, StringConstraints(min_length=1, max_length=256)]


def _fits(prompt: str) -> str:
    if len(prompt.encode()) > MAX_TASK_BYTES:
        raise ValueError(f"it is longer than {MAX_TASK_BYTES} bytes")
    return prompt


class OutputQuery(RequestModel):
    """Which lines of a session are asked for."""

    after: str | None = None
    """The cursor behind which they begin; without one, at the first that is still here."""
    wait: Annotated[float, Field(ge=0, le=60, allow_inf_nan=False)] = 0
    """Seconds to wait for the first one, if there is none yet."""
    limit: Annotated[int, Field(ge=1, le=10_000)] = 1000


class HealthQuery(RequestModel):
    """For how long back the server's health is asked for."""

    seconds: Annotated[int, Field(ge=1, le=60)] = 10
    """How many seconds `worst_lately_ms` is about."""


class Task(TrustChoice):
    """The task dialect's one message."""

    prompt: Annotated[str, StringConstraints(min_length=1), AfterValidator(_fits)]
    meta: Annotated[str, StringConstraints(pattern=r"^[A-Z0-9_\-]+$", max_length=200)]


Command = Start | Attach | FollowUp | Cancel | Permission | Elicitation
COMMANDS: dict[str, type[Command]] = {
    "execute": Start,
    "continue": Start,
    "resume": Start,
    "attach": Attach,
    "prompt": FollowUp,
    "cancel": Cancel,
    "permission": Permission,
    "elicitation": Elicitation,
}
