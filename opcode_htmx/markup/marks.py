"""Insert marks into HTML around parts of its text, which may extend over several elements."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from html import unescape
from typing import NamedTuple

from markupsafe import Markup

from opcode_htmx.lib.late.patterns import late_pattern

_TAG = late_pattern(r"""<(/?)([A-Za-z][A-Za-z0-9-]*+)((?:[^<>"']++|"[^"]*+"|'[^']*+')*+)>""")
_CHARACTER = late_pattern(r"&[#0-9A-Za-z]{1,32};|.", re.DOTALL)
_INLINE = frozenset({"a", "b", "bdi", "code", "em", "s", "span", "strong"})
"""Elements that may begin or end within a word."""
_LEFT_OUT = frozenset({"button", "textarea"})
_UNSEEN = ('class="visually-hidden"', 'aria-hidden="true"')
"""In the attributes of elements whose text is not marked either."""


class Marks(NamedTuple):
    """Parts of a text, from and to a character, in order and without overlaps.

    `anchor` is the index of the one to be read first, or -1.
    """

    spans: Sequence[tuple[int, int]]
    anchor: int = 0


class _Piece(NamedTuple):
    """A part of HTML; `characters` are those of a text, as HTML, and empty for a tag."""

    html: str
    characters: Sequence[str]


class MarkableHtml:
    """HTML taken apart into its tags and its text."""

    def __init__(self, html: Markup) -> None:
        self.html = html
        self._pieces = list(_pieces(html))

    @cached_property
    def text(self) -> str:
        """The text in which marks have their places."""
        return "".join(_plain(each) for piece in self._pieces for each in piece.characters)

    def with_marks(self, marks: Marks, anchor_id: str) -> str:
        """The HTML in which `<mark>` surrounds parts of the text.

        The mark of the anchor gets the id `anchor_id`; if nothing is marked, an empty element at
        the beginning has it.
        """
        if not marks.spans and marks.anchor >= 0:
            tag = _TAG.match(self.html)
            inside = tag.end() if tag else 0
            return f'{self.html[:inside]}<span id="{anchor_id}"></span>{self.html[inside:]}'
        return "".join(_marked(self._pieces, marks, anchor_id))


def _marked(pieces: Iterable[_Piece], marks: Marks, anchor_id: str) -> list[str]:
    spans, number, start = marks.spans, 0, 0
    written = list[str]()
    for piece in pieces:
        if not piece.characters or not piece.html:  # a tag, or the end of a line
            written.append(piece.html)
            start += len(piece.characters)
            continue
        position, end = start, start + len(piece.characters)
        while number < len(spans) and spans[number][0] < end:
            first, last = max(spans[number][0], position), min(spans[number][1], end)
            if first < last:
                is_anchor = number == marks.anchor and first == spans[number][0]
                written += piece.characters[position - start : first - start]
                written.append(f'<mark id="{anchor_id}">' if is_anchor else "<mark>")
                written += [*piece.characters[first - start : last - start], "</mark>"]
                position = last
            if spans[number][1] > end:
                break  # the next piece contains more of it
            number += 1
        written += piece.characters[position - start :]
        start = end
    return written


def _pieces(html: str) -> Iterator[_Piece]:
    position, unseen = 0, ""
    while (start := html.find("<", position)) >= 0 and (tag := _TAG.match(html, start)):
        yield _text(html[position:start], unseen)
        yield _Piece(tag[0], ())
        position, name = tag.end(), tag[2].lower()
        if unseen:
            unseen = "" if tag[1] and name == unseen else unseen
        elif not tag[1] and (name in _LEFT_OUT or any(each in tag[3] for each in _UNSEEN)):
            unseen = name
        if name not in _INLINE:
            yield _Piece("", ("\n",))  # a word does not go on in the next paragraph
    rest = html[position:]
    # what is no tag after all is left as it is: to look for the next one could take very long
    yield _Piece(rest, ()) if "<" in rest else _text(rest, unseen)


def _text(html: str, unseen: str) -> _Piece:
    return _Piece(html, () if unseen else _CHARACTER.findall(html))


def _plain(character: str) -> str:
    return unescape(character)[:1] if len(character) > 1 else character
