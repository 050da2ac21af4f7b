"""The vectors of the corpus, and the marks that identify an injected one.

Every vector tries to call `canary()`, to fetch from `canary.invalid` or `/canary`, or to leave an
element or an attribute `x-canary`. What a page makes of it is for `inspection.py` to judge.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from itertools import cycle
from pathlib import Path

WORD = re.compile("[A-Za-z0-9]+")


@dataclass(frozen=True, slots=True)
class Vector:
    """One text of the corpus, of one kind."""

    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Plant:
    """A vector that goes through a channel. `number` distinguishes it from all others of a run."""

    number: int
    vector: Vector

    @property
    def begin(self) -> str:
        return f"k{self.number}a"

    @property
    def end(self) -> str:
        return f"k{self.number}z"

    @property
    def block(self) -> str:
        """The vector on lines of its own, between its marks."""
        return f"{self.begin}\n\n{self.vector.text}\n\n{self.end}"

    @property
    def line(self) -> str:
        """The vector between its marks."""
        return f"{self.begin} {self.vector.text} {self.end}"

    @property
    def bare(self) -> str:
        """The vector at the very beginning, so that it is what an address or a path begins with."""
        return f"{self.vector.text}{self.end}"


@cache
def vectors() -> tuple[Vector, ...]:
    """All of them, in the order of the file."""
    data = json.loads((Path(__file__).parent / "vectors.json").read_text(encoding="utf-8"))
    return tuple(Vector(kind, text) for kind, texts in data.items() for text in texts)


def rotation(count: int) -> list[Vector]:
    """`count` vectors, which begin again when all have had their turn."""
    return [vector for vector, _ in zip(cycle(vectors()), range(count), strict=False)]


def words_of(text: str) -> list[str]:
    return WORD.findall(text)


def holds(words: list[str], text: str) -> bool:
    """Whether the words stand in the text in this order, whatever stands between them."""
    at = 0
    for word in words:
        at = text.find(word, at)
        if at < 0:
            return False
        at += len(word)
    return True
