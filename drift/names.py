"""The names in Claude's lines: types, subtypes, tools and fields. Pure.

A name is (kind, name); its kind says what it names. The fields of a line are named by their owner:
`field of user: uuid`, `field of user.message: content`. Inputs and results of tools are not
checked, except for the inputs that the API requests declare.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

Json = Mapping[str, Any]


FIELD, INPUT = "field of ", "input of "


class Name(NamedTuple):
    kind: str
    name: str

    @property
    def is_part(self) -> bool:
        """Whether it names a part of something: a field of a line, an input of a tool."""
        return self.kind.startswith((FIELD, INPUT))


STDOUT, HISTORY = "stdout line", "history line"
SYSTEM, ATTACHMENT, EVENT = "system subtype", "attachment type", "stream event"
DELTA, BLOCK, TOOL, REQUEST = "delta type", "content block", "tool", "control request"


def field_of(owner: str) -> str:
    return f"{FIELD}{owner}"


def input_of(tool: str) -> str:
    return f"{INPUT}{tool}"


def names_in(line: Json, kind: str) -> Iterator[Name]:
    """All names in one line; `kind` is STDOUT or HISTORY."""
    type_ = str(line.get("type"))
    yield Name(kind, type_)
    owner = type_
    match type_:
        case "system":
            owner = f"system/{line.get('subtype')}"
            yield Name(SYSTEM, str(line.get("subtype")))
        case "stream_event":
            yield from _event(_dict(line.get("event")))
        case "attachment":
            attachment = _dict(line.get("attachment"))
            yield Name(ATTACHMENT, str(attachment.get("type")))
            yield from _fields(f"attachment/{attachment.get('type')}", attachment)
        case "control_request":
            request = _dict(line.get("request"))
            yield Name(REQUEST, str(request.get("subtype")))
            yield from _fields(f"control_request/{request.get('subtype')}", request)
        case "control_response":
            yield from _fields("control_response.response", _dict(line.get("response")))
        case "user" | "assistant":
            message = _dict(line.get("message"))
            yield from _fields(f"{type_}.message", message)
            yield from _blocks(message.get("content"))
            yield from _fields("usage", _dict(message.get("usage")))
        case "result":
            yield from _fields("usage", _dict(line.get("usage")))
            for each in _dict(line.get("modelUsage")).values():
                yield from _fields("modelUsage", _dict(each))
    yield from _fields(owner, line)
    if owner == "system/init":
        yield from (Name(TOOL, str(tool)) for tool in line.get("tools") or ())


def names_in_answer(answer: Json) -> Iterator[Name]:
    """The names in Claude's answer to `initialize`."""
    yield from _fields("initialize", answer)
    for list_, owner in (("models", "model"), ("commands", "command")):
        for each in answer.get(list_) or ():
            yield from _fields(owner, _dict(each))


def names_in_tools(body: Json) -> Iterator[Name]:
    """The tools of an API request and what they take."""
    for tool in body.get("tools") or ():
        name = str(tool.get("name"))
        yield Name(TOOL, name)
        for each in _dict(_dict(tool.get("input_schema")).get("properties")):
            yield Name(input_of(name), each)


def _event(event: Json) -> Iterator[Name]:
    type_ = str(event.get("type"))
    yield Name(EVENT, type_)
    yield from _fields(f"event/{type_}", event)
    if "content_block" in event:
        yield from _blocks([event["content_block"]])
    if type_ == "content_block_delta":
        delta = _dict(event.get("delta"))
        yield Name(DELTA, str(delta.get("type")))
        yield from _fields(f"delta/{delta.get('type')}", delta)


def _blocks(content: object) -> Iterator[Name]:
    for block in map(_dict, content if isinstance(content, list) else ()):
        type_ = str(block.get("type"))
        yield Name(BLOCK, type_)
        yield from _fields(f"block/{type_}", block)
        if type_ == "tool_use":
            yield Name(TOOL, str(block.get("name")))
        if type_ == "tool_result":
            yield from _blocks(block.get("content"))


def _fields(owner: str, value: Json) -> Iterable[Name]:
    return (Name(field_of(owner), each) for each in value)


def _dict(value: object) -> Json:
    return value if isinstance(value, dict) else {}
