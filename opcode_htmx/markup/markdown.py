"""Render text as safe HTML; no other module makes `Markup` out of text."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from html import escape
from typing import TYPE_CHECKING
from urllib.parse import unquote

from markupsafe import Markup

from opcode_htmx.lib.concurrency.cooperative import run_cpu_in_thread
from opcode_htmx.lib.late.patterns import late_pattern
from opcode_htmx.markup import sanitizer
from opcode_htmx.markup.addresses.places import Places
from opcode_htmx.markup.markdown_parser import (
    MOST_COLUMNS,
    is_wide_table,
    lines_of,
    linked,
    page_parser,
)
from opcode_htmx.markup.marks import MarkableHtml, Marks
from opcode_htmx.markup.spans import Span

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

SHORT = 1_000
"""Characters of a text that is rendered within a few milliseconds, and 50 in the worst case; a
longer one is rendered in a thread."""

MOST_INLINE = 2_000
"""Links, emphases and so on in one paragraph; bleach's time grows with the square of their number,
so text with more of them is shown as plain text."""

LONGEST_PREVIEW = 20_000
"""Characters; a longer preview is shown as plain text."""


@cache
def _parser() -> MarkdownIt:
    """Made with the first text: its library would be a fifteenth of a start."""
    return page_parser()


@cache
def _literal_parser() -> MarkdownIt:
    """Shows `&#x202e;` as written, for texts in which every character must be seen."""
    return page_parser().disable(["entity"])


_EXPLICIT_BLOCK = late_pattern(r"^ {0,3}(?:```|~~~|\|? ?:?-{3,}:? ?\|[-:| ]*$)", re.MULTILINE)
_DRAWING = late_pattern(r"[\u2500-\u259f]|\+[-=]{2}|\S {3,}\S|^\|.*\|$|^ +[^-*+\d\s]", re.MULTILINE)
"""Box characters, corners, columns, a row between bars, an indented line that is no list."""


_TOO_WIDE_NOTE = Markup(
    "<p><em>Shown as it was written: a table of more than {} columns.</em></p>\n"
).format(MOST_COLUMNS)


def prepare() -> None:
    """Load what the first text needs; meant for a thread."""
    sanitizer.prepare()
    _parser()
    _literal_parser()


def render(text: str, literal: bool = False, places: Places | None = None) -> Markup:
    """Render Markdown as safe HTML; a long text is rendered in a thread.

    `literal`: character references such as `&#8238;` are shown as written. `places`: where links to
    files lead; without them their paths are shown.
    """
    parser = _literal_parser() if literal else _parser()
    if len(text) <= SHORT:
        return _render(text, parser, places)
    return run_cpu_in_thread(_render, text, parser, places)


def _render(text: str, parser: MarkdownIt, places: Places | None) -> Markup:
    lines = lines_of(text + "\n")
    if any(map(is_wide_table, lines, lines[1:])) and not _is_fence(lines[0]):
        return plain(text) + _TOO_WIDE_NOTE
    env = {"lines": lines, "places": places}
    tokens = parser.parse(text, env)
    if any(map(_is_crowded, tokens)):
        return plain(text)
    html = parser.renderer.render(tokens, parser.options, env)
    if "<table" in html:
        html = html.replace("<table", '<div class="scroll" tabindex="0"><table')
        html = html.replace("</table>", "</table></div>")
    return _safe(html)


def _safe(html: str) -> Markup:
    return Markup(sanitizer.sanitized(html))  # noqa: S704 - sanitized in this very line


def inline(text: str, places: Places | None) -> Markup:
    """Render a piece of a paragraph: its HTML as it is in that of the whole."""
    if len(text) <= SHORT:
        return _inline(text, places)
    return run_cpu_in_thread(_inline, text, places)


def _inline(text: str, places: Places | None) -> Markup:
    env = {"places": places}
    parser = _parser()
    tokens = parser.parseInline(text, env)
    return _safe(parser.renderer.render(tokens, parser.options, env))


def inline_tokens(text: str) -> list[Token]:
    """What a piece of a paragraph consists of, before links are looked at."""
    tokens: list[Token] = []
    parser = _parser()
    parser.inline.parse(text, parser, {}, tokens)
    return tokens


def code_lines(text: str) -> Markup:
    """Lines of a code block as they are in it while it is not complete."""
    return _safe(linked([Span("", text)]))


def _is_crowded(token: Token) -> bool:
    children = token.children or ()
    if len(children) <= MOST_INLINE:
        return False
    return sum(each.nesting == 1 or each.type == "code_inline" for each in children) > MOST_INLINE


def _is_fence(line: str) -> bool:
    return line.lstrip(" ").startswith(("```", "~~~"))


def join(parts: Iterable[Markup]) -> Markup:
    """Concatenate pieces of safe HTML."""
    return Markup().join(parts)


def preview(text: str) -> Markup:
    """Render Markdown, or show the text as written if it is very long or an ASCII drawing."""
    is_plain = len(text) > LONGEST_PREVIEW or _is_drawing(text)
    return plain(text) if is_plain else render(text, literal=True)


def _is_drawing(text: str) -> bool:
    """Whether Markdown would destroy the layout: join lines or spaces, or make lists or tables.

    Text with a fence, or with the delimiter row of a table, is meant as Markdown.
    """
    if _EXPLICIT_BLOCK.search(text):
        return False
    return _DRAWING.search(text) is not None


def with_spans(pieces: Iterable[tuple[str, str, str]]) -> Markup:
    """Texts as spans: each piece is a CSS class, the raw text for `data-raw`, and the shown text.

    A piece without a class gets no span.
    """
    html = "".join(
        f'<span class="{escape(name)}" data-raw="{escape(raw)}">{escape(text)}</span>'
        if name
        else escape(text)
        for name, raw, text in pieces
    )
    return Markup(html)  # noqa: S704 - escaped in the lines above


def with_source(html: Markup, text: str) -> Markup:
    """Rendered Markdown, and below it its source."""
    note = Markup("<p>As it was written, with what is not to be seen above:</p>")
    return html + note + plain(text)


def plain(text: str) -> Markup:
    """A text as written, in a `pre` element."""
    return Markup('<pre dir="ltr" tabindex="0"><code>{}</code></pre>').format(text)


def with_marks(html: MarkableHtml, marks: Marks, anchor_id: str) -> Markup:
    """Safe HTML in which parts of the text are marked; see `MarkableHtml.with_marks`."""
    return Markup(html.with_marks(marks, anchor_id))  # noqa: S704 - adds `<mark>` only


_FILE_LINK = '<a class="file-link" href="?file='


def without_file_links(html: Markup) -> Markup:
    """Safe HTML in which links to files are their texts, followed by the path if that is another.

    For an export, which has no server that could show the file.
    """
    first, *others = html.split(_FILE_LINK)
    pieces = [str(first)]
    for each in others:
        address, _, rest = str(each).partition('">')
        label, _, after = rest.partition("</a>")
        path = escape(unquote(address))
        pieces += [label, "" if path in label else f' (<code dir="ltr">{path}</code>)', after]
    return Markup("".join(pieces))  # noqa: S704 - takes links away, adds escaped text
