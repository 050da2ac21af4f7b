"""The words that a search has found, marked in the block that its result leads to.

Without JavaScript as well: the block is open, and shows the words also where it is cut before them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, partial

from flask import get_template_attribute
from markupsafe import Markup

from opcode_htmx.lib.concurrency.cooperative import run_cpu_in_thread
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.markup.markdown import with_marks
from opcode_htmx.markup.marks import MarkableHtml, Marks
from opcode_htmx.rendering import search
from opcode_htmx.rendering.fragments import Fragments
from opcode_htmx.rendering.opened_blocks import OpenedBlocks, path_to
from opcode_htmx.rendering.tool_cards import SHOWN_CHARACTERS
from opcode_htmx.sessions.index.excerpts import best_start
from opcode_htmx.sessions.index.terms import Phrase, SearchedText, phrases_of, plain
from opcode_htmx.transcript.blocks import Block

ANCHOR = "found"
"""The id of the element that the address of a result leads to."""
MOST_MARKED = 100
"""Places of each phrase in a block."""
BEFORE, AFTER = 300, 700
"""Characters around the words, where a block is cut before them."""
LONGEST = 300_000
"""Characters of a text that is cut; words further on are not looked for."""
LOOKED_FOR = 40
"""Characters from the words on that distinguish their place from others."""

Spans = Sequence[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Words:
    """What was searched for: one function for each phrase, and for the place of most of them."""

    phrases: Sequence[Callable[[str], Spans]]
    all: Callable[[str], Spans]
    best: Callable[[str], int]


def words_of(arguments: Mapping[str, str]) -> Words | None:
    """The words in the address of a page; None if there are none. See `forms.found_url`."""
    if phrases := phrases_of(arguments.get("q", "")):
        searched = lru_cache(maxsize=4)(SearchedText)  # those of this page

        def spans_of(phrases: Sequence[Phrase], text: str) -> Spans:
            return searched(text).spans_of(phrases, MOST_MARKED)

        return Words(
            [partial(spans_of, [each]) for each in phrases],
            partial(spans_of, phrases),
            lambda text: best_start(searched(text), phrases),
        )
    if words := arguments.get("text", "")[: search.LONGEST_QUERY].split():
        pattern = search.pattern_of(words)

        def spans(text: str) -> Spans:
            found = [each.span() for each in pattern.finditer(text)]
            return found[:MOST_MARKED]

        return Words([spans], spans, lambda text: next(iter(spans(text)), (0, 0))[0])
    return None


def renderer(
    kept: Fragments,
    blocks: Sequence[Block],
    arguments: Mapping[str, str],
    whole_text: Callable[[Block], str],
) -> Callable[[Block], Markup]:
    """Renders the blocks of a page; the one that a result leads to is open, and marked.

    `whole_text` returns the text of a block that the page may cut; else an empty one.
    """
    path, words = path_to(blocks, arguments.get("hit", "")), words_of(arguments)
    if not path or words is None:
        return kept.block

    def change(html: Markup) -> Markup:
        in_output = "output" in arguments
        marked, further = run_cpu_in_thread(_marked, html, words, whole_text, path[-1], in_output)
        if not further:
            return marked
        head, link, rest = marked.rpartition('<a class="more"')
        macro = get_template_attribute("session_page/further.html", "further")
        complete: Markup = head + macro(further, ANCHOR) + link + rest
        return complete

    return OpenedBlocks(kept, path, change).block


def _marked(
    html: Markup,
    words: Words,
    whole_text: Callable[[Block], str],
    block: Block,
    in_output: bool,
) -> tuple[Markup, list[tuple[str, bool]]]:
    """The HTML with marks, and the text around words that it does not show because it is cut.

    `in_output`: they were found in what the tool returned, and not in its call.
    """
    markable = MarkableHtml(html)
    shown = markable.text
    missing = [each for each in words.phrases if not each(shown)]
    spans, best, further = words.all(shown), words.best(shown), list[tuple[str, bool]]()
    if in_output or missing:
        text = plain(whole_text(block)[:LONGEST])
        place = words.best(text)
        line = text[place : place + LOOKED_FOR].partition("\n")[0]
        found = shown.rfind(line) if line and in_output else -1
        best = found if found >= 0 else best
        is_cut = in_output and found < 0 and len(text) > SHOWN_CHARACTERS
        if is_cut or any(each(text) for each in missing):
            further = _around(text, place, words)
    anchor = next((number for number, (start, _) in enumerate(spans) if start >= best), 0)
    return with_marks(markable, Marks(spans, -1 if further else anchor), ANCHOR), further


def _around(text: str, place: int, words: Words) -> list[tuple[str, bool]]:
    """Pieces of the text around a place, each with whether it is marked."""
    position = max(0, place - BEFORE)
    position = text.find("\n", position, place) + 1 or position
    end = min(len(text), place + AFTER)
    part = text[position:end]
    pieces = [("…\n", False)] if position else []
    position = 0
    for start, last in words.all(part):
        pieces += [(part[position:start], False), (part[start:last], True)]
        position = last
    return [*pieces, (part[position:] + ("…" if end < len(text) else ""), False)]
