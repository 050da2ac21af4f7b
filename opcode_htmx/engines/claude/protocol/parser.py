"""Turn one line of Claude's stream-json, or of its history files, into a typed message.

Bytes in, values out. It knows no files, no processes and no web. Unknown lines are kept unchanged
(`Unknown`, `Malformed`), because every release of the CLI adds types.
"""

from __future__ import annotations

import logging

from opcode_htmx.engines import long_line
from opcode_htmx.engines.claude.protocol import json_lines
from opcode_htmx.engines.claude.protocol.capabilities import once
from opcode_htmx.engines.claude.protocol.contents import content_of, contents_of
from opcode_htmx.engines.claude.protocol.user_entries import is_refused_command
from opcode_htmx.engines.claude.protocol.user_lines import (
    queued_prompt_of,
    refused_command_of,
    user_of,
)
from opcode_htmx.engines.messages import (
    LONGEST_DESCRIPTION,
    SYNTHETIC,
    Assistant,
    BackgroundTask,
    BackgroundTasks,
    BlockDelta,
    BlockStart,
    BlockStop,
    ControlCancel,
    ControlResponse,
    CostState,
    ElicitationRequest,
    Init,
    LongLine,
    Malformed,
    Message,
    MessageStart,
    OtherEvent,
    PermissionRequest,
    PromptState,
    SystemEvent,
    TurnResult,
    Unknown,
)
from opcode_htmx.lib.coerce import (
    Json,
    amount,
    as_dict,
    as_int,
    as_list,
    as_str,
    is_amount,
    optional,
    seconds,
)

log = logging.getLogger(__name__)

EDITOR_ATTACHMENTS = frozenset(
    {"opened_file_in_ide", "selected_lines_in_ide", "selected_lines_in_diff"}
)
"""Attachments of an editor to a prompt: lines of their own in history files."""


def parse(line: bytes) -> Message:
    """The message in a line. Never raises: a line that is no message is `Malformed`."""
    return message_in(json_lines.read(line), line)


def message_in(found: json_lines.Found | None, line: bytes) -> Message:
    """The message in a line that was decoded to `found`."""
    if found is None:
        return Malformed(line.decode("utf-8", "replace"))
    if found.content.get("isSidechain"):
        # A subagent's line in the main history file: its own transcript, not this one's.
        return Unknown("sidechain", found.content)
    return _parse(found.content, too_deep=found.too_deep)


def message_of(entry: Json) -> Message:
    """The message in a history entry that was decoded already; its `type` has to be a text."""
    return _parse_known(entry)


def parse_of_subagent(line: bytes, parent: str) -> Message:
    """A line of a subagent's own history file; `parent` is the id of the call that sent it."""
    found = json_lines.read(line)
    if found is None:
        return Unknown("sidechain", {})  # the last line may be half written
    return _parse({**found.content, "parent_tool_use_id": parent}, too_deep=found.too_deep)


def _parse(raw: Json, *, too_deep: bool) -> Message:
    if too_deep:
        return Unknown(raw["type"], raw)  # kept whole, without walking down its levels
    try:
        return _parse_known(raw)
    except Exception:
        log.exception("could not parse a line of type %.40r", raw["type"])
        return Unknown(raw["type"], raw)


