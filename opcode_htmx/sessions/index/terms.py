"""The terms of the index: how a text is split into words, as it is stored and as it is searched."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from itertools import islice

from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.late.patterns import late_pattern
from opcode_htmx.markup import ansi

_CJK_LETTERS = (
    "\u2e80-\u2fdf\u3005-\u3007\u3021-\u3029\u3041-\u3096\u30a1-\u30fa\u30fc-\u30fe\u3400-\u4dbf"
    "\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff"
)
_CJK = late_pattern(f"([{_CJK_LETTERS}])")
"""Letters of writing without spaces: each is a word of its own, and words of them are phrases."""
_MARKS = "".join(
    chr(code) for code in range(0x300, 0x3000) if unicodedata.category(chr(code))[0] == "M"
)
"""Marks within words, such as the vowels of Devanagari, which `\\w` leaves out."""
_WORD = late_pattern(rf"[\w{re.escape(_MARKS)}]+")
_LETTER = rf"[^\W{_CJK_LETTERS}]"
"""A part of a word that is longer than a letter."""
_PART = late_pattern(r'"([^"]*)"?|([^\s"]+)')

SHORTEST_PREFIX = 3
"""Letters of a word that is not written to its end: FTS5 looks at all texts with such a word before
it returns the newest, and two letters begin a word in nearly half of all texts."""
_SYLLABLES = late_pattern(r"[\uac00-\ud7a3]{2,}")
"""Of Korean, whose words have endings: two are a whole word, and few words begin with them."""
LONGEST_QUERY = 200
"""Characters; the rest of a longer query is ignored."""


def plain(text: str) -> str:
    """A text as it is searched and shown: a terminal's output without its codes."""
    text = text.replace("\0", " ")
    return ansi.plain(text) if "\x1b" in text or "\b" in text else text


def separated(text: str) -> str:
    """A text as it is stored: the letters of writing without spaces stand apart."""
    return _CJK.sub(r" \1 ", text) if not text.isascii() else text


@dataclass(frozen=True, slots=True)
class Phrase:
    """Words that follow each other; of the last one the beginning is enough if `is_prefix`."""

    words: tuple[str, ...]
    is_prefix: bool


def phrases_of(query: str) -> list[Phrase]:
    """The phrases of a query, all of which a text must have.

    `two words` are two phrases; `"two words"` is one, and whole; the last word of a query, which
    may still be typed, and one with `*` are prefixes.
    """
    query = query[:LONGEST_QUERY]
    found = []
    for part in _PART.finditer(query):
        quoted, plain = part.group(1), part.group(2)
        given = _WORD.findall(separated(quoted if quoted is not None else plain))
        words = tuple(word for word in given if folded(word)[0])
        if not words:
            continue
        is_last = plain is not None and part.end() == len(query)
        is_prefix = is_last or (plain or "").endswith("*")
        found.append(Phrase(words, is_prefix and _may_be_prefix(words[-1])))
    return found


def _may_be_prefix(word: str) -> bool:
    return len(word) >= SHORTEST_PREFIX or _SYLLABLES.fullmatch(word) is not None


def match_of(phrases: Iterable[Phrase], facets: Iterable[str] = ()) -> str:
    """The FTS5 expression for phrases in the text and facets. No character of a query is syntax."""
    parts = [
        f'text : "{" ".join(phrase.words)}"{" *" if phrase.is_prefix else ""}' for phrase in phrases
    ]
    return " AND ".join([*parts, *facets])


def folded(text: str) -> tuple[str, list[int]]:
    """A text without case and marks, and for each character its place in `text`.

    No places where each character has the one that it has in `text`.
    """
    if text.isascii():
        return text.lower(), []
    table = {character: _folded(character) for character in set(text)}
    if all(len(each) == 1 for each in table.values()):  # ten times as fast
        return text.translate(str.maketrans(dict[str, str | int | None](table))), []
    pieces = [table[character] for character in text]
    places = [place for place, piece in enumerate(pieces) for _ in piece]
    return "".join(pieces), places


@lru_cache(maxsize=4096)
def _folded(character: str) -> str:
    given = unicodedata.normalize("NFD", character).casefold()
    return "".join(each for each in given if not unicodedata.combining(each))


@lru_cache(maxsize=64)
def pattern_of(phrase: Phrase) -> re.Pattern[str]:
    """Finds a phrase in a folded text; at most 20 signs are between two words."""
    words = [folded(word)[0] for word in phrase.words]
    gap = r"\W{0,20}+" if any(map(_CJK.fullmatch, phrase.words)) else r"\W{1,20}+"
    pattern = gap.join(map(re.escape, words))
    if not _CJK.match(phrase.words[0]):
        pattern = f"(?<!{_LETTER}){pattern}"
    if phrase.is_prefix:
        pattern += f"{_LETTER}{{0,60}}+"  # the whole word is marked
    elif not _CJK.match(phrase.words[-1]):
        pattern += f"(?!{_LETTER})"
    return re.compile(pattern)


class SearchedText:
    """A text that phrases are looked for in; it is folded once."""

    def __init__(self, text: str) -> None:
        self._folded, self._places = folded(text)

    def spans_of(self, phrases: Iterable[Phrase], most: int) -> list[tuple[int, int]]:
        """The places of the phrases, in order and without overlaps; `most` of each phrase."""
        places, found = self._places, []
        for phrase in phrases:
            for match in islice(pattern_of(phrase).finditer(self._folded), most):
                start, end = match.span()
                found.append((places[start], places[end - 1] + 1) if places else (start, end))
        spans: list[tuple[int, int]] = []
        for start, end in sorted(found):
            if not spans or start >= spans[-1][1]:
                spans.append((start, end))
        return spans


def spans_of(text: str, phrases: Iterable[Phrase], most: int) -> list[tuple[int, int]]:
    """The places of phrases in a text that is looked at once; see SearchedText."""
    return SearchedText(text).spans_of(phrases, most)
