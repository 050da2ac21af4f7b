"""Coloured text: a sequence of spans, each with a CSS class."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple


class Span(NamedTuple):
    """A piece of text in one style; `style` is a CSS class, or empty."""

    style: str
    text: str


def lines_of(spans: Iterable[Span]) -> list[tuple[Span, ...]]:
    """The spans of each line of a text, without line feeds; those of an empty text are one line."""
    lines: list[list[Span]] = [[]]
    for style, text in spans:
        first, *others = text.split("\n")
        lines[-1].append(Span(style, first))
        lines += [[Span(style, each)] for each in others]
    return [merge(each) for each in lines]


def merge(spans: Iterable[Span]) -> tuple[Span, ...]:
    """Join neighbours of the same style, and drop empty spans."""
    non_empty = (span for span in spans if span.text)
    groups = groupby(non_empty, key=attrgetter("style"))
    return tuple(Span(style, "".join(span.text for span in group)) for style, group in groups)
