"""Turn one line of Claude's stream-json, or of its history files, into a typed message.

Pure: bytes in, values out. It knows no files, no processes and no web. What it does not know is
kept as it came (`Unknown`, `Malformed`), because every release of the CLI adds types.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, TypeGuard, cast

from .messages import (
    Assistant,
    BlockDelta,
    BlockStart,
    BlockStop,
    Content,
    ControlCancel,
    ControlResponse,
    ImageContent,
    Init,
    Json,
    Malformed,
    Message,
    MessageStart,
    OtherContent,
    OtherEvent,
    PermissionRequest,
    PromptState,
    Refusal,
    SystemEvent,
    TextContent,
    ThinkingContent,
    ToolResult,
    ToolUse,
    TurnResult,
    Unknown,
    User,
)

_SURROGATE = re.compile("[\ud800-\udfff]")
_LARGEST = 2**53
"""Beyond this no count is exact everywhere, and none of Claude's is meant."""


def parse(line: bytes) -> Message:
    """The message that one line holds. Never raises: a line that is no message is `Malformed`."""
    text = line.decode("utf-8", "replace")
    try:
        raw = json.loads(text)
        if r"\ud" in text.lower():
            # Half of a surrogate pair is valid in JSON and nowhere else: no page could hold it
            whole = _SURROGATE.sub("\ufffd", json.dumps(raw, ensure_ascii=False))
            raw = json.loads(whole)
    except (ValueError, RecursionError):
        return Malformed(text)
    if not isinstance(raw, dict) or not isinstance(raw.get("type"), str):
        return Malformed(text)
    if raw.get("isSidechain"):
        # A subagent's line in the main history file: its own transcript, not this one's.
        return Unknown("sidechain", raw)
    try:
        return _parse_known(raw)
    except RecursionError:
        # Nested without sense: keep it whole rather than fail on it.
        return Unknown(raw["type"], raw)


def _parse_known(raw: Json) -> Message:
    match raw["type"]:
        case "stream_event":
            return _stream_event(raw)
        case "assistant" if output := _str(raw.get("local_command_source")):
            # A slash command's output, dressed as Claude's; history has it under the same uuid
            return SystemEvent("local_command", _str(raw.get("uuid")), {"content": output})
        case "assistant" if isinstance(raw.get("message"), dict):
            return _assistant(raw)
        case "user" if isinstance(raw.get("message"), dict):
            return _user(raw)
        case "attachment" if _dict(raw.get("attachment")).get("type") == "queued_command":
            return _queued_prompt(raw, raw["attachment"])
        case "result":
            return _result(raw)
        case "control_request" if _dict(raw.get("request")).get("subtype") == "can_use_tool":
            return _permission_request(raw)
        case "control_cancel_request":
            return ControlCancel(_str(raw.get("request_id")))
        case "control_response" if isinstance(raw.get("response"), dict):
            return _control_response(raw["response"], _dict(raw.get("opcode")).get("at"))
        case "command_lifecycle":
            return PromptState(_str(raw.get("command_uuid")), _str(raw.get("state")))
        case "system" if raw.get("subtype") == "init":
            return _init(raw)
        case "system":
            return SystemEvent(_str(raw.get("subtype")), _str(raw.get("uuid")), raw)
        case "conversation_reset" as subtype:
            return SystemEvent(subtype, _str(raw.get("uuid")), raw)
        case other:
            return Unknown(other, raw)


def _init(raw: Json) -> Init:
    return Init(
        session_id=_str(raw.get("session_id")),
        cwd=_str(raw.get("cwd")),
        model=_str(raw.get("model")),
        permission_mode=_str(raw.get("permissionMode")),
        slash_commands=tuple(_str(name) for name in _list(raw.get("slash_commands"))),
    )


def _stream_event(raw: Json) -> Message:
    event = _dict(raw.get("event"))
    parent = _optional(raw.get("parent_tool_use_id"))
    message_id = _optional(raw.get("api_message_id"))
    index = event.get("index")
    match event.get("type"):
        case "message_start":
            return MessageStart(_str(_dict(event.get("message")).get("id")), parent)
        case "content_block_start" if isinstance(index, int):
            content = _content_block(_dict(event.get("content_block")))
            return BlockStart(message_id, index, content, parent)
        case "content_block_delta" if isinstance(index, int):
            delta = _dict(event.get("delta"))
            text = delta.get("text", delta.get("thinking"))
            if isinstance(text, str):
                return BlockDelta(message_id, index, text, parent)
            return OtherEvent(_str(delta.get("type")))
        case "content_block_stop" if isinstance(index, int):
            return BlockStop(message_id, index, parent)
        case other:
            return OtherEvent(_str(other))


