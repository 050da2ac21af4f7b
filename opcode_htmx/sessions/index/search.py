"""One search in the index: the query, its SQL, and the sessions and texts that match."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from opcode_htmx.engines.claude.protocol.entry_texts import Role
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.sessions.index.terms import Phrase, match_of

MOST_TEXTS = 5_000
"""Texts that match, the newest first, among which sessions are found."""
MOST_SESSIONS = 40
MOST_CHOICES = 200
"""Of each kind, by which a query can be limited."""
TEXTS_OF_SESSION = 3
"""Of one session that are shown among others."""
TEXTS_OF_PAGE = 20
"""Of the one session that a query is limited to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What is searched for. An empty field leaves nothing out.

    `since` and `until` are Unix seconds; `until` itself is left out.
    """

    words: str = ""
    session: tuple[str, str] | None = None
    """The name of the Claude folder and the id of the only session to search in."""
    page: int = 1
    """Of the texts of that session, the newest first; the last one where there are fewer."""
    project: str = ""
    role: str = ""
    """The name of a Role, in lower case."""
    tool: str = ""
    branch: str = ""
    model: str = ""
    file: str = ""
    """A part of the path of a file that was read or written."""
    since: float | None = None
    until: float | None = None
    with_rewound: bool = False
    with_agents: bool = True
    with_output: bool = True


@dataclass(frozen=True, slots=True)
class Place:
    """A text that matches: part `part` of the line at byte `start` of the file at `path`."""

    path: Path
    start: int
    part: int
    role: Role
    at: float | None
    is_rewound: bool
    agent: str


@dataclass(frozen=True, slots=True)
class FoundSession:
    """A session with texts that match; `count` may be more than there are places."""

    session_id: str
    claude_folder: str
    """The name of the folder that holds its file."""
    project: str
    """Its working folder; empty if no entry names it."""
    title: str
    places: tuple[Place, ...]
    count: int
    first: int = 0
    """The number of matching texts before `places`, all of them newer."""


@dataclass(frozen=True, slots=True)
class Found:
    """The sessions that match a query, that with the newest text first."""

    sessions: tuple[FoundSession, ...]
    has_more: bool
    """Whether there are older texts that match."""
    phrases: tuple[Phrase, ...]
    progress: float
    """The part of the history that was read, from 0 to 1."""
    title: str = ""
    """Of the session that the query is limited to."""


@dataclass(frozen=True, slots=True)
class Choices:
    """The values that a query can be limited to, as they occur in the sessions."""

    projects: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()
    branches: tuple[str, ...] = ()
    models: tuple[str, ...] = ()


_TEXTS = """
SELECT f.path, f.session, f.agent, m.start, m.part, m.role, m.at, m.rewound
FROM words JOIN message m ON m.id = words.rowid JOIN file f ON f.id = m.file
WHERE words MATCH :match{}
    AND (:with_rewound OR NOT m.rewound)
    AND (:with_agents OR f.agent = '')
    AND (:since IS NULL OR m.at >= :since)
    AND (:until IS NULL OR m.at < :until)
    AND (:file = '' OR f.id IN (
        SELECT file FROM touched WHERE instr(lower(path), lower(:file))
    ))
