"""Sanitize HTML that was made of untrusted text: only known tags, attributes and addresses remain.

All of it passes bleach, except for HTML of nothing but words and harmless tags.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from opcode_htmx.lib.late.patterns import late_pattern
from opcode_htmx.markup.addresses import rules

if TYPE_CHECKING:
    from bleach.sanitizer import Cleaner

TAGS = frozenset(
    {"p", "br", "hr", "h1", "h2", "h3", "h4", "h5", "h6", "strong", "em", "s", "code", "pre"}
    | {"blockquote", "ul", "ol", "li", "a", "table", "thead", "tbody", "tr", "th", "td", "div"}
    | {"span", "img"}
)
_OF_LINKS = frozenset({"dir", "rel", "target", "title"})
_OF_FILE = late_pattern(
    r"\?file=[\w.~%/:+-]+"
    r"|(?:/[\w.~%-]+){1,4}/files/(?:open|raw)\?path=[\w.~%/:+-]+(?:#h-[\w%-]+)?"
    r"|#h-[\w%-]+",
    re.ASCII,
)
"""The addresses of files that `Places` give."""


def _link_attribute(tag: str, name: str, value: str) -> bool:
    """Whether a link may have an attribute; its address must be absolute, or that of a file.

    bleach would accept addresses without a protocol, such as `//host`.
    """
    if name == "href":
        return rules.is_absolute(value) or _OF_FILE.fullmatch(value) is not None
    return name in _OF_LINKS or (name, value) == ("class", "file-link")


def _image_attribute(tag: str, name: str, value: str) -> bool:
    """Whether an image may have an attribute; only images of a project are loaded."""
    if name == "src":
        return _OF_FILE.fullmatch(value) is not None
    return name == "alt" or (name, value) == ("loading", "lazy")


def _heading_attribute(tag: str, name: str, value: str) -> bool:
    return name == "dir" or (name == "id" and value.startswith("h-"))


_HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")
ATTRIBUTES: dict[str, list[str] | Callable[[str, str, str], bool]] = {
    "a": _link_attribute,
    "img": _image_attribute,
    **dict.fromkeys(_HEADINGS, _heading_attribute),
    "blockquote": ["dir"],
    "code": ["class", "dir"],
    "div": ["class", "tabindex"],
    **dict.fromkeys(("p", "table"), ["dir"]),
    "li": ["class", "dir"],
    "ol": ["start"],
    "pre": ["dir", "tabindex"],
    "span": ["class", "dir"],
    "td": ["class", "dir"],
    "th": ["class", "dir"],
}
PROTOCOLS = frozenset({"http", "https", "mailto"})

_cleaners: list[Cleaner] = []
"""A pool of unused cleaners: making one costs more than cleaning a short text, and a cleaner can
only clean one text at a time."""


def _new_cleaner() -> Cleaner:
    # Imported late: the library takes 20 ms of the start
    from bleach.sanitizer import Cleaner

    return Cleaner(tags=TAGS, attributes=ATTRIBUTES, protocols=PROTOCOLS, strip=True)


def prepare() -> None:
    """Load what the first text needs."""
    _cleaners.append(_new_cleaner())


def sanitized(html: str) -> str:
    """The HTML without anything that could act or load; its links open pages of their own."""
    if _is_bare(html):
        return html
    return _clean(html.replace("<a href=", '<a rel="noopener noreferrer" target="_blank" href='))


def _clean(html: str) -> str:
    try:
        cleaner = _cleaners.pop()
    except IndexError:
        cleaner = _new_cleaner()
    safe: str = cleaner.clean(html)
    _cleaners.append(cleaner)
    return safe


_BARE_TAG = late_pattern(
    r"<(?:/?(p|em|strong|s|code|blockquote|ul|ol|li|h[1-6]|table|thead|tbody|tr)"
    r"|/(pre|span|div|t[hd]|a)"
    r"|(a) class=\"file-link\" href=\"\?file=[a-zA-Z0-9_.~%/:-]{1,3000}\""
    r"|(p|blockquote|li|h[1-6]) dir=\"auto\""
    r"|(t[hd]) dir=\"auto\"(?: class=\"[a-z -]{1,40}\")?"
    r"|(code|table) dir=\"(?:ltr|rtl)\""
    r"|(pre) dir=\"ltr\" tabindex=\"0\""
    r"|(code) class=\"language-[a-z0-9+#.-]{1,40}\""
    r"|(span) class=\"[a-z]\""
    r"|(div) class=\"scroll\" tabindex=\"0\")>"
)
"""Tags of ours, each just as this program writes it."""
_BARE_TEXT = late_pattern(
    r"(?:[^<>&\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]|&(?:amp|lt|gt|quot);)*+"
)


def _is_bare(html: str) -> bool:
    """Whether this is text and a few kinds of tags, properly nested, with harmless attributes.

    bleach does not change such HTML, and takes ten times as long to find that out; most text that
    arrives while a page is open is of this kind.
    """
    open_tags: list[str] = []
    position = 0
    while (text := _BARE_TEXT.match(html, position)) and text.end() < len(html):
        tag = _BARE_TAG.match(html, text.end())
        if tag is None:
            return False
        name = tag[tag.lastindex or 0]
        if not tag[0].startswith("</"):
            open_tags.append(name)
        elif not open_tags or open_tags.pop() != name:
            return False
        position = tag.end()
    return not open_tags
