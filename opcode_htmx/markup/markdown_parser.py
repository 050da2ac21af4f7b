"""The Markdown parser: CommonMark with tables and task lists, without HTML, and with limits.

Its library is imported with the first text, as every start imports this module.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, MutableMapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from opcode_htmx.lib.late.patterns import late_pattern
from opcode_htmx.markup import highlight
from opcode_htmx.markup.addresses import bare_urls, loopback, rules
from opcode_htmx.markup.addresses.places import Places
from opcode_htmx.markup.spans import Span

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.renderer import RendererProtocol
    from markdown_it.rules_block import StateBlock
    from markdown_it.rules_core import StateCore
    from markdown_it.token import Token
    from markdown_it.utils import OptionsDict

FENCE_LINES = 60
"""Lines; a longer fenced code block is split into parts, so that no part grows without limit."""

MOST_COLUMNS = 100
"""A table with more columns is shown as its source: nobody could read it as a table."""
MOST_MISSING = 200
"""Cells that the rows of a table may lack; a row of one character would become a full row."""

_LINE_END = late_pattern(r"(\r\n?|\n)")


def _any_link(url: str) -> bool:
    """Accept any address as a link: `rules.rewrite` handles them."""
    return True


def commonmark() -> MarkdownIt:
    """A parser for CommonMark with tables and strikethrough, without HTML and link definitions."""
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark", {"html": False, "linkify": False, "breaks": False})
    parser.validateLink = _any_link  # type: ignore[method-assign]
    parser.block.ruler.at("table", _bounded_table, {"alt": ["paragraph", "reference"]})
    return parser.enable(["table", "strikethrough"]).disable(["reference"])


def _bounded_table(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """The library's rule, for tables of at most MOST_COLUMNS, up to MOST_MISSING missing cells."""
    from markdown_it.rules_block import table

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
    """Whether this may be the delimiter row, below the header of a table."""
    return "-" in line and not line.strip("|-: \t\r\n>")


def is_wide_table(head: str, below: str) -> bool:
    """Whether two lines begin a table of more than MOST_COLUMNS."""
    return head.count("|") > MOST_COLUMNS and _is_delimiter(below)


_HAS_DIRECTION = frozenset({"blockquote_open", "list_item_open", "th_open", "td_open"})
_HAS_DIRECTION_OUTSIDE = frozenset({"paragraph_open", "heading_open"})
"""Only at the top level: elsewhere it would hide the text from the element around it, which takes
its direction from the first letter."""
_RIGHT_TO_LEFT = frozenset({"R", "AL"})


def _directions(state: StateCore) -> None:
    """Let each paragraph, heading, item and cell be written in its own direction.

    The columns of a table follow the first letter of its header.
    """
    table: Token | None = None
    for token in state.tokens:
        if token.type in _HAS_DIRECTION or (
            token.type in _HAS_DIRECTION_OUTSIDE and token.level == 0
        ):
            token.attrSet("dir", "auto")
        elif token.type == "table_open":
            table = token
        elif table and token.type == "inline" and (direction := _direction(token.content)):
            if direction in _RIGHT_TO_LEFT:
                table.attrSet("dir", "rtl")
            table = None


WIDE, WIDER = 15, 60
"""Characters; a column with a longer cell than these has a width at which it can still be read."""


def _columns(state: StateCore) -> None:
    """Say by classes how the cells of each column are aligned, and how wide it has to be.

    The page allows no inline style. The class of a header counts for its whole column.
    """
    headers: list[Token] = []
    longest: list[int] = []
    column = 0
    for number, token in enumerate(state.tokens):
        match token.type:
            case "table_open":
                headers, longest = [], []
            case "tr_open":
                column = 0
            case "th_open" | "td_open":
                if style := token.attrs.pop("style", ""):
                    token.attrJoin("class", str(style).replace("text-align:", "align-"))
                if token.type == "th_open":
                    headers.append(token)
                    longest.append(0)
                longest[column] = max(longest[column], len(state.tokens[number + 1].content))
                column += 1
            case "table_close":
                for header, length in zip(headers, longest, strict=True):
                    if length > WIDE:
                        header.attrJoin("class", "wider" if length > WIDER else "wide")


def _direction(text: str) -> str:
    """The bidirectional class of the first letter; empty if there is none."""
    classes = (unicodedata.bidirectional(each) for each in text)
    return next((each for each in classes if each in ("L", "R", "AL")), "")


_NOT_IN_ANCHOR = late_pattern(r"[^\w\- ]")


def anchor_of(heading: str) -> str:
    """The id of a heading, as the usual renderers of Markdown derive it, behind `h-`."""
    return "h-" + _NOT_IN_ANCHOR.sub("", heading.strip().lower())[:200].replace(" ", "-")


