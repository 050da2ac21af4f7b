"""Text in colours: a row of spans, each with the class that a stylesheet knows it by."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple


class Span(NamedTuple):
    """A stretch of text that looks alike; `style` is a class of the page, or empty."""

    style: str
    text: str


def merge(spans: Iterable[Span]) -> tuple[Span, ...]:
    """The same text with as few spans as it takes."""
    shown = (span for span in spans if span.text)
    alike = groupby(shown, key=attrgetter("style"))
    return tuple(Span(style, "".join(span.text for span in group)) for style, group in alike)
