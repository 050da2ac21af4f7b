"""Keeps the HTML of rows in long lists, each for as long as nothing in it changes.

A row is a function of what it shows. Jinja takes 50 to 100 µs for one, to find it again takes 3.
"""

from __future__ import annotations

from collections.abc import Hashable

from markupsafe import Markup

MOST = 1000
"""Rows that are kept, of a kilobyte: those rendered last. Of one that has changed since, the former
state is not shown again."""


class KeptHtml:
    """The rows of one app, by all that they show."""

    def __init__(self) -> None:
        self._kept: dict[Hashable, Markup] = {}

    def get(self, *shown: Hashable) -> Markup | None:
        """The row that shows this; `shown` begins with the name of its kind."""
        return self._kept.get(shown)

    def keep(self, html: Markup, *shown: Hashable) -> Markup:
        """Keep a row as it was rendered, and return it."""
        if len(self._kept) >= MOST:
            del self._kept[next(iter(self._kept))]
        self._kept[shown] = html
        return html
