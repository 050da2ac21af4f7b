"""Text to safe HTML: the only place that makes `Markup`, and all of it passes bleach, except for
what has nothing in it but words and harmless tags without attributes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, MutableMapping, Sequence
from html import escape
from typing import Any

from bleach.sanitizer import Cleaner
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererProtocol
from markdown_it.rules_block import StateBlock, table
from markdown_it.rules_core import StateCore
from markdown_it.token import Token
from markdown_it.utils import OptionsDict
from markupsafe import Markup

from opcode_htmx.lib.cooperative import run_cpu_in_thread
from opcode_htmx.markup import addresses, highlight

TAGS = frozenset(
    {"p", "br", "hr", "h1", "h2", "h3", "h4", "h5", "h6", "strong", "em", "s", "code", "pre"}
    | {"blockquote", "ul", "ol", "li", "a", "table", "thead", "tbody", "tr", "th", "td", "div"}
    | {"span"}
)


def _link_attribute(tag: str, name: str, value: str) -> bool:
    """Whether a link may have an attribute; its address must be a whole one.

    bleach would let pass what has no protocol, such as `//host`.
    """
    return addresses.is_whole(value) if name == "href" else name in ("title", "rel", "target")


ATTRIBUTES: dict[str, list[str] | Callable[[str, str, str], bool]] = {
    "a": _link_attribute,
    "code": ["class"],
    "div": ["class", "tabindex"],
    "li": ["class"],
    "ol": ["start"],
    "pre": ["tabindex"],
    "span": ["class"],
    "td": ["class"],
    "th": ["class"],
}
PROTOCOLS = frozenset({"http", "https", "mailto"})

FENCE_LINES = 60
"""A longer fenced code block is cut into several parts, so that none grows without end."""
SHORT = 1_000
"""Characters of a text that is rendered in a few milliseconds; in 50, whatever is in it."""

MOST_COLUMNS = 100
"""A table with more columns is shown as it was written: nobody could read it as a table."""
MOST_MISSING = 200
"""Cells that the rows of a table may lack: a row of one character is filled up to all columns."""
LONGEST_PREVIEW = 20_000
"""Characters of a preview that is Markdown."""

_LINE_END = re.compile(r"(\r\n?|\n)")

_ALIGN = re.compile(r' style="text-align:(left|right|center)"')


class _Parser(MarkdownIt):
    """One that takes any address for a link: `addresses` decides what becomes of it."""

    def validateLink(self, url: str) -> bool:  # noqa: N802 - the library's name
        return True


def commonmark() -> MarkdownIt:
    """A parser of the Markdown that is shown here: with tables and without HTML."""
    parser = _Parser("commonmark", {"html": False, "linkify": False, "breaks": False})
    parser.block.ruler.at("table", _bounded_table, {"alt": ["paragraph", "reference"]})
    return parser.enable(["table", "strikethrough"]).disable(["reference"])


def _bounded_table(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """The library's rule, for tables that are not too wide, up to the row that lacks too much."""
    columns = _line_of(state, start).count("|")
    if not columns or start + 1 >= end or not _is_delimiter(_line_of(state, start + 1)):
        return False
    if columns > MOST_COLUMNS:
        return False
    missing = 0
    for row in range(start + 2, end) if not silent else ():
        line = _line_of(state, row)
        missing += max(0, columns - line.count("|") - 1)
        if missing > MOST_MISSING:
            end = row
        if missing > MOST_MISSING or not line.strip():
            break
    return table(state, start, end, silent)


def _line_of(state: StateBlock, line: int) -> str:
    return state.src[state.bMarks[line] : state.eMarks[line]]


def _is_delimiter(line: str) -> bool:
    """Whether this may be the line below the head of a table."""
    return "-" in line and not line.strip("|-: \t\r\n>")


def _is_wide_table(head: str, below: str) -> bool:
    """Whether two lines begin a table that is too wide to be shown as one."""
    return head.count("|") > MOST_COLUMNS and _is_delimiter(below)


