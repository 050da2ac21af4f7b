"""Parser rules for links and images in Markdown: they keep absolute addresses, and those of files.

An absolute web address, or a mail address, becomes a link; a web address that stands in the text,
or is all of a piece of code, becomes one by itself. A path means a file of a project: where the
text has `Places`, they give the address of its page; elsewhere its text is shown, followed by the
path. Images are never loaded from elsewhere: they become links to their address, or text.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote

from opcode_htmx.lib.late.patterns import late_pattern
from opcode_htmx.markup.addresses import bare_urls, loopback
from opcode_htmx.markup.addresses.places import SAFE, Places, looks_like_file

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.rules_core import StateCore
    from markdown_it.rules_inline import StateInline
    from markdown_it.token import Token

_ABSOLUTE = late_pattern(r"https?://[^/\\?#\s]|mailto:.", re.IGNORECASE)
_LONGEST = 300
"""Characters; a longer address is shortened where it is shown as text."""


def is_absolute(address: str) -> bool:
    """Whether an address is an absolute http(s) URL or a mailto URL."""
    return _ABSOLUTE.match(address) is not None


def rewrite(state: StateCore) -> None:
    """The parser rule: replace links and images that have no absolute address."""
    places: Places | None = state.env.get("places")
    for token in state.tokens:
        if any(child.type in ("link_open", "image") for child in token.children or ()):
            token.children = list(_rewritten(token.children or (), state.md, places))


def link_files(state: StateCore) -> None:
    """The parser rule: make a link of a piece of code that is the path of a file."""
    places: Places | None = state.env.get("places")
    if places is None:
        return
    for token in state.tokens:
        if token.children and "`" in token.content:
            token.children = list(_with_file_links(token.children, places))


def _with_file_links(children: Sequence[Token], places: Places) -> Iterator[Token]:
    is_inside = False
    for child in children:
        if child.type in ("link_open", "link_close"):
            is_inside = child.type == "link_open"
        is_file = child.type == "code_inline" and not is_inside and looks_like_file(child.content)
        if is_file and (address := places.link(quote(child.content, safe=SAFE))):
            yield from _file_link(address, child)
        else:
            yield child


def _opening(address: str) -> Token:
    opening = _token("link_open", "a", 1)
    opening.attrSet("class", "file-link")
    opening.attrSet("href", address)
    return opening


def _file_link(address: str, shown: Token) -> Iterator[Token]:
    yield _opening(address)
    yield shown
    yield _token("link_close", "a", -1)


def keep_together(state: StateInline, silent: bool) -> bool:
    """The parser rule: `_`, `*` and `~` within a bare address are no emphasis."""
    if state.src[state.pos] not in "_*~":
        return False
    known = state.env.get("urls")
    if known is None or known[0] is not state.src:
        urls = [*bare_urls.find(state.src)]
        known = state.src, [url.start for url in urls], [url.end for url in urls]
        state.env["urls"] = known
    _, starts, ends = known
    number = bisect_left(starts, state.pos) - 1
    if number < 0 or state.pos >= ends[number]:
        return False
    if not silent:
        state.pending += state.src[state.pos]
    state.pos += 1
    return True


def link_bare_urls(state: StateCore) -> None:
    """The parser rule: make links of bare addresses, and say which lead to this computer."""
    for token in state.tokens:
        if token.children and bare_urls.may_be_in(token.content):
            token.children = list(_with_links(token.children, state.md))


def _with_links(children: Sequence[Token], parser: MarkdownIt) -> Iterator[Token]:
    is_inside = False
    for child in children:
        if child.type in ("link_open", "link_close"):
            is_inside = child.type == "link_open"
            if is_inside and loopback.is_loopback(_address(child, "href")):
                child.attrs.setdefault("title", loopback.TITLE)
        if child.type == "text" and not is_inside:
            for address, text in bare_urls.split(child.content):
                yield from _link(address, _text(text), parser) if address else (_text(text),)
        elif child.type == "code_inline" and not is_inside:
            address = bare_urls.whole(child.content)
            yield from _link(address, child, parser) if address else (child,)
        else:
            yield child


def _link(address: str, shown: Token, parser: MarkdownIt) -> Iterator[Token]:
    opening = _token("link_open", "a", 1, attrs={"href": parser.normalizeLink(address)})
    opening.attrSet("dir", "ltr")
    if loopback.is_loopback(address):
        opening.attrSet("title", loopback.TITLE)
    yield opening
    yield shown
    yield _token("link_close", "a", -1)


def _rewritten(
    children: Sequence[Token], parser: MarkdownIt, places: Places | None
) -> Iterator[Token]:
    opening: Token | None = None
    label = file = ""
    for child in children:
        match child.type:
            case "link_open":
                opening, label, file = child, "", ""
                if _is_absolute(child, "href"):
                    yield child
                elif places and (file := places.link(_address(child, "href"))):
                    yield _opening(file)
            case "link_close" if opening is not None:
                if _is_absolute(opening, "href") or file:
                    yield child
                else:
                    yield from _path(opening, "href", label, parser)
                opening = None
            case "image":
                alt = _text_of(child.children or ()) or "image"
                label += alt
                yield from _image(child, alt, parser, places, opening is not None)
            case _:
                label += _text_of((child,))
                yield child


def _image(
    image: Token, alt: str, parser: MarkdownIt, places: Places | None, is_in_link: bool
) -> Iterator[Token]:
    address = _address(image, "src")
    if places and not is_absolute(address) and (own := places.image(address)):
        shown = _token("image", "img", 0, children=[_text(alt)], content=alt)
        for name, value in (("src", own), ("alt", ""), ("loading", "lazy")):
            shown.attrSet(name, value)
        yield shown
        return
    if is_in_link:
        yield _text(alt)
        return
    if not is_absolute(address):
        if places and (file := places.link(address)):
            yield from _file_link(file, _text(alt))
            return
        yield _text(alt)
        yield from _path(image, "src", alt, parser)
        return
    opening = _token("link_open", "a", 1, attrs={"href": _address(image, "src")})
    if title := _address(image, "title"):
        opening.attrSet("title", title)
    yield opening
    yield _text(alt)
    yield _token("link_close", "a", -1)


def _path(token: Token, attribute: str, label: str, parser: MarkdownIt) -> Iterator[Token]:
    """The target of a removed link in brackets, unless its text is the same."""
    path = parser.normalizeLinkText(_address(token, attribute))
    title = _address(token, "title")
    if (path == label or path.startswith("#") or not path) and not title:
        return
    shown = f'{path} "{title}"' if title else path
    yield _text(" (")
    yield _token("code_inline", "code", 0, markup="`", content=_shortened(shown))
    yield _text(")")


def _is_absolute(token: Token, attribute: str) -> bool:
    return is_absolute(_address(token, attribute))


def _address(token: Token, attribute: str) -> str:
    return str(token.attrGet(attribute) or "")


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _text(content: str) -> Token:
    return _token("text", "", 0, content=content)


def _text_of(tokens: Sequence[Token]) -> str:
    breaks = {"softbreak": "\n", "hardbreak": "\n"}
    return "".join(
        _text_of(token.children or ())
        if token.type == "image"
        else breaks.get(token.type, token.content)
        for token in tokens
    )


def _token(kind: str, tag: str, nesting: Literal[-1, 0, 1], **more: Any) -> Token:
    # Imported with the first text, as every start imports this module
    from markdown_it.token import Token

    return Token(kind, tag, nesting, **more)
