"""What stands in results and prompts beside text and images: one line each, with what it holds.

Documents, resources, links, search results, sounds, references to tools, and whatever no kind is
known for. Every field of a block is either in its line or in the JSON below it. Pure; no HTML.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from opcode_htmx.engines.claude.protocol.contents import parts_of
from opcode_htmx.engines.messages import (
    Content,
    ImageContent,
    OtherContent,
    TextContent,
)
from opcode_htmx.markup.links import Link, link
from opcode_htmx.transcript.cli_text import as_json
from opcode_htmx.transcript.content import images
from opcode_htmx.transcript.content.downloads import File, file_in, size_of

_SOURCE_TYPES = frozenset({"base64", "text", "url", "file", "content"})
_NOT_FOR_PEOPLE = frozenset({"cache_control", "citations"})
"""Fields that only steer how the model reads a block."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part as a card shows it. Only `text` is set for a part that is a plain text."""

    label: str = ""
    """What it is: `Document`, `Loaded tool`, or the name of an unknown type."""
    words: tuple[str, ...] = ()
    """Its title, media type, size and the like."""
    link: Link | None = None
    file: File | None = None
    text: str = ""
    json: str = ""
    """Fields that have no place in the line."""


def parts(contents: Iterable[Content]) -> tuple[Part, ...]:
    """The parts of a result or a prompt in their order, without images that a page can show."""
    return tuple(part for content in contents for part in _described(content))


def others(contents: Iterable[Content]) -> tuple[Part, ...]:
    """The same without the texts."""
    return parts(content for content in contents if not isinstance(content, TextContent))


def files(contents: Iterable[Content]) -> list[File]:
    """What can be downloaded, in the order in which `parts` has it."""
    return [part.file for part in parts(contents) if part.file]


def structured(content: object) -> Part:
    """A value that a tool gave back beside its text."""
    return Part(label="Structured result", json=as_json(content))


def linked(resource: dict[str, Any]) -> Part:
    """A resource that a tool only named."""
    return next(_described(OtherContent("resource_link", resource)))


def in_text(part: Part) -> str:
    """A part as plain text: for search, for exports, for a page of its own."""
    address = (part.link.url,) if part.link and part.link.url not in part.words else ()
    line = ": ".join(filter(None, (part.label, ", ".join((*part.words, *address)))))
    return "\n".join(filter(None, (line, part.text, part.json)))


def image_in_text(image: ImageContent) -> str:
    """An image as a line of text."""
    seen = images.shown_image(image)
    if seen is None:
        return "\n".join(in_text(part) for part in _described(image))
    return f"Image: {seen.media_type}, {seen.width} × {seen.height}"


def all_in_text(contents: Iterable[Content]) -> str:
    """Everything that is no text, as plain text: an image is named, the rest is written out."""
    lines = []
    for content in contents:
        if isinstance(content, ImageContent):
            lines.append(image_in_text(content))
        elif not isinstance(content, TextContent):
            lines += [in_text(part) for part in _described(content)]
    return "\n".join(lines)


# --- the kinds of blocks -----------------------------------------------------------------------


class _Fields:
    """The fields of a block. What is read is taken out; what is left is shown as JSON."""

    def __init__(self, raw: dict[str, Any]) -> None:
        self._rest = {key: value for key, value in raw.items() if key not in _NOT_FOR_PEOPLE}
        self._inner: dict[str, _Fields] = {}

    def text(self, *keys: str) -> str:
        """The first text under these keys that says something; empty if there is none."""
        for key in keys:
            if isinstance(self._rest.get(key), str) and (value := self._rest.pop(key)):
                return str(value)
        return ""

    def inner(self, key: str) -> _Fields:
        """The fields of an object in it; none if there is no object."""
        if isinstance(self._rest.get(key), dict):
            self._inner[key] = _Fields(self._rest.pop(key))
        return self._inner.get(key) or _Fields({})

    def is_text(self, key: str, value: str) -> bool:
        return self._rest.get(key) == value

    def take(self, key: str) -> object:
        return self._rest.pop(key, None)

    def drop(self, key: str, known: Iterable[str]) -> None:
        """Leave out a field if its value says nothing beyond what the line does."""
        if isinstance(self._rest.get(key), str) and self._rest[key] in known:
            del self._rest[key]

    def file(self, key: str, media_type: str, name: str, kind: str) -> File | None:
        """The data under `key`; if that is no base64, it stays among the fields."""
        found = file_in(self._rest.get(key), media_type, name, kind)
        if found:
            del self._rest[key]
        return found

    def rest(self) -> dict[str, Any]:
        """What nobody has read and what says something."""
        inner = {key: found for key, each in self._inner.items() if (found := each.rest())}
        return {key: each for key, each in self._rest.items() if each is not None} | inner


