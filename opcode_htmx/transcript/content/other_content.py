"""Describe content that is neither text nor image: one line for each part, and its other fields.

Documents, resources, links, search results, sounds, references to tools, and unknown kinds. Every
field of a content block is either in its line or in the JSON below it. Pure; no HTML.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

from opcode_htmx.engines.claude.protocol.contents import parts_of
from opcode_htmx.engines.contents import Content, ImageContent, OtherContent, TextContent
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.markup.addresses.links import Link, link
from opcode_htmx.transcript.cli_text import as_json
from opcode_htmx.transcript.content import images
from opcode_htmx.transcript.content.downloads import File, file_in, size_of

_SOURCE_TYPES = frozenset({"base64", "text", "url", "file", "content"})
_MODEL_FIELDS = frozenset({"cache_control", "citations"})
"""Fields that only concern how the model reads a content block."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part as a card shows it. A part that is plain text has `text` only."""

    label: str = ""
    """Its kind: `Document`, `Loaded tool`, or the name of an unknown type."""
    words: tuple[str, ...] = ()
    """Its title, media type, size and the like."""
    link: Link | None = None
    file: File | None = None
    text: str = ""
    json: str = ""
    """The fields that are not in the line."""


def parts(contents: Iterable[Content]) -> tuple[Part, ...]:
    """The parts of a result or a prompt in order, without images that a page can show."""
    return tuple(part for content in contents for part in _describe(content))


def others(contents: Iterable[Content]) -> tuple[Part, ...]:
    """The same without plain texts."""
    return parts(content for content in contents if not isinstance(content, TextContent))


def files(contents: Iterable[Content]) -> list[File]:
    """The files to download, in the order of `parts`."""
    return [part.file for part in parts(contents) if part.file]


def structured(content: object) -> Part:
    """A structured value that a tool returned in addition to its text."""
    return Part(label="Structured result", json=as_json(content))


def linked(resource: dict[str, Any]) -> Part:
    """A resource that a tool returned as a link."""
    return next(_describe(OtherContent("resource_link", resource)))


def as_text(part: Part) -> str:
    """A part as plain text, for search, exports, and the page of a single block."""
    url = (part.link.url,) if part.link and part.link.url not in part.words else ()
    line = ": ".join(filter(None, (part.label, ", ".join((*part.words, *url)))))
    return "\n".join(filter(None, (line, part.text, part.json)))


def image_as_text(image: ImageContent) -> str:
    """An image as a line of text."""
    shown = images.shown_image(image)
    if shown is None:
        return "\n".join(as_text(part) for part in _describe(image))
    return f"Image: {shown.media_type}, {shown.width} × {shown.height}"


def all_as_text(contents: Iterable[Content]) -> str:
    """All content but text, as plain text: images by type and size, other content in full."""
    lines = []
    for content in contents:
        if isinstance(content, ImageContent):
            lines.append(image_as_text(content))
        elif not isinstance(content, TextContent):
            lines += [as_text(part) for part in _describe(content)]
    return "\n".join(lines)


# --- kinds of content --------------------------------------------------------------------------


class _Fields:
    """The fields of a content block. Reading one removes it; the rest is shown as JSON."""

    def __init__(self, raw: dict[str, Any]) -> None:
        self._rest = {key: value for key, value in raw.items() if key not in _MODEL_FIELDS}
        self._inner: dict[str, _Fields] = {}

    def text(self, *keys: str) -> str:
        """Take the first non-empty text under these keys; empty if there is none."""
        for key in keys:
            if isinstance(self._rest.get(key), str) and (value := self._rest.pop(key)):
                return str(value)
        return ""

    def inner(self, key: str) -> _Fields:
        """The fields of a nested object; no fields if there is no object."""
        if isinstance(self._rest.get(key), dict):
            self._inner[key] = _Fields(self._rest.pop(key))
        return self._inner.get(key) or _Fields({})

    def is_text(self, key: str, value: str) -> bool:
        return self._rest.get(key) == value

    def take(self, key: str) -> object:
        return self._rest.pop(key, None)

    def drop(self, key: str, known: Iterable[str]) -> None:
        """Remove a field if its value is one of `known`, which add nothing to the line."""
        if isinstance(self._rest.get(key), str) and self._rest[key] in known:
            del self._rest[key]

    def file(self, key: str, media_type: str, name: str, kind: str) -> File | None:
        """Take the data under `key`; if that is no base64, it stays among the fields."""
        found = file_in(self._rest.get(key), media_type, name, kind)
        if found:
            del self._rest[key]
        return found

    def rest(self) -> dict[str, Any]:
        """The fields that were not read and are not null."""
        inner = {key: found for key, each in self._inner.items() if (found := each.rest())}
        return {key: each for key, each in self._rest.items() if each is not None} | inner


def _describe(content: Content) -> Iterator[Part]:
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
    """Content with data, text or a URL in `source`, or next to the type as in MCP."""
    source = fields.inner("source")
    is_text = source.is_text("type", "text")
    source.drop("type", _SOURCE_TYPES)
    media_type = source.text("media_type") or fields.text("mimeType")
    file = None if is_text else source.file("data", media_type, title, label)
    file = file or fields.file("data", media_type, title, label)
    text = source.text("data") if is_text else ""
    url = source.text("url")
    return Part(
        label=label,
        words=_words(title, media_type, source.text("file_id"), _unsafe(url), size_of(file)),
        link=link(url),
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


def _unsafe(url: str) -> str:
    """A URL that is shown as text because it must not be a link; else empty."""
    return "" if link(url) else url
