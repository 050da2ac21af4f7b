"""The database of the index: its tables, and how it is opened to write and to read.

The history files are the truth. The database is made again whenever it is damaged or of another
version; nothing is kept in it only.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

VERSION = 6
"""Changes with the tables, and with what is read from the files."""

BUSY_SECONDS = 5.0
PIECE = 1000
"""Pages of the database that are merged, or given back, before others may go on."""
_USUAL = {"hashsize": 1 << 20, "automerge": 4, "crisismerge": 16}
_IN_BULK = {"hashsize": 8 << 20, "automerge": 0, "crisismerge": 64}
"""Bytes in memory, and numbers of segments."""
CACHE_KIB = 16_384
"""Memory for pages of the database while it is written."""

_TABLES = """
CREATE TABLE name (
    -- projects (folders), tools, models and branches, so that a text names them by a number
    id INTEGER PRIMARY KEY, kind TEXT NOT NULL, text TEXT NOT NULL, UNIQUE (kind, text)
);
CREATE TABLE file (
    id INTEGER PRIMARY KEY,
    path TEXT NOT NULL UNIQUE,          -- below Claude's folder `projects`
    session TEXT NOT NULL,
    agent TEXT NOT NULL,                -- the id of a subagent; empty in a session's own file
    inode INTEGER NOT NULL,
    size INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL,
    read INTEGER NOT NULL,              -- bytes that have been read, up to the end of a line
    first_id INTEGER NOT NULL,          -- the ids of its texts are from here to there; before it is
    last_id INTEGER NOT NULL,           -- read, they are reserved: newer texts have higher ids
    project INTEGER,
    branch INTEGER,
    title TEXT NOT NULL, first_prompt TEXT NOT NULL,
    last_prompt TEXT NOT NULL, last_answer TEXT NOT NULL,  -- empty for a subagent
    started REAL, ended REAL,
    prompts INTEGER NOT NULL, tools INTEGER NOT NULL, lines INTEGER NOT NULL,
    rewound INTEGER NOT NULL,           -- texts that Claude does not continue from
    tip TEXT NOT NULL,                  -- the newest entry: one that continues it makes no branch
    is_named INTEGER NOT NULL DEFAULT 0, open_calls TEXT NOT NULL DEFAULT '',
    before TEXT NOT NULL DEFAULT '',
    agent_type INTEGER,                 -- the name of a subagent's kind
    own INTEGER,                        -- the file of a subagent's session
    counted INTEGER NOT NULL DEFAULT 0, -- bytes whose answers are counted
    pending TEXT NOT NULL DEFAULT '',   -- see AnswerCounter
    said INTEGER                        -- its cost by the CLI, in trillionths of a dollar
);
CREATE INDEX file_session ON file (session);
CREATE TABLE message (
    id INTEGER PRIMARY KEY, file INTEGER NOT NULL, start INTEGER NOT NULL, part INTEGER NOT NULL,
    role INTEGER NOT NULL, at INTEGER, rewound INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE answer (
    message INTEGER PRIMARY KEY,        -- a hash of the ids of an answer and its request
    file INTEGER NOT NULL               -- the one it is counted in; negative: its line is a copy
);
CREATE TABLE copy (
    -- the other files with an answer
    message INTEGER NOT NULL, file INTEGER NOT NULL, PRIMARY KEY (message, file)
) WITHOUT ROWID;
CREATE TABLE spent (
    -- sums over the answers that are counted in a file
    file INTEGER NOT NULL,
    day INTEGER NOT NULL,               -- of the calendar of `progress.zone`, from 1 January 1970
    model INTEGER NOT NULL,
    kind INTEGER NOT NULL,              -- see usage/answers.py
    input INTEGER NOT NULL, output INTEGER NOT NULL, cache_read INTEGER NOT NULL,
    cache_write_5m INTEGER NOT NULL, cache_write_1h INTEGER NOT NULL,
    searches INTEGER NOT NULL, answers INTEGER NOT NULL, seconds INTEGER NOT NULL,
    prompts INTEGER NOT NULL, added INTEGER NOT NULL, removed INTEGER NOT NULL,
    recorded INTEGER NOT NULL,
    PRIMARY KEY (file, day, model, kind)
) WITHOUT ROWID;
CREATE TABLE touched (
    path TEXT NOT NULL, file INTEGER NOT NULL, PRIMARY KEY (path, file)
) WITHOUT ROWID;
CREATE TABLE progress (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    next_id INTEGER NOT NULL, removed INTEGER NOT NULL,
    bytes INTEGER NOT NULL, bytes_read INTEGER NOT NULL,
    root TEXT NOT NULL,                 -- Claude's folder `projects`
    zone TEXT NOT NULL                  -- the time zone of the days
);
INSERT INTO progress VALUES (1, 1, 0, 0, 0, '', '');
-- Without the texts themselves: they are in the history files.
CREATE VIRTUAL TABLE words USING fts5 (
    text, facets, content = '', columnsize = 0,
    tokenize = "unicode61 remove_diacritics 2 tokenchars '_'"
);
"""


class OtherVersion(Exception):
    """The database is of another version of this program, or is none of its own."""


def open_to_write(path: Path) -> sqlite3.Connection:
    """The database, made if it is missing. Raises OtherVersion and sqlite3.DatabaseError."""
    database = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
    try:
        path.chmod(0o600)
        database.execute("PRAGMA auto_vacuum = INCREMENTAL")  # before there is a table
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = NORMAL")
        database.execute("PRAGMA secure_delete = OFF")  # Debian's default is to write zeros
        database.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        if not database.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            database.executescript(f"BEGIN;{_TABLES}PRAGMA user_version = {VERSION};COMMIT;")
        _check(database)
    except BaseException:
        database.close()
        raise
    return database


def open_to_read(path: Path) -> sqlite3.Connection:
    """The database, for queries in any thread. Raises the same errors; nothing is made."""
    address = f"{path.resolve().as_uri()}?mode=ro"
    database = sqlite3.connect(
        address, uri=True, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
    )
    try:
        _check(database)
    except BaseException:
        database.close()
        raise
    return database


def nothing() -> sqlite3.Connection:
    """An index of no session, in memory."""
    database = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    database.executescript(_TABLES)
    return database


def _check(database: sqlite3.Connection) -> None:
    version = database.execute("PRAGMA user_version").fetchone()[0]
    if version != VERSION:
        raise OtherVersion(f"version {version}")


def set_merging(database: sqlite3.Connection, *, in_bulk: bool) -> None:
    """How FTS5 gathers words in memory, and merges the segments that it writes of them.

    `in_bulk`: many files are read, and `merge` is called behind them. Of each, a segment is
    written once and merged twice, instead of four times.
    """
    for name, value in (_IN_BULK if in_bulk else _USUAL).items():
        database.execute("INSERT INTO words (words, rank) VALUES (?, ?)", (name, value))


def merge(database: sqlite3.Connection) -> Iterator[None]:
    """Merge all words into one segment, and make the file smaller; yields after each piece."""
    pages = -PIECE  # negative: begin with all segments
    while True:
        before = database.total_changes
        database.execute("INSERT INTO words (words, rank) VALUES ('merge', ?)", (pages,))
        if database.total_changes - before < 2:  # FTS5's sign of nothing to do
            break
        pages = PIECE
        yield
    while database.execute("PRAGMA freelist_count").fetchone()[0]:
        database.execute(f"PRAGMA incremental_vacuum({PIECE})").fetchall()
        yield


def remove(path: Path) -> None:
    """Remove the database with its log."""
    for ending in ("", "-wal", "-shm"):
        with contextlib.suppress(FileNotFoundError):
            path.with_name(path.name + ending).unlink()