def _described(content: Content) -> Iterator[Part]:
    match content:
        case TextContent(text=text):
            if text:
                yield Part(text=text)
        case ImageContent() if images.shown_image(content):
            pass
        case ImageContent(media_type=media_type, data=data):
            source = {"type": "base64", "media_type": media_type, "data": data}
            yield from _of_type("image", {"type": "image", "source": source})
        case OtherContent(type="", raw=raw):
            yield Part(text=as_json(raw))
        case OtherContent(type=type_, raw=dict() as raw):
            yield from _of_type(type_, raw)
        case OtherContent(type=type_, raw=raw):
            yield Part(label=type_, json=as_json(raw))
        case _:
            pass


def _of_type(type_: str, raw: dict[str, Any]) -> Iterator[Part]:
    describe = _KINDS.get(type_)
    if describe is None:
        yield Part(label=type_, json=as_json(raw))
        return
    fields = _Fields(raw)
    fields.drop("type", (type_,))
    first, *more = describe(fields)
    rest = fields.rest()
    yield replace(first, json=as_json(rest)) if rest else first
    yield from more


def _document(fields: _Fields) -> Iterator[Part]:
    title, context = fields.text("title", "name"), fields.text("context")
    yield _media("Document", fields, title, context)
    yield from parts(parts_of(fields.inner("source").take("content")))


def _medium(label: str) -> Callable[[_Fields], Iterator[Part]]:
    return lambda fields: iter((_media(label, fields, fields.text("title", "name")),))


def _media(label: str, fields: _Fields, title: str, context: str = "") -> Part:
    """A block whose data, text or address stands in `source`, or beside the type as in MCP."""
    source = fields.inner("source")
    is_text = source.is_text("type", "text")
    source.drop("type", _SOURCE_TYPES)
    media_type = source.text("media_type") or fields.text("mimeType")
    file = None if is_text else source.file("data", media_type, title, label)
    file = file or fields.file("data", media_type, title, label)
    text = source.text("data") if is_text else ""
    address = source.text("url")
    return Part(
        label=label,
        words=_words(title, media_type, source.text("file_id"), _unsafe(address), size_of(file)),
        link=link(address),
        file=file,
        text="\n".join(filter(None, (context, text))),
    )


def _resource(fields: _Fields) -> Iterator[Part]:
    inner = fields.inner("resource")
    uri, media_type = inner.text("uri"), inner.text("mimeType")
    title, name = inner.text("title"), inner.text("name")
    file = inner.file("blob", media_type, name or uri, "resource")
    yield Part(
        label="Resource",
        words=_words(title, name, _unsafe(uri), media_type, size_of(file)),
        link=link(uri),
        file=file,
        text="\n".join(filter(None, (inner.text("description"), inner.text("text")))),
    )


def _resource_link(fields: _Fields) -> Iterator[Part]:
    uri, title, name = fields.text("uri"), fields.text("title"), fields.text("name")
    yield Part(
        label="Resource link",
        words=_words(title, name, _unsafe(uri), fields.text("mimeType")),
        link=link(uri),
        text=fields.text("description"),
    )


def _search_result(fields: _Fields) -> Iterator[Part]:
    source = fields.text("source", "url")
    title = fields.text("title")
    yield Part(label="Search result", words=_words(title, _unsafe(source)), link=link(source))
    yield from parts(parts_of(fields.take("content")))


def _tool_reference(fields: _Fields) -> Iterator[Part]:
    yield Part(label="Loaded tool", words=_words(fields.text("tool_name")))


def _uploaded(fields: _Fields) -> Iterator[Part]:
    yield Part(label="Uploaded file", words=_words(fields.text("file_id")))


_KINDS: dict[str, Callable[[_Fields], Iterator[Part]]] = {
    "document": _document,
    "image": _medium("Image"),
    "audio": _medium("Audio"),
    "video": _medium("Video"),
    "resource": _resource,
    "resource_link": _resource_link,
    "search_result": _search_result,
    "tool_reference": _tool_reference,
    "container_upload": _uploaded,
}


def _words(*words: str) -> tuple[str, ...]:
    return tuple(filter(None, words))


def _unsafe(address: str) -> str:
    """An address that is shown as text, since it must not be a link."""
    return "" if link(address) else address
