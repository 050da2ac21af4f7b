"""Numbers for the names of projects, branches, tools, models and agents, in the table `name`."""

from __future__ import annotations

import sqlite3
from typing import Any

from opcode_htmx.lib.coerce import encodable

LONGEST = 4096
"""Characters of a name: a made-up history has longer ones."""
MOST_FACETS = 10_000
"""Combinations of names whose words are kept."""


class Names:
    """The names of an index and their numbers. The caller holds a transaction."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        self._numbers: dict[tuple[str, str], int] = {}
        self._facets: dict[tuple[Any, ...], str] = {}

    def number(self, kind: str, text: str) -> int:
        """The number of a name, which is new if it has none. `kind`: `project`, `tool` …"""
        text = text[:LONGEST]
        known = self._numbers.get((kind, text))
        if known is None:
            stored = storable(text)
            self._database.execute(
                "INSERT OR IGNORE INTO name (kind, text) VALUES (?, ?)", (kind, stored)
            )
            (known,) = self._database.execute(
                "SELECT id FROM name WHERE kind = ? AND text = ?", (kind, stored)
            ).fetchone()
            self._numbers[kind, text] = known
        return known

    def text(self, number: int | None) -> str:
        """The name with a number; empty for None."""
        found = (
            number
            and self._database.execute("SELECT text FROM name WHERE id = ?", (number,)).fetchone()
        )
        return found[0] if found else ""

    def facets(self, role: int, tool: str, model: str, cwd: str, branch: str) -> str:
        """What a search can be limited to, as words that are stored beside a text."""
        values = role, tool, model, cwd, branch
        known = self._facets.get(values)
        if known is None:
            if len(self._facets) >= MOST_FACETS:
                self._facets.clear()
            known = self._facets[values] = self._words(*values)
        return known

    def _words(self, role: int, tool: str, model: str, cwd: str, branch: str) -> str:
        facets = [f"r{role}"]
        if cwd:
            facets.append(f"p{self.number('project', cwd)}")
        if branch:
            facets.append(f"b{self.number('branch', branch)}")
        if tool:
            facets.append(f"t{self.number('tool', tool)}")
        if model:
            facets.append(f"m{self.number('model', model)}")
        return " ".join(facets)

    def forget_kept(self) -> None:
        """After a rollback: a name may have been made in the transaction."""
        self._numbers.clear()
        self._facets.clear()


def storable(text: str) -> str:
    """A text that SQLite takes: no half of a surrogate pair, and no NUL, at which it ends texts."""
    return encodable(text).replace("\0", " ")
