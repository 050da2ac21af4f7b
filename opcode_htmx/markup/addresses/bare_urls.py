"""Find web addresses that stand in a text as they are. Takes time linear in the text.

Only http and https, and the addresses that development servers print without a scheme, such as
`localhost:5173`. The text of a link is its address: one that could be read as another (a user name
in it, a host that is not ASCII, an invisible character beside it) is no link, and neither is one
that is only a part (`http://localhost:${PORT}`, `https://example.org/…`).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import NamedTuple

from opcode_htmx.lib.late.patterns import late_pattern
from opcode_htmx.markup.invisible import INVISIBLE
from opcode_htmx.markup.spans import Span

LONGEST = 2_000
"""Characters; a longer address is no link."""
MOST = 500
"""Links in one text; further addresses stay text, which costs less."""

_HINTS = "://", "localhost:", "127.0.0.1:", "0.0.0.0:", "[::1]:"
"""A text without any of these holds no address."""
_START = late_pattern(
    r"(?P<scheme>https?://)|(?:localhost|127\.0\.0\.1|0\.0\.0\.0|\[::1\]):(?=[0-9])", re.IGNORECASE
)
_RUN = late_pattern(r"[!#$%&'()*+,\-./0-9:;=?@A-Z\[\]_a-z~]*+")
"""What an address may consist of, besides letters and digits beyond ASCII in its path."""
_HOST_END = late_pattern(r"[/?#]")
_HOST = late_pattern(
    r"(?:[a-z0-9_.-]{1,253}|\[[0-9a-f:.]{2,45}\])(?::([0-9]{1,5}))?", re.IGNORECASE
)
_PORT_END = late_pattern(r":[0-9]{1,5}")
_HIDDEN = late_pattern(f"[{INVISIBLE}]")

_TRAILING = frozenset("?!.,:;*_~'")
"""Punctuation that ends a sentence or emphasis rather than an address."""
_BRACKETS = {")": "(", "]": "["}
_LETTERS_BEFORE = {True: "+-._", False: "+-._/@:%$\\"}
"""ASCII characters, besides letters and digits, after which no address begins: one with a scheme,
and one without."""


class BareUrl(NamedTuple):
    """The place of an address in a text, and the address with its scheme."""

    start: int
    end: int
    address: str


def may_be_in(text: str) -> bool:
    """Whether a text may hold an address; quickly found out."""
    return any(hint in text for hint in _HINTS)


def find(text: str) -> Iterator[BareUrl]:
    """The first MOST addresses in a text, in their order."""
    if may_be_in(text):
        yield from islice(_all(text), MOST)


def _all(text: str) -> Iterator[BareUrl]:
    position = 0
    while start := _START.search(text, position):
        has_scheme = start["scheme"] is not None
        end, is_host = _run(text, start.end())
        found = _url(text, start.start(), end, has_scheme=has_scheme) if is_host else None
        if found:
            yield found
        # The rest of one that was refused is not looked at again
        position = found.end if found else end


def whole(text: str) -> str:
    """The address that a text consists of; empty if it is anything else."""
    first = next(find(text), None)
    return first.address if first and (first.start, first.end) == (0, len(text)) else ""


def split(text: str) -> Iterator[tuple[str, str]]:
    """The text in pieces: each with its address, which is empty for a piece that is no link."""
    position = 0
    for url in find(text):
        if url.start > position:
            yield "", text[position : url.start]
        yield url.address, text[url.start : url.end]
        position = url.end
    if position < len(text):
        yield "", text[position:]


def split_spans(spans: Sequence[Span]) -> Iterator[tuple[str, Sequence[Span]]]:
    """The same for coloured text; an address may extend over several spans."""
    text = "".join(span.text for span in spans)
    pieces = list(split(text))
    if len(pieces) <= 1:
        yield from ((address, spans) for address, _ in pieces)
        return
    rest = iter(spans)
    current = next(rest)
    for address, piece in pieces:
        inside: list[Span] = []
        missing = len(piece)
        while missing:
            taken = current.text[:missing]
            inside.append(Span(current.style, taken))
            missing -= len(taken)
            current = Span(current.style, current.text[len(taken) :])
            if not current.text:
                current = next(rest, current)
        yield address, [span for span in inside if span.text]


def _url(text: str, start: int, end: int, *, has_scheme: bool) -> BareUrl | None:
    if start and _continues(text[start - 1], has_scheme=has_scheme):
        return None
    if _is_unfinished(text, start, end):
        return None
    end = _without_trailing(text, start, end)
    shown = text[start:end]
    if not _has_host(shown.partition("://")[2] if has_scheme else shown):
        return None
    return BareUrl(start, end, shown if has_scheme else f"http://{shown}")


def _continues(before: str, *, has_scheme: bool) -> bool:
    """Whether an address cannot begin after this character."""
    if not before.isascii():
        return _HIDDEN.match(before) is not None
    return before.isalnum() or before in _LETTERS_BEFORE[has_scheme] or bool(_HIDDEN.match(before))


def _run(text: str, position: int) -> tuple[int, bool]:
    """The end of what may be an address, and whether its host may be one.

    Letters beyond ASCII belong to a path. After a port they are the next word of a language that is
    written without spaces; anywhere else in a host they could look like other ones.
    """
    end = _end_of_ascii(text, position)
    in_path = _HOST_END.search(text, position, end) is not None
    while end < len(text) and _is_letter(text[end]):
        if not in_path:
            colon = max(0, text.rfind(":", position - 1, end))
            return end, _PORT_END.fullmatch(text, colon, end) is not None
        end = _end_of_ascii(text, end + 1)
    return end, True


def _end_of_ascii(text: str, position: int) -> int:
    run = _RUN.match(text, position)
    return run.end() if run else position


def _is_letter(character: str) -> bool:
    """Whether this is a letter, a mark or a digit beyond ASCII, and is seen."""
    return (
        not character.isascii()
        and unicodedata.category(character)[0] in "LMN"
        and not _HIDDEN.match(character)
    )


def _is_unfinished(text: str, start: int, end: int) -> bool:
    """Whether the text continues in a way that makes the address a part of something else."""
    after = text[end : end + 1]
    if end - start > LONGEST or after in ("{", "…") or (after and _HIDDEN.match(after)):
        return True
    return text[end - 1] == ":" and bool(after) and not after.isspace()


def _without_trailing(text: str, start: int, end: int) -> int:
    """The end of an address without the punctuation and unbalanced brackets that follow it."""
    run = text[start:end]
    surplus = {close: run.count(close) - run.count(open_) for close, open_ in _BRACKETS.items()}
    while end > start:
        last = text[end - 1]
        if surplus.get(last, 0) > 0:
            surplus[last] -= 1
        elif last not in _TRAILING:
            break
        end -= 1
    return end


def _has_host(address: str) -> bool:
    """Whether an address without its scheme begins with a host, and a port if there is a colon."""
    end = _HOST_END.search(address)
    host = _HOST.fullmatch(address[: end.start()] if end else address)
    if host is None or (host[1] and not 0 < int(host[1]) < 65536):
        return False
    name = host[0].partition(":")[0] if host[0][0] != "[" else "a"
    return name[0].isalnum() and name[-1] not in "-." and ".." not in name
