"""What pages ask the index: sessions that match, their last words and sizes, calls, and usage.

Searching and summing up are imported by the first request for them: most people never do either.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from opcode_htmx.engines.claude.protocol.entry_texts import Role
from opcode_htmx.lib.concurrency.cooperative import run_in_thread
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.sessions.index import schema

if TYPE_CHECKING:
    from opcode_htmx.sessions.index.search import Choices, Found, Query
    from opcode_htmx.sessions.index.usage.figures import UsageQuery
    from opcode_htmx.sessions.index.usage.sums import UsageSums

T = TypeVar("T")


class IndexUnavailable(Exception):
    """There is no index that can be read; it may be in the making."""


@dataclass(frozen=True, slots=True)
class CallPlace:
    """An entry with tool calls: the line at byte `start` of the file at `path`."""

    path: Path
    start: int
    session_id: str
    at: float


class IndexReader:
    """The index of one worker. Its methods wait in a thread, and never stop the hub."""

    def __init__(self, path: Path, root: Path) -> None:
        """`root` is Claude's folder `projects`."""
        self._path = path
        self._root = root

    def find(self, query: Query) -> Found:
        """The newest texts that match, by session. Raises IndexUnavailable."""
        from opcode_htmx.sessions.index.search import Search
        from opcode_htmx.sessions.index.terms import phrases_of

        phrases = tuple(phrases_of(query.words))
        return run_in_thread(self._read, Search(query, phrases, self._root).run)

    def choices(self) -> Choices:
        """Raises IndexUnavailable."""
        from opcode_htmx.sessions.index.search import choices_of

        return run_in_thread(self._read, choices_of)

    def last_words(self, versions: Mapping[Path, tuple[int, int]]) -> dict[Path, str]:
        """The last answer, or else prompt, in history files, by their paths.

        `versions` has their sizes and modification times (ns): a file that has changed since it
        was indexed is left out. Raises IndexUnavailable.
        """

        def read(database: sqlite3.Connection) -> dict[Path, str]:
            found = {}
            for path, version in versions.items():
                row = database.execute(
                    "SELECT size, mtime_ns, last_answer, last_prompt FROM file WHERE path = ?",
                    (str(path.relative_to(self._root)),),
                ).fetchone()
                if row and row[:2] == version:
                    found[path] = row[2] or row[3]
            return found

        return run_in_thread(self._read, read)

    def sizes(self, paths: Iterable[Path]) -> tuple[dict[Path, tuple[int, int]], int]:
        """The sizes and modification times (ns) with which history files were indexed, and how
        many bytes of all files are still to be read. Raises IndexUnavailable."""

        def read(database: sqlite3.Connection) -> tuple[dict[Path, tuple[int, int]], int]:
            found = {}
            for path in paths:
                row = database.execute(
                    "SELECT size, mtime_ns FROM file WHERE path = ?",
                    (str(path.relative_to(self._root)),),
                ).fetchone()
                if row:
                    found[path] = (row[0], row[1])
            total, done = database.execute("SELECT bytes, bytes_read FROM progress").fetchone()
            return found, max(0, total - done)

        return run_in_thread(self._read, read)

    def calls(self, tools: Iterable[str], since: float, most: int) -> list[CallPlace]:
        """The newest calls of tools since a Unix time. Raises IndexUnavailable."""
        names = list(tools)

        def read(database: sqlite3.Connection) -> list[CallPlace]:
            ids = [
                f"t{row[0]}"
                for name in names
                for row in database.execute(
                    "SELECT id FROM name WHERE kind = 'tool' AND text = ?", (name,)
                )
            ]
            if not ids:
                return []
            match = f"facets : r{Role.CALL:d} AND facets : ({' OR '.join(ids)})"
            rows = database.execute(_CALLS, {"match": match, "since": since, "most": most})
            return [
                CallPlace(self._root / path, start, session, at)
                for path, start, session, at in rows
            ]

        return run_in_thread(self._read, read)

    @property
    def version(self) -> tuple[int, ...]:
        """Changes with each change of the index."""
        found: list[int] = []
        for ending in ("", "-wal"):
            try:
                status = self._path.with_name(self._path.name + ending).stat()
            except OSError:
                found.append(0)
            else:
                found += [status.st_ino, status.st_mtime_ns, status.st_size]
        return tuple(found)

    def usage(self, query: UsageQuery, work: Callable[[UsageSums], T]) -> tuple[T, float]:
        """What `work` makes of the sums of a query, and the part of the history that was read.

        Raises IndexUnavailable.
        """
        from opcode_htmx.sessions.index.search import progress_of
        from opcode_htmx.sessions.index.usage.sums import UsageSums

        def read(database: sqlite3.Connection) -> tuple[T, float]:
            return work(UsageSums(database, query)), progress_of(database)

        return run_in_thread(self._read, read)

    def _read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        # A connection for each query: it cannot outlive the file, which may be made again
        try:
            with closing(schema.open_to_read(self._path)) as database:
                return work(database)
        except (sqlite3.Error, schema.OtherVersion) as error:
            raise IndexUnavailable(str(error)) from error


_CALLS = """
SELECT DISTINCT f.path, m.start, f.session, m.at
FROM words JOIN message m ON m.id = words.rowid JOIN file f ON f.id = m.file
WHERE words MATCH :match AND m.at >= :since AND NOT m.rewound
ORDER BY words.rowid DESC LIMIT :most
"""
