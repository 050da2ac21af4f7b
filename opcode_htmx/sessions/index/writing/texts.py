"""The texts of history files: their places in `message`, their words in the table of FTS5."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence

from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.sessions.index.file_pass import Found
from opcode_htmx.sessions.index.terms import plain, separated
from opcode_htmx.sessions.index.writing.names import Names, storable

BYTES_PER_TEXT = 160
"""Less than what a text takes in a history file on average: for the ids that are reserved."""
AT_ONCE, CHARACTERS_AT_ONCE = 500, 2_000_000
LEAST_REMOVED = 1_000
MOST_REMOVED = 0.3
"""The part of all texts that may be of removed files; then the index is made again."""


@dataclass(slots=True)
class TextIds:
    """The ids of a file's texts: `next` up to `last` are those of its next ones."""

    first: int
    next: int
    last: int
    highest: int
    """The highest one in use."""


class Texts:
    """The texts of an index. The caller holds a transaction."""

    def __init__(self, database: sqlite3.Connection, names: Names) -> None:
        self._database = database
        self._names = names
        self._may_be_worn = True

    def reserve(self, file_size: int) -> tuple[int, int]:
        """The first and last id for the texts of a file of so many bytes."""
        return self._reserve(file_size // BYTES_PER_TEXT + 8)

    def _reserve(self, count: int) -> tuple[int, int]:
        (first,) = self._database.execute("SELECT next_id FROM progress").fetchone()
        self._database.execute("UPDATE progress SET next_id = next_id + ?", (count,))
        return first, first + count - 1

    def store(self, file: int, ids: TextIds, found: Iterable[Found]) -> None:
        """Store texts of a file in the order in which they stand there."""
        messages, words = [], []
        for start, part, role, text, tool, at, *place in found:
            if ids.next > ids.last:
                ids.next, ids.last = self._reserve(AT_ONCE)
            number = int(role)  # SQLite looks for an adapter of what is not quite an integer
            messages.append((ids.next, file, start, part, number, at and int(at)))
            words.append((ids.next, _searchable(text), self._names.facets(number, tool, *place)))
            ids.highest = ids.next
            ids.next += 1
        self._database.executemany(
            "INSERT INTO message (id, file, start, part, role, at) VALUES (?, ?, ?, ?, ?, ?)",
            messages,
        )
        self._database.executemany(
            "INSERT INTO words (rowid, text, facets) VALUES (?, ?, ?)", words
        )

    def mark_rewound(self, file: int, ids: TextIds, starts: set[int]) -> int:
        """Mark the texts of the lines that start there, and no others; how many they are."""
        # An index of the texts by their file would be half as large as the table
        found = self._database.execute(
            "SELECT id, start FROM message WHERE id BETWEEN ? AND ? AND file = ?",
            (ids.first, ids.highest, file),
        ).fetchall()
        self._database.executemany(
            "UPDATE message SET rewound = ? WHERE id = ? AND rewound <> ?",
            [(start in starts, id_, start in starts) for id_, start in found],
        )
        return sum(start in starts for _, start in found)

    def forget(self, file: int, first_id: int, last_id: int) -> None:
        """Remove the texts of a file; their words stay until the index is made again."""
        self._may_be_worn = True
        removed = self._database.execute(
            "DELETE FROM message WHERE id BETWEEN ? AND ? AND file = ?", (first_id, last_id, file)
        ).rowcount
        self._database.execute("UPDATE progress SET removed = removed + ?", (removed,))

    @property
    def are_worn(self) -> bool:
        """Whether so many texts were removed that the index is to be made again.

        A text cannot be taken out of FTS5 without the text itself, which is not there any more.
        """
        if not self._may_be_worn:
            return False
        self._may_be_worn = False
        (removed,) = self._database.execute("SELECT removed FROM progress").fetchone()
        (kept,) = self._database.execute("SELECT count(*) FROM message").fetchone()
        return bool(removed > LEAST_REMOVED and removed > MOST_REMOVED * (removed + kept))


def chunks(found: Iterator[Sequence[Found]]) -> Iterator[list[Found]]:
    """Texts of whole lines that are stored together: bounded, because they are all in memory."""
    chunk, size = list[Found](), 0
    for some in found:
        chunk += some
        for each in some:
            size += len(each.text)
        if len(chunk) >= AT_ONCE or size > CHARACTERS_AT_ONCE:
            yield chunk
            chunk, size = [], 0
    yield chunk


def _searchable(text: str) -> str:
    """A text as FTS5 splits it into words."""
    return plain(text) if text.isascii() else separated(plain(storable(text)))