_TASK = re.compile(r"\[([ xX])\] +")
_MARK = '<span class="check"><span class="visually-hidden">{}</span></span> '


def _tasks(state: StateCore) -> None:
    """List items that begin with `[ ]` or `[x]` get a mark that is seen and heard."""
    tokens = state.tokens
    for item, paragraph, inline in zip(tokens, tokens[1:], tokens[2:], strict=False):
        first = inline.children[0] if inline.children else None
        if (item.type, paragraph.type) != ("list_item_open", "paragraph_open") or first is None:
            continue
        task = _TASK.match(first.content) if first.type == "text" else None
        if task and (task.end() < len(first.content) or len(inline.children or []) > 1):
            done = task[1] != " "
            item.attrSet("class", "task done" if done else "task")
            mark = Token("task_mark", "", 0, content="Done:" if done else "To do:")
            first.content = first.content[task.end() :]
            inline.children = [mark, *(inline.children or [])]


def _task_mark(
    self: RendererProtocol, tokens: Sequence[Token], at: int, options: OptionsDict, env: Any
) -> str:
    return _MARK.format(tokens[at].content)


def _code(
    self: RendererProtocol, tokens: Sequence[Token], at: int, options: OptionsDict, env: Any
) -> str:
    """A code block, coloured once it is whole: one that still grows is rendered again and again."""
    token = tokens[at]
    language = token.info.split(maxsplit=1)[0] if token.info.strip() else ""
    shown = highlight.code(token.content, language if _is_whole(token, env) else "")
    coloured = (_span(style, escape(part, quote=False)) for style, part in shown.spans)
    name = f' class="language-{escape(language)}"' if language else ""
    note = f"<p><em>{shown.note}</em></p>\n" if shown.note else ""
    return f'<pre tabindex="0"><code{name}>{"".join(coloured)}</code></pre>\n{note}'


def _span(style: str, html: str) -> str:
    return f'<span class="{style}">{html}</span>' if style else html


def _is_whole(token: Token, env: MutableMapping[str, Any]) -> bool:
    """Whether later text cannot be part of this code: its fence is closed, or it was cut."""
    begin, end = token.map or (0, 0)
    last = env["lines"][end - 1].strip(" >\t\r\n") if end - begin > 1 else ""
    closed = len(last) >= len(token.markup) and set(last) == {token.markup[0]}
    return closed or end - begin > FENCE_LINES


def _page_parser() -> MarkdownIt:
    parser = commonmark()
    parser.core.ruler.push("tasks", _tasks)
    parser.core.ruler.push("addresses", addresses.rewrite)
    parser.add_render_rule("task_mark", _task_mark)
    parser.add_render_rule("fence", _code)
    return parser


_parser = _page_parser()
_literal_parser = _page_parser().disable(["entity"])
"""Shows `&#x202e;` as it stands, where every character has to be seen."""


_MARKED = re.compile(r"^ {0,3}(?:```|~~~|\|? ?:?-{3,}:? ?\|[-:| ]*$)", re.MULTILINE)
_DRAWN = re.compile(r"[\u2500-\u259f]|\+[-=]{2}|\S {3,}\S|^\|.*\|$|^ +[^-*+\d\s]", re.MULTILINE)
"""Lines and blocks, corners, columns, a row between bars, an indented line that is no list."""


_TOO_WIDE = Markup(
    "<p><em>Shown as it was written: a table of more than {} columns.</em></p>\n"
).format(MOST_COLUMNS)

_cleaners: list[Cleaner] = []
"""Those not in use: making one costs more than a short text, and each can clean but one at once."""


def _clean(html: str) -> Markup:
    try:
        cleaner = _cleaners.pop()
    except IndexError:
        cleaner = Cleaner(tags=TAGS, attributes=ATTRIBUTES, protocols=PROTOCOLS, strip=True)
    safe = Markup(cleaner.clean(html))  # noqa: S704 - cleaned in this very line
    _cleaners.append(cleaner)
    return safe