def _parse_known(raw: Json) -> Message:
    match raw["type"]:
        case "stream_event":
            return _stream_event(raw)
        case "assistant" if output := as_str(raw.get("local_command_source")):
            # a slash command's output in the form of Claude's; history has it under the same uuid
            return SystemEvent("local_command", as_str(raw.get("uuid")), {"content": output})
        case "assistant" if _is_filler(raw):
            return SystemEvent("filler", as_str(raw.get("uuid")), raw)
        case "assistant" if isinstance(raw.get("message"), dict):
            return _assistant(raw)
        case "user" if isinstance(raw.get("message"), dict):
            return user_of(raw)
        case "attachment" if as_dict(raw.get("attachment")).get("type") == "queued_command":
            return queued_prompt_of(raw, raw["attachment"])
        case "result":
            return _result(raw)
        case "cost-state":
            return CostState(amount(raw.get("totalCostUSD")), _context_window(raw))
        case "control_request" if as_dict(raw.get("request")).get("subtype") == "can_use_tool":
            return _permission_request(raw)
        case "control_request" if as_dict(raw.get("request")).get("subtype") == "elicitation":
            return _elicitation_request(raw)
        case "control_cancel_request":
            return ControlCancel(as_str(raw.get("request_id")))
        case "control_response" if isinstance(raw.get("response"), dict):
            return _control_response(raw["response"], as_dict(raw.get("opcode")).get("at"))
        case long_line.LONG_LINE:
            return LongLine(as_int(raw.get("offset")), as_int(raw.get("bytes")))
        case "command_lifecycle":
            return PromptState(as_str(raw.get("command_uuid")), as_str(raw.get("state")))
        case "system" if raw.get("subtype") == "init":
            return _init(raw)
        case "system" if raw.get("subtype") == "background_tasks_changed":
            return BackgroundTasks(tuple(map(_background_task, as_list(raw.get("tasks")))))
        case "system" if is_refused_command(raw):
            return refused_command_of(raw)
        case "system":
            return SystemEvent(as_str(raw.get("subtype")), as_str(raw.get("uuid")), raw)
        case "attachment" if _attached_type(raw) in EDITOR_ATTACHMENTS:
            return SystemEvent("editor", as_str(raw.get("uuid")), raw["attachment"])
        case "attachment" if _hook_succeeded(as_dict(raw.get("attachment"))):
            return _hook_response(raw, raw["attachment"])
        case "conversation_reset" | "rate_limit_event" as subtype:
            return SystemEvent(subtype, as_str(raw.get("uuid")), raw)
        case other:
            return Unknown(other, raw)


def _attached_type(raw: Json) -> str:
    return as_str(as_dict(raw.get("attachment")).get("type"))


def _background_task(value: object) -> BackgroundTask:
    fields = (as_dict(value).get(name) for name in ("task_id", "task_type", "description"))
    return BackgroundTask(*(as_str(field)[:LONGEST_DESCRIPTION] for field in fields))


def _init(raw: Json) -> Init:
    return Init(
        session_id=as_str(raw.get("session_id")),
        cwd=as_str(raw.get("cwd")),
        model=as_str(raw.get("model")),
        permission_mode=as_str(raw.get("permissionMode")),
        slash_commands=once(tuple(map(as_str, as_list(raw.get("slash_commands"))))),
    )


def _stream_event(raw: Json) -> Message:
    event = as_dict(raw.get("event"))
    parent = optional(raw.get("parent_tool_use_id"))
    message_id = optional(raw.get("api_message_id"))
    index = event.get("index")
    match event.get("type"):
        case "message_start":
            return MessageStart(as_str(as_dict(event.get("message")).get("id")), parent)
        case "content_block_start" if isinstance(index, int):
            content = content_of(event.get("content_block"))
            return BlockStart(message_id, index, content, parent)
        case "content_block_delta" if isinstance(index, int):
            delta = as_dict(event.get("delta"))
            text = delta.get("text", delta.get("thinking"))
            if isinstance(text, str):
                return BlockDelta(message_id, index, text, parent)
            return OtherEvent(as_str(delta.get("type")))
        case "content_block_stop" if isinstance(index, int):
            return BlockStop(message_id, index, parent)
        case other:
            return OtherEvent(as_str(other))


def _is_filler(raw: Json) -> bool:
    """Whether the CLI has added it after an unanswered prompt, for the model."""
    message = as_dict(raw.get("message"))
    content = as_list(message.get("content"))
    texts = [as_dict(part).get("text") for part in content]
    return message.get("model") == SYNTHETIC and texts == ["No response requested."]


def _assistant(raw: Json) -> Assistant:
    message = raw["message"]
    index = raw.get("apiBlockIndex")
    return Assistant(
        message_id=as_str(message.get("id")) or as_str(raw.get("uuid")),
        uuid=as_str(raw.get("uuid")),
        parent=optional(raw.get("parent_tool_use_id")),
        content=contents_of(message.get("content")),
        error=optional(raw.get("error")) or ("" if raw.get("isApiErrorMessage") else None),
        index=index if isinstance(index, int) else None,
        context_tokens=_context_tokens(as_dict(message.get("usage"))),
        said_at=seconds(raw.get("timestamp")),
    )


