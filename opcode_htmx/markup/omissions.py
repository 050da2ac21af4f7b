"""Find out whether rendered Markdown omits words of its source. Pure.

The target of a link, the words after a fence, and cells beyond the columns of a table are in the
source, but not on the page.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from markupsafe import Markup

from opcode_htmx.lib.late.patterns import late_pattern

_WORD = late_pattern(r"[^\W_]+")
_NUMBER = late_pattern(r"[0-9]{1,9}[.)](?: |$)")
_FENCE = late_pattern(r"(?:`{3,}|~{3,}) ?[\w+#.-]{0,20}")
_QUOTE_SIGNS = " \t>"
_CHECKBOXES = ("[ ]", "[x]", "[X]")


def omits_words(source: str, html: Markup) -> bool:
    """Whether `html` lacks a word of the Markdown `source` that it was made from."""
    shown = Counter(_WORD.findall(html.striptags()))
    written = Counter(word for line in _lines(source) for word in _WORD.findall(line))
    return any(count > shown[word] for word, count in written.items())


def _lines(source: str) -> Iterator[str]:
    """The lines without the signs that a page renders: quotes, fences, lists, checkboxes."""
    for line in source.split("\n"):
        text = line.strip(_QUOTE_SIGNS)
        if _FENCE.fullmatch(text):
            continue
        if number := _NUMBER.match(text):
            text = text[number.end() :]
        elif text[:2] in ("- ", "* ", "+ "):
            text = text[2:]
        yield text[3:] if text.startswith(_CHECKBOXES) else text
