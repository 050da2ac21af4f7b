"""Text to safe HTML: the only place that makes `Markup`, and all of it passes bleach, except for
what has nothing in it but words and harmless tags without attributes.

A text that still grows is rendered by its finished parts: a part is a run of top-level Markdown
blocks that nothing written later can change, so each is rendered once and the cost grows with the
text and not with its square. A whole text goes through the same splitter, so history and the live
page come out alike. (The price: link definitions, which could change what is settled, are text.)
"""

from __future__ import annotations

import re
from collections.abc import MutableMapping, Sequence
from html import escape
from typing import Any, NamedTuple

from bleach.sanitizer import Cleaner
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererProtocol
from markdown_it.rules_core import StateCore
from markdown_it.token import Token
from markdown_it.utils import OptionsDict
from markupsafe import Markup

from ..hub import work_aside
from . import highlight

TAGS = frozenset(
    {"p", "br", "hr", "h1", "h2", "h3", "h4", "h5", "h6", "strong", "em", "s", "code", "pre"}
    | {"blockquote", "ul", "ol", "li", "a", "table", "thead", "tbody", "tr", "th", "td", "div"}
    | {"span"}
)
ATTRIBUTES = {
    "a": ["href", "title", "rel", "target"],
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
SHORT = 2_000
"""Characters of a text that is rendered in a few milliseconds, whatever is in it."""
LONGEST = 100_000
"""Characters of one text that are Markdown."""
PLAIN_PIECE, MOST_PLAIN = 20_000, 200_000
"""Of what is longer: the characters in one piece, and how many are shown at all."""

_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_LINE = re.compile(r"[^\r\n]*(?:\r\n?|\n)")
"""A line as Markdown has it: `str.splitlines` breaks at form feeds and the like, too."""

_ALIGN = re.compile(r' style="text-align:(left|right|center)"')

_parser = MarkdownIt("commonmark", {"html": False, "linkify": False, "breaks": False})
_parser.enable(["table", "strikethrough"]).disable(["image", "reference"])

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
    spans = highlight.code(token.content, language if _is_whole(token, env) else "")
    coloured = (_span(style, escape(part, quote=False)) for style, part in spans)
    name = f' class="language-{escape(language)}"' if language else ""
    return f'<pre tabindex="0"><code{name}>{"".join(coloured)}</code></pre>\n'


def _span(style: str, html: str) -> str:
    return f'<span class="{style}">{html}</span>' if style else html


def _is_whole(token: Token, env: MutableMapping[str, Any]) -> bool:
    """Whether later text cannot be part of this code: its fence is closed, or it was cut."""
    begin, end = token.map or (0, 0)
    last = env["lines"][end - 1].strip(" >\t\r\n") if end - begin > 1 else ""
    closed = len(last) >= len(token.markup) and set(last) == {token.markup[0]}
    return closed or end - begin > FENCE_LINES


_parser.core.ruler.push("tasks", _tasks)
_parser.add_render_rule("task_mark", _task_mark)
_parser.add_render_rule("fence", _code)


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


def render(text: str) -> Markup:
    """One Markdown text as safe HTML. Others have their turn while it is a long one."""
    return _render(text) if len(text) <= SHORT else work_aside(_render, text)


def _render(text: str) -> Markup:
    html = _parser.render(text, {"lines": _LINE.findall(text + "\n")})
    if _is_bare(html):
        return Markup(html)  # noqa: S704 - there is nothing to clean
    html = _ALIGN.sub(r' class="align-\1"', html)  # the page allows no inline style
    html = html.replace("<table>", '<div class="scroll" tabindex="0"><table>')
    html = html.replace("</table>", "</table></div>")
    html = html.replace("<a href=", '<a rel="noopener noreferrer" target="_blank" href=')
    return _clean(html)


class Part:
    """A piece of a growing text: rendered when it is asked for, and again only when it changed."""

    __slots__ = ("_html", "_text", "revision")

    def __init__(self, text: str, revision: int) -> None:
        self._text = text
        self._html: Markup | None = None
        self.revision = revision

    @property
    def text(self) -> str:
        return self._text

    @property
    def html(self) -> Markup:
        html = self._html
        if html is None:
            text = self._text
            html = render(text)
            if text == self._text:  # it may have grown meanwhile
                self._html = html
        return html

    def become(self, text: str, revision: int) -> None:
        if text != self._text:
            self._text, self._html, self.revision = text, None, revision


class PlainPart(Part):
    """A piece that is shown as it stands."""

    __slots__ = ()

    @property
    def html(self) -> Markup:
        if self._html is None:
            self._html = Markup('<pre tabindex="0"><code>{}</code></pre>').format(self._text)
        return self._html


class GrowingMarkdown:
    """A Markdown text that grows at its end, as parts.

    No answer is as long as LONGEST, but a line may be: reading it as Markdown would hold up the
    whole server. What is longer is plain from there on, and in the end only counted.
    """

    def __init__(self) -> None:
        self.parts: list[Part] = []
        self._length = 0
        self._tail = ""
        """The text behind the settled parts: all that later text may still change."""
        self._fence = ""
        """The opening line of the code block that the tail is inside of, if it was cut."""

    def append(self, text: str, revision: int) -> None:
        """Add `text`, which came with `revision`."""
        room = max(0, LONGEST - self._length)
        if marked := text[:room]:
            self._append_markdown(marked, revision)
        if plain := text[room:]:
            self._append_plain(plain, max(0, self._length - LONGEST), revision)
        self._length += len(text)

    def _append_plain(self, text: str, place: int, revision: int) -> None:
        """Add `text`, which stands `place` characters behind the longest text that is Markdown."""
        shown, left_out = text[: max(0, MOST_PLAIN - place)], place + len(text) - MOST_PLAIN
        while shown:
            if place % PLAIN_PIECE == 0:
                self.parts.append(PlainPart("", revision))
            piece = shown[: PLAIN_PIECE - place % PLAIN_PIECE]
            self.parts[-1].become(self.parts[-1].text + piece, revision)
            shown, place = shown[len(piece) :], place + len(piece)
        if left_out > 0:
            if place == MOST_PLAIN:
                self.parts.append(Part("", revision))
            note = f"*{left_out:,} characters more are in the session’s export as JSONL.*"
            self.parts[-1].become(note, revision)

    def _append_markdown(self, text: str, revision: int) -> None:
        if not self.parts:
            self.parts.append(Part("", revision))
        self._tail += text
        # Only a whole line settles anything: "#" may become a heading, or "#1 is broken".
        if "\n" in text:
            while self._settle(revision):
                pass
        # The end of code that was cut there is no code of its own
        ended = not self._tail or _closing_line(self._fence, [self._tail]) == 0
        self.parts[-1].become("" if self._fence and ended else self._fence + self._tail, revision)

    def _settle(self, revision: int) -> bool:
        """Make parts of what no later text can change; whether there may be more of it."""
        lines = _LINE.findall(self._tail[: self._tail.rfind("\n") + 1])
        if self._fence:
            return self._settle_code(lines, revision)
        blocks = _top_level_blocks(lines)
        taken = 0
        for block in blocks:
            if _is_long_fence(lines[block.opening : block.end], block):
                cut = block.opening + 1 + FENCE_LINES
                self._take("".join(lines[taken:cut]), revision)
                self._fence = lines[block.opening]
                return True
            if block is not blocks[-1]:
                self._take("".join(lines[taken : block.end]), revision)
                taken = block.end
        return False

    def _settle_code(self, lines: list[str], revision: int) -> bool:
        closing = _closing_line(self._fence, lines[:FENCE_LINES])
        if closing is None and len(lines) < FENCE_LINES:
            return False
        if closing == 0:
            self._tail = self._tail[len(lines[0]) :]
        else:
            self._take("".join(lines[: FENCE_LINES if closing is None else closing + 1]), revision)
        if closing is not None:
            self._fence = ""
        return True

    def _take(self, text: str, revision: int) -> None:
        """Settle `text`, the beginning of the tail, and open the next part."""
        self.parts[-1].become(self._fence + text, revision)
        self.parts.append(Part("", revision))
        self._tail = self._tail[len(text) :]


class _Block(NamedTuple):
    """A top-level block: the line that opens it, and the line at which the next one begins."""

    opening: int
    end: int
    type: str


def _top_level_blocks(lines: list[str]) -> list[_Block]:
    tokens = [t for t in _parser.parse("".join(lines)) if t.level == 0 and t.map and t.nesting >= 0]
    if not tokens:
        return []
    openings = [token.map[0] for token in tokens if token.map]
    ends = [*openings[1:], len(lines)]
    return [_Block(*each) for each in zip(openings, ends, (t.type for t in tokens), strict=True)]


def _is_long_fence(lines: list[str], block: _Block) -> bool:
    return (
        block.type == "fence"
        and len(lines) > FENCE_LINES
        and _closing_line(lines[0], lines[1 : 1 + FENCE_LINES]) is None
    )


def _closing_line(opening: str, lines: list[str]) -> int | None:
    """The number of the line that closes the fence which `opening` opens."""
    fence = _FENCE.match(opening)
    if fence is None:
        return None
    closing = re.compile(rf" {{0,3}}{re.escape(fence[1])}{re.escape(fence[1][0])}*[ \t]*$")
    return next((number for number, line in enumerate(lines) if closing.match(line)), None)