ORDER BY words.rowid DESC LIMIT :most
"""
_IN_SESSION = """
    AND words.rowid BETWEEN :first AND :last AND f.session = :session
    AND f.path BETWEEN :folder || '/' AND :folder || '0'"""  # `0` follows `/`


class Search:
    """One query: the conditions, the texts, and their sessions."""

    def __init__(self, query: Query, phrases: Sequence[Phrase], root: Path) -> None:
        self._query = query
        self._phrases = phrases
        self._root = root

    def run(self, database: sqlite3.Connection) -> Found:
        progress, query = progress_of(database), self._query
        title = self._title(database, *query.session)[0] if query.session else ""
        facets = self._facets(database) if self._phrases else None
        if facets is None:
            return Found((), False, tuple(self._phrases), progress, title)
        values = {
            "match": match_of(self._phrases, facets),
            "with_rewound": query.with_rewound,
            "with_agents": query.with_agents,
            "since": query.since,
            "until": query.until,
            "file": query.file,
            "most": MOST_TEXTS + 1,
        }
        if query.session:
            values |= self._range(database, *query.session)
        texts = _TEXTS.format(_IN_SESSION if query.session else "")
        places, has_more = self._places(database.execute(texts, values))
        # An old session that was restored is the last one that was indexed
        newest = sorted(places.items(), key=lambda each: _newest(each[1]), reverse=True)
        sessions = tuple(self._session(database, *ids, each) for ids, each in newest)
        return Found(sessions, has_more, tuple(self._phrases), progress, title)

    def _range(self, database: sqlite3.Connection, folder: str, session: str) -> dict[str, Any]:
        """The condition of a session: its texts lie between two ids, among those of others."""
        first, last = database.execute(
            "SELECT min(first_id), max(last_id) FROM file WHERE session = ?", (session,)
        ).fetchone()
        return {"first": first, "last": last, "folder": folder, "session": session}

    def _facets(self, database: sqlite3.Connection) -> list[str] | None:
        """The facets that a text must have; None where a name does not occur at all."""
        query, facets = self._query, list[str]()
        for kind, text in (
            ("project", query.project),
            ("tool", query.tool),
            ("branch", query.branch),
            ("model", query.model),
        ):
            if text:
                found = database.execute(
                    "SELECT id FROM name WHERE kind = ? AND text = ?", (kind, text)
                ).fetchone()
                if not found:
                    return None
                facets.append(f"facets : {kind[0]}{found[0]}")
        if query.role:
            facets.append(f"facets : r{Role[query.role.upper()]:d}")
        elif not query.with_output:
            others = " OR ".join(f"r{role:d}" for role in Role if role is not Role.OUTPUT)
            facets.append(f"facets : ({others})")
        return facets

    def _places(
        self, rows: Iterable[tuple[Any, ...]]
    ) -> tuple[dict[tuple[str, str], list[Place]], bool]:
        """The texts by folder and session, and whether there are more than were looked at."""
        found: dict[tuple[str, str], list[Place]] = {}
        for number, (path, session, agent, start, part, role, at, rewound) in enumerate(rows):
            ids = path.partition("/")[0], session
            if number == MOST_TEXTS or (ids not in found and len(found) == MOST_SESSIONS):
                return found, True
            place = Place(self._root / path, start, part, Role(role), at, bool(rewound), agent)
            found.setdefault(ids, []).append(place)
        return found, False

    def _session(
        self, database: sqlite3.Connection, folder: str, session: str, places: Sequence[Place]
    ) -> FoundSession:
        title, project = self._title(database, folder, session)
        first, most = 0, TEXTS_OF_SESSION
        if self._query.session:
            page = min(self._query.page - 1, (len(places) - 1) // TEXTS_OF_PAGE)
            first, most = page * TEXTS_OF_PAGE, TEXTS_OF_PAGE
        shown = tuple(places[first : first + most])
        return FoundSession(session, folder, project, title, shown, len(places), first)

    def _title(self, database: sqlite3.Connection, folder: str, session: str) -> tuple[str, str]:
        """The title of a session and its working folder."""
        found = database.execute(
            "SELECT f.title, f.first_prompt, n.text FROM file f"
            " LEFT JOIN name n ON n.id = f.project WHERE f.path = ?",
            (f"{folder}/{session}.jsonl",),
        ).fetchone()
        title, first, project = found or ("", "", "")
        return title or first, project or ""


def _newest(places: Iterable[Place]) -> float:
    """The Unix time of the newest one; 0 if none has a time."""
    return max((place.at or 0 for place in places), default=0)


def progress_of(database: sqlite3.Connection) -> float:
    """The part of the history that was read, from 0 to 1."""
    total, done = database.execute("SELECT bytes, bytes_read FROM progress").fetchone()
    return min(1.0, done / total) if total else 1.0


def choices_of(database: sqlite3.Connection) -> Choices:
    """The newest MOST_CHOICES of each kind, by the alphabet."""
    names: dict[str, list[str]] = {}
    newest = "SELECT text FROM name WHERE kind = ? ORDER BY id DESC LIMIT ?"  # older ones are many
    for kind in ("project", "tool", "branch", "model"):
        rows = database.execute(newest, (kind, MOST_CHOICES)).fetchall()
        names[kind] = sorted((text for (text,) in rows), key=str.casefold)
    return Choices(*(tuple(names.get(kind, ())) for kind in ("project", "tool", "branch", "model")))
