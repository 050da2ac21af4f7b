"""Excerpts of the texts that match a query, read from the history files themselves."""

from __future__ import annotations

from collections.abc import Sequence

from opcode_htmx.engines.claude.protocol.entry_texts import EntryText, Role, texts_of
from opcode_htmx.lib.coerce import Json, as_str
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.late.patterns import late_pattern
from opcode_htmx.markup import markdown_signs
from opcode_htmx.sessions.index.file_lines import entry_at
from opcode_htmx.sessions.index.search import Place
from opcode_htmx.sessions.index.terms import Phrase, SearchedText, plain

BEFORE, LONGEST = 50, 200
"""Characters in front of the first match, and of a whole excerpt."""
MOST_MARKED = 8
IN_MARKDOWN = (Role.ANSWER, Role.THINKING, Role.SUMMARY)
"""The texts of which an excerpt leaves out the signs of Markdown."""
_BLANKS = late_pattern(r"\s+")


@dataclass(frozen=True, slots=True)
class Excerpt:
    """A part of a text around its first match: pieces, each with whether it is a match."""

    place: Place
    pieces: tuple[tuple[str, bool], ...]
    tool: str
    line_uuid: str
    """The entry whose message shows where the text is: for a summary, the compaction's."""
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
    text = plain(found.text)
    searched = SearchedText(text)
    begin = best_start(searched, phrases)
    spans = [span for span in searched.spans_of(phrases, MOST_MARKED) if span[0] >= begin]
    line_uuid = as_str(entry.get("uuid"))
    if found.role is Role.SUMMARY:
        line_uuid = as_str(entry.get("parentUuid")) or line_uuid
    call = found.call or as_str(entry.get("parentToolUseID"))
    pieces = _pieces(text, spans, in_markdown=found.role in IN_MARKDOWN)
    return Excerpt(place, tuple(pieces), found.tool, line_uuid, call)


def _text_in(entry: Json, place: Place) -> EntryText | None:
    texts = texts_of(entry)
    return texts[place.part] if place.part < len(texts) else None


def best_start(text: SearchedText, phrases: Sequence[Phrase]) -> int:
    """The start of the match from which on an excerpt shows the most phrases; 0 without any."""
    places = [text.spans_of([phrase], MOST_MARKED) for phrase in phrases]
    starts = sorted(start for spans in places for start, _ in spans)

    def shown(begin: int) -> int:
        end = begin + LONGEST - BEFORE
        return sum(any(begin <= start and last <= end for start, last in each) for each in places)

    return max(starts, key=shown, default=0)  # the first one of the best


def _pieces(
    text: str, spans: Sequence[tuple[int, int]], *, in_markdown: bool
) -> list[tuple[str, bool]]:
    """The beginning of the text where nothing is to be marked: FTS5 has split it otherwise."""
    first_match = spans[0][0] if spans else 0
    begin = max(0, first_match - BEFORE)
    if begin and (space := text.find(" ", begin, first_match)) >= 0:
        begin = space + 1
    end = min(len(text), begin + LONGEST)
    signs = markdown_signs.signs(text, begin, end) if in_markdown else []

    def part(start: int, end: int) -> str:
        return markdown_signs.left_out(text, signs, start, end)

    pieces = [("…", False)] if begin else []
    position = begin
    for first, last in spans:
        if last > end and position > begin:
            break
        pieces += [(part(position, first), False), (part(first, min(last, end)), True)]
        position = min(last, end)
    pieces.append((part(position, end) + ("…" if end < len(text) else ""), False))
    return [(_BLANKS.sub(" ", piece), is_match) for piece, is_match in pieces if piece]
