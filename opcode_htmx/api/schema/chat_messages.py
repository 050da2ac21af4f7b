"""What clients of chats send: a new chat over REST, and the messages of its socket.

The names are those of the reference implementation's client; see requests.py.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from opcode_htmx.api.schema.requests import (
    ElicitationAnswer,
    Model,
    PermissionMode,
    Prompt,
    Text,
    TrustChoice,
)
from opcode_htmx.engines.claude.files import titles
from opcode_htmx.lib.pty.messages import COLUMNS, ROWS
from opcode_htmx.web.rest.models import LowerUuid, RequestModel

Title = Annotated[str, StringConstraints(min_length=1, max_length=titles.LONGEST, pattern=r"\S")]


class NewChat(RequestModel):
    """A session to chat in."""

    working_dir: Annotated[str, StringConstraints(min_length=1, max_length=4096)] | None = Field(
        None, alias="workingDir"
    )
    """By default the folder in which tasks work."""
    title: Title | None = None
    model: Model | None = None
    permission_mode: PermissionMode | None = Field(None, alias="permissionMode")


class UserMessage(TrustChoice):
    """A prompt in a chat."""

    type: Literal["user_message"]
    content: Prompt
    prompt_id: LowerUuid | None = Field(None, alias="promptId")
    """Makes the prompt idempotent, as `prompt_id` does in an execution."""


class PermissionResponse(RequestModel):
    """The answer to a chat's `permission_request`."""

    type: Literal["permission_response"]
    request_id: Annotated[str, StringConstraints(min_length=1, max_length=256)] = Field(
        alias="requestId"
    )
    allow: bool
    message: Text | None = None
    """Where it is not allowed: the message to Claude."""


class ElicitationResponse(ElicitationAnswer):
    """The answer to a chat's `elicitation_request`."""

    type: Literal["elicitation_response"]
    request_id: Annotated[str, StringConstraints(min_length=1, max_length=256)] = Field(
        alias="requestId"
    )


class ChatCancel(RequestModel):
    """End the run with all it has started; the chat goes on with the next prompt."""

    type: Literal["cancel"]


class Beat(RequestModel):
    """Whether the other side is still there."""

    type: Literal["ping", "pong"]


class Resize(RequestModel):
    """The size of the terminals in which Claude's own interface shows this session."""

    type: Literal["resize"]
    cols: int = Field(ge=COLUMNS[0], le=COLUMNS[1])
    rows: int = Field(ge=ROWS[0], le=ROWS[1])


FromChat = UserMessage | PermissionResponse | ElicitationResponse | ChatCancel | Resize | Beat
FROM_CHAT: dict[str, type[FromChat]] = {
    "user_message": UserMessage,
    "permission_response": PermissionResponse,
    "elicitation_response": ElicitationResponse,
    "cancel": ChatCancel,
    "resize": Resize,
    "ping": Beat,
    "pong": Beat,
}
