"""Excerpts of the texts that match a query, read from the history files themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from opcode_htmx.engines.claude.protocol.entry_texts import EntryText, texts_of
from opcode_htmx.lib.coerce import Json, as_str
from opcode_htmx.markup import ansi
from opcode_htmx.sessions.index.file_pass import entry_at
from opcode_htmx.sessions.index.reader import Place
from opcode_htmx.sessions.index.terms import Phrase, spans_of

BEFORE, LONGEST = 50, 200
"""Characters in front of the first match, and of a whole excerpt."""
MOST_MARKED = 8


@dataclass(frozen=True, slots=True)
class Excerpt:
    """A part of a text around its first match: pieces, each with whether it is a match."""

    place: Place
    pieces: tuple[tuple[str, bool], ...]
    tool: str
    line_uuid: str
    call: str
    """The id of the tool call that the text belongs to, or empty."""


def excerpt_of(place: Place, phrases: Sequence[Phrase]) -> Excerpt | None:
    """None where the file does not have the text there any more."""
    try:
        entry = entry_at(place.path, place.start)
        found = _text_in(entry, place) if entry else None
    except OSError:
        return None
    if entry is None or found is None:
        return None
    text = " ".join(ansi.plain(found.text).split())
    spans = spans_of(text, phrases, MOST_MARKED)
    if not spans:
        return None
    parent = as_str(entry.get("parentToolUseID"))
    return Excerpt(
        place,
        tuple(_pieces(text, spans)),
        found.tool,
        as_str(entry.get("uuid")),
        found.call or parent,
    )


def _text_in(entry: Json, place: Place) -> EntryText | None:
    texts = texts_of(entry)
    return texts[place.part] if place.part < len(texts) else None


def _pieces(text: str, spans: Sequence[tuple[int, int]]) -> list[tuple[str, bool]]:
    begin = max(0, spans[0][0] - BEFORE)
    if begin and (space := text.find(" ", begin, spans[0][0])) >= 0:
        begin = space + 1
    end = min(len(text), begin + LONGEST)
    pieces = [("…", False)] if begin else []
    position = begin
    for first, last in spans:
        if last > end:
            break
        pieces += [(text[position:first], False), (text[first:last], True)]
        position = last
    if position == begin:  # the match itself is longer than an excerpt
        pieces.append((text[spans[0][0] : end], True))
        position = end
    pieces.append((text[position:end] + ("…" if end < len(text) else ""), False))
    return [piece for piece in pieces if piece[0]]