def _anchors(state: StateCore) -> None:
    """Give headings ids, in texts whose links to them work.

    They go down by a level: the first heading of the page is the name of the file.
    """
    places: Places | None = state.env.get("places")
    if places is None or not places.has_anchors:
        return
    seen: dict[str, int] = {}
    for number, token in enumerate(state.tokens):
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(6, int(token.tag[1:]) + 1)}"
        if token.type == "heading_open":
            inside = state.tokens[number + 1].children or ()
            anchor = anchor_of("".join(each.content for each in inside))
            count = seen[anchor] = seen.get(anchor, -1) + 1
            token.attrSet("id", f"{anchor}-{count}" if count else anchor)


_TASK = late_pattern(r"\[([ xX])\] +")
_CHECKBOX_HTML = '<span class="check"><span class="visually-hidden" dir="ltr">{}</span></span> '


def _tasks(state: StateCore) -> None:
    """Give list items that begin with `[ ]` or `[x]` a checkbox that can be seen and heard."""
    from markdown_it.token import Token

    tokens = state.tokens
    for item, paragraph, inline in zip(tokens, tokens[1:], tokens[2:], strict=False):
        first = inline.children[0] if inline.children else None
        if (item.type, paragraph.type) != ("list_item_open", "paragraph_open") or first is None:
            continue
        task = _TASK.match(first.content) if first.type == "text" else None
        if task and (task.end() < len(first.content) or len(inline.children or []) > 1):
            done = task[1] != " "
            item.attrSet("class", "task done" if done else "task")
            checkbox = Token("checkbox", "", 0, content="Done:" if done else "To do:")
            first.content = first.content[task.end() :]
            inline.children = [checkbox, *(inline.children or [])]


def _checkbox(
    self: RendererProtocol, tokens: Sequence[Token], index: int, options: OptionsDict, env: Any
) -> str:
    return _CHECKBOX_HTML.format(tokens[index].content)


def _code(
    self: RendererProtocol, tokens: Sequence[Token], index: int, options: OptionsDict, env: Any
) -> str:
    """A code block, highlighted once it is complete: a growing one is rendered many times."""
    token = tokens[index]
    language = token.info.split(maxsplit=1)[0] if token.info.strip() else ""
    shown = highlight.code(token.content, language if language and _is_complete(token, env) else "")
    coloured = linked(shown.spans)
    name = f' class="language-{escape(language)}"' if language else ""
    note = f"<p><em>{shown.note}</em></p>\n" if shown.note else ""
    return f'<pre dir="ltr" tabindex="0"><code{name}>{coloured}</code></pre>\n{note}'


def linked(spans: Sequence[Span]) -> str:
    """The HTML of coloured code, with links."""
    pieces = bare_urls.split_spans(spans)
    return "".join(
        _link(address, _spans(each)) if address else _spans(each) for address, each in pieces
    )


def _link(address: str, html: str) -> str:
    title = f' title="{loopback.TITLE}"' if loopback.is_loopback(address) else ""
    return f'<a href="{escape(address)}" dir="ltr"{title}>{html}</a>'


def _spans(spans: Iterable[Span]) -> str:
    return "".join(_span(style, escape(part, quote=False)) for style, part in spans)


def _inline_code(
    self: RendererProtocol, tokens: Sequence[Token], index: int, options: OptionsDict, env: Any
) -> str:
    return f'<code dir="ltr">{escape(tokens[index].content, quote=False)}</code>'


def _span(style: str, html: str) -> str:
    return f'<span class="{style}">{html}</span>' if style else html


def _is_complete(token: Token, env: MutableMapping[str, Any]) -> bool:
    """Whether no later text can be part of this code: its fence is closed, or it was split."""
    begin, end = token.map or (0, 0)
    last = env["lines"][end - 1].strip(" >\t\r\n") if end - begin > 1 else ""
    closed = len(last) >= len(token.markup) and set(last) == {token.markup[0]}
    return closed or end - begin > FENCE_LINES


def page_parser() -> MarkdownIt:
    """A parser that also renders task lists, restricted links and highlighted code."""
    parser = commonmark()
    parser.core.ruler.push("tasks", _tasks)
    parser.core.ruler.push("addresses", rules.rewrite)
    parser.core.ruler.push("bare_urls", rules.link_bare_urls)
    parser.core.ruler.push("files", rules.link_files)
    parser.core.ruler.push("anchors", _anchors)
    parser.core.ruler.push("directions", _directions)
    parser.core.ruler.push("columns", _columns)
    parser.inline.ruler.before("strikethrough", "bare_urls", rules.keep_together)
    parser.add_render_rule("checkbox", _checkbox)
    parser.add_render_rule("code_inline", _inline_code)
    parser.add_render_rule("code_block", _code)
    parser.add_render_rule("fence", _code)
    return parser


def lines_of(text: str) -> list[str]:
    """The lines of a text, each with its line end, as CommonMark splits them.

    `str.splitlines` also splits at form feeds and the like.
    """
    pieces = [*_LINE_END.split(text), ""]
    lines = ["".join(line) for line in zip(pieces[::2], pieces[1::2], strict=True)]
    return lines if lines[-1] else lines[:-1]
