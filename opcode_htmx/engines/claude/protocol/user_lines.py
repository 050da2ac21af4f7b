"""Prompts and tool results: from the object of a line to a `User`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from opcode_htmx.engines.claude.protocol import authorship
from opcode_htmx.engines.claude.protocol.contents import prompt_contents_of
from opcode_htmx.engines.contents import Content, Refusal, TextContent, ToolResult
from opcode_htmx.engines.messages import User
from opcode_htmx.lib.coerce import (
    Json,
    as_dict,
    as_list,
    as_str,
    optional,
    seconds,
)

REJECTED = "User rejected tool use"
"""The tool's own structured result of a call that was rejected at the terminal."""
_USER_SAID = "the user said:"
"""The end of the first line in the result of a call that was rejected at the terminal, if the
user's own words follow. In other results it may be in a rejected plan, in words of Claude's."""
_BY_PERSON = "user_reject"


def user_of(raw: Json) -> User:
    """A `user` line: a prompt, tool results, or a note of the CLI's."""
    return User(
        uuid=as_str(raw.get("uuid")),
        parent=optional(raw.get("parent_tool_use_id")),
        content=tuple(_content(raw)),
        is_replay=bool(raw.get("isReplay")),
        is_meta=authorship.is_meta(raw),
        tool_result=_tool_result(raw),
        author=authorship.author_of(raw),
        origin=authorship.origin_of(raw),
        parent_uuid=as_str(raw.get("parentUuid")),
        said_at=seconds(raw.get("timestamp")),
    )


def queued_prompt_of(raw: Json, attachment: Json) -> User:
    """A prompt taken up in the middle of a turn: a `user` line on stdout, this in history."""
    return User(
        uuid=as_str(attachment.get("source_uuid")) or as_str(raw.get("uuid")),
        parent=None,
        content=prompt_contents_of(attachment.get("prompt")),
        is_replay=False,
        is_meta=attachment.get("commandMode") != "prompt",
        tool_result=None,
        author=authorship.author_of_queued(attachment),
        origin=authorship.origin_of(attachment),
        parent_uuid=as_str(raw.get("parentUuid")),
    )


def refused_command_of(raw: Json) -> User:
    words = (TextContent(as_str(raw.get("content"))),)
    return User(as_str(raw["submitUuid"]), None, words, False, False, None, is_refused=True)


def said_on_rejection(result: str) -> str | None:
    """The user's own words in the result of a call that was rejected; None if there are none."""
    first_line, newline, words = result.partition("\n")
    return words if newline and first_line.endswith(_USER_SAID) else None


def _tool_result(raw: Json) -> object:
    """The tool's own structured result, in the form of stdout.

    History has the results of MCP tools in one field and their metadata in another.
    """
    if "tool_use_result" in raw:
        return raw["tool_use_result"]
    found = raw.get("toolUseResult")
    beside = as_dict(raw.get("mcpMeta"))
    return {"content": found, **beside} if beside else found


def _content(raw: Json) -> Iterator[Content]:
    """The content, with what the line has about the refusal of each result."""
    for part in prompt_contents_of(raw["message"].get("content")):
        if isinstance(part, ToolResult) and part.is_error:
            refusal, is_persons = _refusal(raw, part)
            yield replace(part, refusal=refusal, is_denied_by_person=is_persons)
        else:
            yield part


def _refusal(raw: Json, result: ToolResult) -> tuple[Refusal | None, bool]:
    """The kind of refusal, and whether it was a person's answer to a request.

    stdout has the fields of history, under names of its own, for each result of the line. A
    rejection at the terminal is an interruption unless the person said what to do instead.
    """
    meta = [as_dict(each) for each in as_list(raw.get("tool_result_meta"))]
    meta = [each for each in meta if each.get("id", result.tool_use_id) == result.tool_use_id]
    kinds = [raw.get("toolDenialKind"), *(each.get("non_execution_kind") for each in meta)]
    refusal = next((refusal for refusal in Refusal if refusal in kinds), None)
    has_words = _tool_result(raw) == REJECTED and said_on_rejection(result.text) is not None
    if refusal is Refusal.INTERRUPTED and has_words:
        return Refusal.DENIED, True
    decisions = [raw.get("permissionDecision"), *(each.get("permission_decision") for each in meta)]
    is_persons = any(as_dict(each).get("source") == _BY_PERSON for each in decisions)
    return refusal, refusal is Refusal.DENIED and is_persons