_BARE_TAG = re.compile(r"<(/?)(p|em|strong|s|code|blockquote|ul|ol|li|h[1-6])>")
_BARE_TEXT = re.compile(
    r"(?:[^<>&\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]|&(?:amp|lt|gt|quot);)*+"
)


def _is_bare(html: str) -> bool:
    """Whether this is text and a few tags without attributes, each closed where it belongs.

    bleach leaves such HTML as it is, and takes ten times as long to find that out; most of what
    grows before a reader's eyes is of this kind.
    """
    opened: list[str] = []
    place = 0
    while (text := _BARE_TEXT.match(html, place)) and text.end() < len(html):
        tag = _BARE_TAG.match(html, text.end())
        if tag is None or (tag[1] and (not opened or opened.pop() != tag[2])):
            return False
        if not tag[1]:
            opened.append(tag[2])
        place = tag.end()
    return not opened


def lines_of(text: str) -> list[str]:
    """The lines of a text, each with its end, as Markdown has them.

    `str.splitlines` breaks at form feeds and the like, too.
    """
    pieces = [*_LINE_END.split(text), ""]
    lines = ["".join(line) for line in zip(pieces[::2], pieces[1::2], strict=True)]
    return lines if lines[-1] else lines[:-1]


def render(text: str, literal: bool = False) -> Markup:
    """One Markdown text as safe HTML. Others have their turn while it is a long one.

    `literal`: character references such as `&#8238;` are shown instead of what they stand for.
    """
    parser = _literal_parser if literal else _parser
    return _render(text, parser) if len(text) <= SHORT else run_cpu_in_thread(_render, text, parser)


def _render(text: str, parser: MarkdownIt) -> Markup:
    lines = lines_of(text + "\n")
    if any(map(_is_wide_table, lines, lines[1:])) and not _is_fence(lines[0]):
        return plain(text) + _TOO_WIDE
    html = parser.render(text, {"lines": lines})
    if _is_bare(html):
        return Markup(html)  # noqa: S704 - there is nothing to clean
    html = _ALIGN.sub(r' class="align-\1"', html)  # the page allows no inline style
    html = html.replace("<table>", '<div class="scroll" tabindex="0"><table>')
    html = html.replace("</table>", "</table></div>")
    html = html.replace("<a href=", '<a rel="noopener noreferrer" target="_blank" href=')
    return _clean(html)


def _is_fence(line: str) -> bool:
    return line.lstrip(" ").startswith(("```", "~~~"))


def joined(parts: Iterable[Markup]) -> Markup:
    """Pieces of safe HTML as one."""
    return Markup().join(parts)


def preview(text: str) -> Markup:
    """Markdown, unless it is very long or a drawing in characters: then its lines are kept."""
    is_plain = len(text) > LONGEST_PREVIEW or _is_drawing(text)
    return plain(text) if is_plain else render(text, literal=True)


def _is_drawing(text: str) -> bool:
    """Whether spaces or lines count in it: what Markdown would join or take for a list or a table.

    A fence says itself what is code, and a row of dashes between bars what is a table.
    """
    if _MARKED.search(text):
        return False
    return _DRAWN.search(text) is not None


def with_spans(pieces: Iterable[tuple[str, str, str]]) -> Markup:
    """Texts as they stand: each piece is a class, what its span stands for, and a text.

    A piece without a class gets no span.
    """
    html = "".join(
        f'<span class="{escape(name)}" data-raw="{escape(raw)}">{escape(text)}</span>'
        if name
        else escape(text)
        for name, raw, text in pieces
    )
    return Markup(html)  # noqa: S704 - all of it was escaped in the lines above


def with_source(html: Markup, text: str) -> Markup:
    """A Markdown text as HTML, and below it as it was written."""
    note = Markup("<p>As it was written, with what is not to be seen above:</p>")
    return html + note + plain(text)


def plain(text: str) -> Markup:
    """A text as it stands."""
    return Markup('<pre tabindex="0"><code>{}</code></pre>').format(text)
