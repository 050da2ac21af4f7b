"""Text to safe HTML: the only place that makes `Markup`, and all of it passes bleach.

A text that still grows is rendered by its finished parts: a part is a run of top-level Markdown
blocks that nothing written later can change, so each is rendered once and the cost grows with the
text and not with its square. A whole text goes through the same splitter, so history and the live
page come out alike. (The price: link definitions, which could change what is settled, are text.)
"""

from __future__ import annotations

import re
from typing import NamedTuple

from bleach.sanitizer import Cleaner
from markdown_it import MarkdownIt
from markupsafe import Markup

TAGS = frozenset(
    {"p", "br", "hr", "h1", "h2", "h3", "h4", "h5", "h6", "strong", "em", "s", "code", "pre"}
    | {"blockquote", "ul", "ol", "li", "a", "table", "thead", "tbody", "tr", "th", "td", "div"}
)
ATTRIBUTES = {
    "a": ["href", "title", "rel", "target"],
    "code": ["class"],
    "div": ["class", "tabindex"],
    "ol": ["start"],
    "td": ["class"],
    "th": ["class"],
}
PROTOCOLS = frozenset({"http", "https", "mailto"})

FENCE_LINES = 60
"""A longer fenced code block is cut into several parts, so that none grows without end."""

_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_LINE = re.compile(r"[^\r\n]*(?:\r\n?|\n)")
"""A line as Markdown has it: `str.splitlines` breaks at form feeds and the like, too."""

_ALIGN = re.compile(r' style="text-align:(left|right|center)"')

_parser = MarkdownIt("commonmark", {"html": False, "linkify": False, "breaks": False})
_parser.enable(["table", "strikethrough"]).disable(["image", "reference"])


class _Cleaners:
    """bleach's cleaner is made once: making it costs more than a short text."""

    html = Cleaner(tags=TAGS, attributes=ATTRIBUTES, protocols=PROTOCOLS, strip=True)


def render(text: str) -> Markup:
    """One Markdown text as safe HTML."""
    html = _parser.render(text)
    html = _ALIGN.sub(r' class="align-\1"', html)  # the page allows no inline style
    html = html.replace("<table>", '<div class="scroll" tabindex="0"><table>')
    html = html.replace("</table>", "</table></div>")
    html = html.replace("<a href=", '<a rel="noopener noreferrer" target="_blank" href=')
    return Markup(_Cleaners.html.clean(html))  # noqa: S704 - cleaned in this very line


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
        if self._html is None:
            self._html = render(self._text)
        return self._html

    def become(self, text: str, revision: int) -> None:
        if text != self._text:
            self._text, self._html, self.revision = text, None, revision


class GrowingMarkdown:
    """A Markdown text that grows at its end, as parts."""

    def __init__(self) -> None:
        self.parts: list[Part] = []
        self._tail = ""
        """The text behind the settled parts: all that later text may still change."""
        self._fence = ""
        """The opening line of the code block that the tail is inside of, if it was cut."""

    def append(self, text: str, revision: int) -> None:
        """Add `text`, which came with `revision`."""
        if not text:
            return
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
