"""Text in colours: a row of spans, each with the class that a stylesheet knows it by."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class Span(NamedTuple):
    """A stretch of text that looks alike; `style` is a class of the page, or empty."""

    style: str
    text: str


def merge(spans: Iterable[Span]) -> tuple[Span, ...]:
    """The same text with as few spans as it takes."""
    merged: list[Span] = []
    for span in spans:
        if merged and merged[-1].style == span.style:
            merged[-1] = Span(span.style, merged[-1].text + span.text)
        elif span.text:
            merged.append(span)
    return tuple(merged)
