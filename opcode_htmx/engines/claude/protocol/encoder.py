"""Encode the lines for Claude, in stream-json: prompts, answers, requests of our own.

Pure: values in, bytes out. The parser reads Claude's lines.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from opcode_htmx.engines.contents import ImageContent
from opcode_htmx.engines.identifiers import INITIALIZE_ID
from opcode_htmx.lib.coerce import Json

DENIED = "The user does not want to do this. Ask what to do instead."
NO_ANSWER = "The user does not want to answer. Go on without, or ask differently."
KEEP_PLANNING = "The user wants to keep planning. Ask what should be different."
NO_REASONS = frozenset({DENIED, NO_ANSWER, KEEP_PLANNING})
"""The reasons that Claude gets when a person refuses without a reason."""


def prompt_line(prompt_id: str, text: str, images: Sequence[ImageContent] = ()) -> bytes:
    """A prompt. Claude repeats `prompt_id` (a UUID) when it takes the prompt up."""
    words: list[Json] = [{"type": "text", "text": text}] if text else []
    return _line(
        {
            "type": "user",
            "message": {
                "role": "user",
                "content": [*map(_image, images), *words] if images else text,
            },
            "parent_tool_use_id": None,
            "session_id": "default",
            "uuid": prompt_id,
        }
    )


def as_text(words: str) -> str:
    """`words` as text for Claude, even where they begin as a command does.

    The CLI takes a text as a command only if the slash is its first character.
    """
    return f" {words}"


def as_typed(text: str, prompt_id: str) -> str:
    """The words that a person typed, where `text` is what `as_text` made of them.

    Our forms send no words with a space in front, under UUIDs of version 5; Claude's own ids are of
    version 4.
    """
    return text[1:] if prompt_id[14:15] == "5" and text.startswith(" /") else text


def as_text_id(prompt_id: str) -> str:
    """The id under which a refused command is sent as text: always the same one.

    Raises ValueError where `prompt_id` is no UUID.
    """
    return str(uuid.uuid5(uuid.UUID(prompt_id), "as text"))


def undelivered_line(about: str) -> bytes:
    """A note of ours, not sent: this prompt, or the answer to this request, was not delivered."""
    return _fate_line(about, "undelivered")


def withdrawn_line(prompt_id: str) -> bytes:
    """A note of ours, not sent: a prompt that Claude left unread was withdrawn."""
    return _fate_line(prompt_id, "cancelled")


def allow_line(
    request_id: str,
    tool_input: Mapping[str, Any],
    permissions: Sequence[Json] = (),
    at: float | None = None,
) -> bytes:
    """Allow what `request_id` asks for, with the input as it is to be used.

    `permissions` are updates of Claude's rules or mode that go with it, in Claude's own form;
    `at` is the time of the decision, which Claude repeats and ignores.
    """
    answer: Json = {"behavior": "allow", "updatedInput": dict(tool_input)}
    if permissions:
        answer["updatedPermissions"] = list(permissions)
    return _answer_line(request_id, answer, at)


def deny_line(request_id: str, reason: str, at: float | None = None) -> bytes:
    """Refuse what `request_id` asks for; Claude reads `reason`."""
    return _answer_line(request_id, {"behavior": "deny", "message": reason}, at)


def elicitation_line(
    request_id: str,
    action: str,
    content: Mapping[str, Any] | None = None,
    at: float | None = None,
) -> bytes:
    """Answer an MCP server's question; `content` has the values of its form, if it is accepted."""
    answer: Json = {"action": action}
    if content is not None:
        answer["content"] = dict(content)
    return _answer_line(request_id, answer, at)


def refusal_line(request_id: str) -> bytes:
    """Answer that a request is of an unsupported kind."""
    error = "This client does not support the request."
    response = {"subtype": "error", "request_id": request_id, "error": error}
    return _line({"type": "control_response", "response": response})


def control_line(request_id: str, subtype: str, **arguments: object) -> bytes:
    """One of our own requests, such as `interrupt`."""
    request = {"subtype": subtype, **arguments}
    return _line({"type": "control_request", "request_id": request_id, "request": request})


def initialize_line() -> bytes:
    """Ask for Claude's capabilities: models, commands."""
    return control_line(INITIALIZE_ID, "initialize")


def _image(image: ImageContent) -> Json:
    source = {"type": "base64", "media_type": image.media_type, "data": image.data}
    return {"type": "image", "source": source}


def _fate_line(prompt_id: str, state: str) -> bytes:
    """The state of a prompt, in the form in which Claude reports it."""
    return _line({"type": "command_lifecycle", "command_uuid": prompt_id, "state": state})


def _answer_line(request_id: str, answer: Json, at: float | None) -> bytes:
    response = {"subtype": "success", "request_id": request_id, "response": answer}
    mark = {} if at is None else {"opcode": {"at": at}}
    return _line({"type": "control_response", "response": response, **mark})


def _line(value: Json) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "replace") + b"\n"