def _hook_succeeded(attachment: Json) -> bool:
    """Whether it is a hook that stdout reports, too: one that prepares a session."""
    prepares = attachment.get("hookEvent") in ("SessionStart", "Setup")
    return prepares and attachment.get("type") == "hook_success"


def _hook_response(raw: Json, attachment: Json) -> SystemEvent:
    about = {
        "hook_name": attachment.get("hookName"),
        "output": attachment.get("stdout"),
        "outcome": "success",
    }
    return SystemEvent("hook_response", as_str(raw.get("uuid")), about)


def _result(raw: Json) -> TurnResult:
    usage = as_dict(raw.get("usage"))
    errors = [as_str(error) for error in as_list(raw.get("errors"))]
    return TurnResult(
        uuid=as_str(raw.get("uuid")),
        subtype=as_str(raw.get("subtype")),
        is_error=bool(raw.get("is_error")),
        duration_ms=as_int(raw.get("duration_ms")),
        cost_usd=amount(raw.get("total_cost_usd")),
        input_tokens=_context_tokens(usage),
        output_tokens=as_int(usage.get("output_tokens")),
        turns=as_int(raw.get("num_turns")),
        text=as_str(raw.get("result")) or "\n".join(filter(None, errors)),
        reason=as_str(raw.get("terminal_reason")),
        context_window=_context_window(raw),
        prompt_ids=tuple(filter(None, map(as_str, as_list(raw.get("user_message_uuids"))))),
        cache_read_tokens=as_int(usage.get("cache_read_input_tokens")),
        cache_written_tokens=as_int(usage.get("cache_creation_input_tokens")),
        session_id=as_str(raw.get("session_id")),
    )


def _context_tokens(usage: Json) -> int:
    read = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
    return sum(as_int(usage.get(name)) for name in read)


def _context_window(raw: Json) -> int:
    """The window of the model that was used most; helpers of the CLI may use another model."""
    used = [as_dict(each) for each in as_dict(raw.get("modelUsage")).values()]
    read = ("inputTokens", "cacheReadInputTokens", "cacheCreationInputTokens")
    most = max(used, key=lambda each: sum(as_int(each.get(name)) for name in read), default={})
    return as_int(most.get("contextWindow"))


def _permission_request(raw: Json) -> PermissionRequest:
    request = raw["request"]
    return PermissionRequest(
        request_id=as_str(raw.get("request_id")),
        tool_name=as_str(request.get("tool_name")),
        input=as_dict(request.get("input")),
        tool_use_id=as_str(request.get("tool_use_id")),
        description=as_str(request.get("description")),
        blocked_path=as_str(request.get("blocked_path")),
        suggestions=tuple(as_dict(item) for item in as_list(request.get("permission_suggestions"))),
    )


_ELICITATION_FIELDS = frozenset(
    {
        "subtype",
        "mcp_server_name",
        "message",
        "mode",
        "url",
        "elicitation_id",
        "requested_schema",
        "property_order",
        "title",
        "display_name",
        "description",
    }
)


def _elicitation_request(raw: Json) -> ElicitationRequest:
    request = raw["request"]
    return ElicitationRequest(
        request_id=as_str(raw.get("request_id")),
        server=as_str(request.get("mcp_server_name")),
        message=as_str(request.get("message")),
        mode=as_str(request.get("mode", "form")),
        url=as_str(request.get("url")),
        schema=as_dict(request.get("requested_schema")),
        property_order=tuple(map(as_str, as_list(request.get("property_order")))),
        title=as_str(request.get("title")),
        label=as_str(request.get("display_name")),
        description=as_str(request.get("description")),
        other={name: each for name, each in request.items() if name not in _ELICITATION_FIELDS},
    )


def _control_response(response: Json, at: object) -> ControlResponse:
    return ControlResponse(
        request_id=as_str(response.get("request_id")),
        ok=response.get("subtype") == "success",
        response=as_dict(response.get("response")),
        error=as_str(response.get("error")),
        answered_at=float(at) if is_amount(at) else None,
    )
