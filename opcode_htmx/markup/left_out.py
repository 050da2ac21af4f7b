"""Whether Markdown, as a page shows it, leaves out words of its source. Pure.

The target of a link, the words behind a fence, and what does not fit into a table are part of the
text and not of the page.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from markupsafe import Markup

_WORD = re.compile(r"[^\W_]+")
_NUMBER = re.compile(r"[0-9]{1,9}[.)](?: |$)")
_FENCE = re.compile(r"(?:`{3,}|~{3,}) ?[\w+#.-]{0,20}")
_MARKS = " \t>"
_CHECKS = ("[ ]", "[x]", "[X]")


def leaves_out(source: str, html: Markup) -> bool:
    """Whether `html` lacks a word of the Markdown `source` that it was made from."""
    shown = Counter(_WORD.findall(html.striptags()))
    written = Counter(word for line in _lines(source) for word in _WORD.findall(line))
    return any(count > shown[word] for word, count in written.items())


def _lines(source: str) -> Iterator[str]:
    """The lines without the marks that a page shows in its own way."""
    for line in source.split("\n"):
        text = line.strip(_MARKS)
        if _FENCE.fullmatch(text):
            continue
        if number := _NUMBER.match(text):
            text = text[number.end() :]
        elif text[:2] in ("- ", "* ", "+ "):
            text = text[2:]
        yield text[3:] if text.startswith(_CHECKS) else text