def _assistant(raw: Json) -> Assistant:
    message = raw["message"]
    index = raw.get("apiBlockIndex")
    return Assistant(
        message_id=_str(message.get("id")) or _str(raw.get("uuid")),
        uuid=_str(raw.get("uuid")),
        parent=_optional(raw.get("parent_tool_use_id")),
        content=_contents(message.get("content")),
        error=_optional(raw.get("error")) or ("" if raw.get("isApiErrorMessage") else None),
        index=index if isinstance(index, int) else None,
    )


def _user(raw: Json) -> User:
    return User(
        uuid=_str(raw.get("uuid")),
        parent=_optional(raw.get("parent_tool_use_id")),
        content=_contents(raw["message"].get("content")),
        is_replay=bool(raw.get("isReplay")),
        is_meta=any(map(raw.get, ("isMeta", "isCompactSummary", "isSynthetic"))),
        # stdout and history spell it differently
        tool_result=raw.get("tool_use_result", raw.get("toolUseResult")),
        refusal=_refusal(raw),
    )


def _refusal(raw: Json) -> Refusal | None:
    meta = [_dict(each).get("non_execution_kind") for each in _list(raw.get("tool_result_meta"))]
    kinds = [raw.get("toolDenialKind"), *meta]
    return next((refusal for refusal in Refusal if refusal in kinds), None)


def _queued_prompt(raw: Json, attachment: Json) -> User:
    """A prompt that was taken up in mid-turn: a `user` line on stdout, this in history."""
    return User(
        uuid=_str(attachment.get("source_uuid")) or _str(raw.get("uuid")),
        parent=None,
        content=_contents(attachment.get("prompt")),
        is_replay=False,
        is_meta=attachment.get("commandMode") != "prompt",
        tool_result=None,
    )


def _result(raw: Json) -> TurnResult:
    usage = _dict(raw.get("usage"))
    cost = raw.get("total_cost_usd")
    errors = [_str(error) for error in _list(raw.get("errors"))]
    read = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
    return TurnResult(
        uuid=_str(raw.get("uuid")),
        subtype=_str(raw.get("subtype")),
        is_error=bool(raw.get("is_error")),
        duration_ms=_int(raw.get("duration_ms")),
        cost_usd=float(cost) if _is_amount(cost) else None,
        input_tokens=sum(_int(usage.get(name)) for name in read),
        output_tokens=_int(usage.get("output_tokens")),
        turns=_int(raw.get("num_turns")),
        text=_str(raw.get("result")) or "\n".join(filter(None, errors)),
        reason=_str(raw.get("terminal_reason")),
    )


def _permission_request(raw: Json) -> PermissionRequest:
    request = raw["request"]
    return PermissionRequest(
        request_id=_str(raw.get("request_id")),
        tool_name=_str(request.get("tool_name")),
        input=_dict(request.get("input")),
        tool_use_id=_str(request.get("tool_use_id")),
        description=_str(request.get("description")),
        blocked_path=_str(request.get("blocked_path")),
        suggestions=tuple(_dict(item) for item in _list(request.get("permission_suggestions"))),
    )


def _control_response(response: Json, at: object) -> ControlResponse:
    return ControlResponse(
        request_id=_str(response.get("request_id")),
        ok=response.get("subtype") == "success",
        response=_dict(response.get("response")),
        error=_str(response.get("error")),
        answered_at=float(at) if _is_amount(at) else None,
    )


def _contents(content: object) -> tuple[Content, ...]:
    if isinstance(content, str):
        return (TextContent(content),)
    return tuple(_content_block(_dict(block)) for block in _list(content))


def _content_block(block: Json) -> Content:
    match block.get("type"):
        case "text":
            return TextContent(_str(block.get("text")))
        case "thinking":
            return ThinkingContent(_str(block.get("thinking")))
        case "tool_use":
            return ToolUse(
                id=_str(block.get("id")),
                name=_str(block.get("name")),
                input=_dict(block.get("input")),
            )
        case "tool_result":
            inner = _contents(block.get("content"))
            return ToolResult(
                tool_use_id=_str(block.get("tool_use_id")),
                text="\n".join(part.text for part in inner if isinstance(part, TextContent)),
                is_error=bool(block.get("is_error")),
                images=tuple(part for part in inner if isinstance(part, ImageContent)),
            )
        case "image":
            source = _dict(block.get("source"))
            return ImageContent(_str(source.get("media_type")), _str(source.get("data")))
        case other:
            return OtherContent(_str(other), block)


# --- shapes that cannot be trusted ----------------------------------------------------------


def _dict(value: object) -> Json:
    return cast(Json, value) if isinstance(value, dict) else {}


def _list(value: object) -> Sequence[Any]:
    return value if isinstance(value, list) else ()


def _str(value: object) -> str:
    return value if isinstance(value, str) else ""


def _optional(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _int(value: object) -> int:
    return int(value) if _is_amount(value) else 0


def _is_amount(value: object) -> TypeGuard[int | float]:
    """Whether it is a number that can be counted with: not NaN, not negative, not endless."""
    return isinstance(value, int | float) and 0 <= value <= _LARGEST
