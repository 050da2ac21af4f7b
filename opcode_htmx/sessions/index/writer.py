"""Writes the index: plans which files are read, reads them, and stores what they hold.

Only one process writes. A transaction holds the texts of a file together with the place up to which
it was read, so that nothing is stored twice however the process ends.
"""

from __future__ import annotations

import contextlib
import logging
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields
from pathlib import Path
from time import monotonic
from typing import Any

from opcode_htmx.engines.claude.files import subagents
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.sessions.index.file_pass import (
    Facts,
    FilePass,
    Found,
    count_again,
    hash_before,
    rewound_lines,
)
from opcode_htmx.sessions.index.schema import OtherVersion
from opcode_htmx.sessions.index.sources import SourceFile
from opcode_htmx.sessions.index.terms import plain, separated
from opcode_htmx.sessions.index.usage.answers import Answer, zone
from opcode_htmx.sessions.index.usage.ledger import Ledger

log = logging.getLogger(__name__)

FIRST_BATCH, LARGEST_BATCH = 4_000_000, 64_000_000
"""Bytes of files between two commits: small at first, so that the newest are found soon."""
BATCH_SECONDS = 2.0
BYTES_PER_TEXT = 160
"""Less than what a text takes in a history file on average: for the ids that are reserved."""
TEXTS_AT_ONCE, CHARACTERS_AT_ONCE = 500, 2_000_000
REMOVED_AT_ONCE = 500
LONGEST_NAME = 4096
"""Characters of a project, tool, model or branch: a made-up history has longer ones."""
MOST_FACETS = 10_000
"""Combinations of these whose words are kept."""
LEAST_REMOVED = 1_000
MOST_REMOVED = 0.3
"""The part of all texts that may be of removed files; then the index is made again."""

_FACTS = tuple(each.name for each in fields(Facts) if each.name not in ("cwd", "branch"))


class IndexWriter:
    """Stores the content of history files below `root` (Claude's folder `projects`)."""

    def __init__(self, database: sqlite3.Connection, root: Path) -> None:
        self._database = database
        self._root = root
        self._ledger = Ledger(database)
        self._names: dict[tuple[str, str], int] = {}
        self._facets_of: dict[tuple[Any, ...], str] = {}
        self._batch = FIRST_BATCH
        self._may_be_worn = True
        self.bytes_read = 0
        """New bytes of the files that were read to their end."""
        self._claim()

    def _claim(self) -> None:
        """Raises OtherVersion where the index is one of another folder of Claude's, or of days in
        another time zone.
        """
        ours = _storable(str(self._root)), zone()
        known = self._database.execute("SELECT root, zone FROM progress").fetchone()
        if known not in (("", ""), ours):
            raise OtherVersion(f"it is of {' in '.join(known)}")
        self._database.execute("UPDATE progress SET root = ?, zone = ?", ours)

    # --- the files --------------------------------------------------------------------------

    def known(self) -> dict[Path, SourceFile]:
        """The files that are indexed, as they were when they were read."""
        rows = self._database.execute(
            "SELECT path, session, agent, inode, size, mtime_ns FROM file WHERE size >= 0"
        )
        return {self._root / path: SourceFile(self._root / path, *more) for path, *more in rows}

    def plan(self, files: Iterable[SourceFile]) -> None:
        """Reserve ids for new files, in the order of their times: a newer text has a higher id."""
        with self._transaction():
            for each in sorted(files, key=lambda each: each.mtime_ns):
                self._add(each)

    def _add(self, source: SourceFile) -> None:
        first, last = self._reserve_for(source)
        self._database.execute(
            "INSERT OR IGNORE INTO file (path, session, agent, inode, size, mtime_ns, read,"
            " first_id, last_id, title, first_prompt, last_prompt, last_answer, prompts, tools,"
            " lines, rewound, tip) VALUES (?, ?, ?, ?, -1, 0, 0, ?, ?, '', '', '', '', 0, 0, 0, 0,"
            " '')",
            (
                self._relative(source.path),
                source.session,
                source.agent,
                source.inode,
                first,
                last,
            ),
        )

    def remove(self, paths: Iterable[Path]) -> None:
        """Remove files from the index."""
        with self._transaction():
            gone = []
            for path in paths:
                found = self._database.execute(
                    "SELECT id, first_id, last_id FROM file WHERE path = ?", (self._relative(path),)
                ).fetchone()
                if found:
                    self._forget_texts(*found)
                    self._database.execute("DELETE FROM file WHERE id = ?", found[:1])
                    gone.append(found[0])
            for at in range(0, len(gone), REMOVED_AT_ONCE):
                self._count_again(self._ledger.forget(gone[at : at + REMOVED_AT_ONCE]))

    @property
    def is_worn(self) -> bool:
        """Whether so many texts were removed that the index is to be made again.

        A text cannot be taken out of FTS5 without the text itself, which is not there any more.
        """
        if not self._may_be_worn:
            return False
        self._may_be_worn = False
        (removed,) = self._database.execute("SELECT removed FROM progress").fetchone()
        (kept,) = self._database.execute("SELECT count(*) FROM message").fetchone()
        return bool(removed > LEAST_REMOVED and removed > MOST_REMOVED * (removed + kept))

    # --- reading ----------------------------------------------------------------------------

    def update(self, files: Iterable[SourceFile]) -> Iterator[list[Path]]:
        """Read what is new in files, the newest first; yield those that were stored together.

        A file that cannot be read is logged and skipped.
        """
        for batch in self._batches(sorted(files, key=lambda each: -each.mtime_ns)):
            # Ascending ids within a batch: FTS5 writes a segment where they descend
            batch.reverse()
            done = 0
            while done < len(batch):
                count = self._read_together(batch[done:])
                yield [each.path for each in batch[done : done + count]]
                done += count

    def _read_together(self, files: Sequence[SourceFile]) -> int:
        """Read files in one transaction, which is ended in time; how many they were.

        FTS5 writes a segment for each transaction, and merges them again and again: with one for
        each file, that was half of all its work.
        """
        until = self._begin()
        for count, each in enumerate(files):
            try:
                until = self._read(each, until)
            except sqlite3.Error:
                self._rollback()
                raise
            except Exception as error:  # one file harms no other
                self._rollback()
                if count:  # those before it, once more
                    return self._read_together(files[:count])
                if isinstance(error, OSError):
                    log.info("cannot read %s for the index: %s", each.path, error)
                else:
                    log.exception("cannot index %s", each.path)
                return 1
            if monotonic() > until:
                break
        self._commit()
        return count + 1

    def _batches(self, files: list[SourceFile]) -> Iterator[list[SourceFile]]:
        batch, size = list[SourceFile](), 0
        for each in files:
            batch.append(each)
            size += each.size
            if size >= self._batch:
                yield batch
                batch, size = [], 0
                self._batch = min(2 * self._batch, LARGEST_BATCH)
        if batch:
            yield batch

    def report_progress(self, total: int, done: int) -> None:
        """Record how many bytes of the files there are, and how many of them were read."""
        self._database.execute("UPDATE progress SET bytes = ?, bytes_read = ?", (total, done))

    def _read(self, source: SourceFile, until: float) -> float:
        """Read a file within the open transaction; when that is to end, by the monotonic clock.

        In a very long file it is ended, and the next one is begun.
        """
        row = self._row(source)
        begin = row.facts.read
        if source.agent and not begin:
            self._note_agent(row.id, source)
        counted = row.facts.counted == row.facts.read  # else a pass has ended before its end
        reader = FilePass(source.path, row.facts, is_agent=bool(source.agent))
        for found in _chunks(reader.texts(source.size)):
            row.next_id = self._store(row, found)
            if monotonic() > until + BATCH_SECONDS:
                self._save(row, reader, source, is_whole=False)
                self._commit()
                until = self._begin()
        rewound: set[int] | None = None
        if reader.may_branch:
            rewound = rewound_lines(source.path, row.facts.read)
            self._mark_rewound(row, rewound)
        self._count(row, reader, source, counted, rewound)
        self._save(row, reader, source, is_whole=True)
        self.bytes_read += row.facts.read - begin
        return until

    def _row(self, source: SourceFile) -> _Row:
        """The row of a file; it is read from its beginning if it is another one than before."""
        path = self._relative(source.path)
        columns = ", ".join(_FACTS)
        found = self._database.execute(
            f"SELECT id, inode, first_id, last_id, project, branch, {columns}"  # noqa: S608
            " FROM file WHERE path = ?",
            (path,),
        ).fetchone()
        if found is None:
            self._add(source)
            return self._row(source)
        id_, inode, first, last, project, branch, *values = found
        facts = Facts(**dict(zip(_FACTS, values, strict=True)))
        facts.cwd, facts.branch = self._text_of(project), self._text_of(branch)
        if facts.read and not _continues(source, inode, facts):
            self._forget_texts(id_, first, last)
            self._count_again(self._ledger.forget([id_]))
            first, last = self._reserve_for(source)
            facts = Facts()
        is_begun = facts.read > 0  # then the reserved ids are used
        return _Row(
            id_,
            facts,
            first,
            next_id=last + 1 if is_begun else first,
            last_id=last,
            highest_id=last if is_begun else first,
        )

    def _store(self, row: _Row, found: list[Found]) -> int:
        next_id, messages, words = row.next_id, [], []
        for start, part, role, text, tool, at, *place in found:
            if next_id > row.last_id:
                next_id, row.last_id = self._reserve(TEXTS_AT_ONCE)
            number = int(role)  # SQLite looks for an adapter of what is not quite an integer
            messages.append((next_id, row.id, start, part, number, at and int(at)))
            words.append((next_id, _searchable(text), self._facets(number, tool, *place)))
            row.highest_id = next_id
            next_id += 1
        self._database.executemany(
            "INSERT INTO message (id, file, start, part, role, at) VALUES (?, ?, ?, ?, ?, ?)",
            messages,
        )
        self._database.executemany(
            "INSERT INTO words (rowid, text, facets) VALUES (?, ?, ?)", words
        )
        return next_id

    def _reserve(self, count: int) -> tuple[int, int]:
        (first,) = self._database.execute("SELECT next_id FROM progress").fetchone()
        self._database.execute("UPDATE progress SET next_id = next_id + ?", (count,))
        return first, first + count - 1

    def _reserve_for(self, source: SourceFile) -> tuple[int, int]:
        return self._reserve(source.size // BYTES_PER_TEXT + 8)

    def _facets(self, *values: Any) -> str:
        """What a text can be limited by, as words; `values` as in `_words_of`."""
        known = self._facets_of.get(values)
        if known is None:
            if len(self._facets_of) >= MOST_FACETS:
                self._facets_of.clear()
            known = self._facets_of[values] = self._words_of(*values)
        return known

    def _words_of(self, role: int, tool: str, model: str, cwd: str, branch: str) -> str:
        facets = [f"r{role}"]
        if cwd:
            facets.append(f"p{self._name('project', cwd)}")
        if branch:
            facets.append(f"b{self._name('branch', branch)}")
        if tool:
            facets.append(f"t{self._name('tool', tool)}")
        if model:
            facets.append(f"m{self._name('model', model)}")
        return " ".join(facets)

    def _save(self, row: _Row, reader: FilePass, source: SourceFile, *, is_whole: bool) -> None:
        reader.close()
        facts = row.facts
        values: dict[str, object] = {name: _column(getattr(facts, name)) for name in _FACTS}
        values |= {"inode": source.inode, "first_id": row.first_id, "last_id": row.highest_id}
        if is_whole:  # else it is still to be read
            values |= {"size": source.size, "mtime_ns": source.mtime_ns}
        values["project"] = self._name("project", facts.cwd) if facts.cwd else None
        values["branch"] = self._name("branch", facts.branch) if facts.branch else None
        columns = ", ".join(f"{name} = ?" for name in values)
        self._database.execute(
            f"UPDATE file SET {columns} WHERE id = ?",  # noqa: S608 - names of columns
            (*values.values(), row.id),
        )
        self._database.executemany(
            "INSERT OR IGNORE INTO touched VALUES (?, ?)",
            [(_storable(path), row.id) for path in reader.touched],
        )
        reader.touched.clear()

    def _count(
        self,
        row: _Row,
        reader: FilePass,
        source: SourceFile,
        is_counted: bool,
        rewound: set[int] | None,
    ) -> None:
        """Count the answers that were read. `is_counted`: those before are; `rewound`: the starts
        of rewound lines, where these may have changed.
        """
        facts, counter = row.facts, reader.counter
        is_first = facts.counted == 0 and is_counted
        facts.counted, facts.pending = facts.read, counter.pending
        if is_first or (is_counted and rewound is None):
            names = self._models(counter.found.values())
            again = self._ledger.add(
                row.id, counter.found, names, rewound or set(), last=counter.last
            )
            if again is not None:
                self._count_again(again)
                return
        if rewound is None:
            rewound = rewound_lines(source.path, facts.read) if not source.agent else set()
        self._count_file(row.id, source.path, facts.read, bool(source.agent), rewound)

    def _count_file(
        self, file: int, path: Path, end: int, is_agent: bool, rewound: set[int]
    ) -> None:
        answers = count_again(path, end, is_agent=is_agent)
        names = self._models(answers.values())
        self._count_again(self._ledger.replace(file, answers, names, rewound))

    def _count_again(self, files: Iterable[int]) -> None:
        """Count files in which answers stand that have come from or gone to other files."""
        for file in files:
            found = self._database.execute(
                "SELECT path, counted, agent, rewound FROM file WHERE id = ?", (file,)
            ).fetchone()
            if not found:
                continue
            path, end, agent, rewound = found
            path = self._root / path
            try:
                starts = rewound_lines(path, end) if rewound else set()
                self._count_file(file, path, end, bool(agent), starts)
            except OSError as error:  # it is gone, and is removed from the index next
                log.info("cannot count %s again: %s", path, error)

    def _models(self, answers: Iterable[Answer]) -> dict[str, int]:
        return {model: self._name("model", model) for model in {each.model for each in answers}}

    def _note_agent(self, file: int, source: SourceFile) -> None:
        """Store the type of a subagent, and the file of its session, which is planned before."""
        session = subagents.session_of(source.path)
        kind = subagents.type_of(source.path)
        self._database.execute(
            "UPDATE file SET agent_type = ?, own = (SELECT id FROM file WHERE path = ?)"
            " WHERE id = ?",
            (self._name("agent", kind) if kind else None, self._relative(session), file),
        )

    def _mark_rewound(self, row: _Row, starts: set[int]) -> None:
        # An index of the texts by their file would be half as large as the table
        ids = self._database.execute(
            "SELECT id, start FROM message WHERE id BETWEEN ? AND ? AND file = ?",
            (row.first_id, row.highest_id, row.id),
        ).fetchall()
        self._database.executemany(
            "UPDATE message SET rewound = ? WHERE id = ? AND rewound <> ?",
            [(start in starts, id_, start in starts) for id_, start in ids],
        )
        rewound = sum(start in starts for _, start in ids)
        self._database.execute("UPDATE file SET rewound = ? WHERE id = ?", (rewound, row.id))

    def _forget_texts(self, file: int, first_id: int, last_id: int) -> None:
        self._may_be_worn = True
        removed = self._database.execute(
            "DELETE FROM message WHERE id BETWEEN ? AND ? AND file = ?", (first_id, last_id, file)
        ).rowcount
        self._database.execute("UPDATE progress SET removed = removed + ?", (removed,))
        self._database.execute("DELETE FROM touched WHERE file = ?", (file,))

    # --- names and transactions -------------------------------------------------------------

    def _name(self, kind: str, text: str) -> int:
        text = text[:LONGEST_NAME]
        known = self._names.get((kind, text))
        if known is None:
            stored = _storable(text)
            self._database.execute(
                "INSERT OR IGNORE INTO name (kind, text) VALUES (?, ?)", (kind, stored)
            )
            (known,) = self._database.execute(
                "SELECT id FROM name WHERE kind = ? AND text = ?", (kind, stored)
            ).fetchone()
            self._names[kind, text] = known
        return known

    def _text_of(self, name: int | None) -> str:
        found = (
            name
            and self._database.execute("SELECT text FROM name WHERE id = ?", (name,)).fetchone()
        )
        return found[0] if found else ""

    def _relative(self, path: Path) -> str:
        return _storable(str(path.relative_to(self._root)))

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        self._begin()
        try:
            yield
        except BaseException:
            self._rollback()
            raise
        self._commit()

    def _begin(self) -> float:
        """Begin a transaction; when it is to end, by the monotonic clock."""
        self._database.execute("BEGIN IMMEDIATE")
        return monotonic() + BATCH_SECONDS

    def _commit(self) -> None:
        self._database.execute("COMMIT")

    def _rollback(self) -> None:
        self._names.clear()  # a name may have been made in the transaction
        self._facets_of.clear()
        if self._database.in_transaction:
            self._database.execute("ROLLBACK")


@dataclass(slots=True)
class _Row:
    """A file while it is read: `next_id` up to `last_id` are the ids of its next texts."""

    id: int
    facts: Facts
    first_id: int
    next_id: int
    last_id: int
    highest_id: int
    """The highest one in use."""


def _continues(source: SourceFile, inode: int, facts: Facts) -> bool:
    """Whether a file still begins with what was read of it. Raises OSError."""
    return (
        inode == source.inode
        and facts.read <= source.size
        and hash_before(source.path, facts.read) == facts.before
    )


def _chunks(found: Iterator[Sequence[Found]]) -> Iterator[list[Found]]:
    """Texts of whole lines that are stored together: bounded, because they are all in memory."""
    chunk, size = list[Found](), 0
    for some in found:
        chunk += some
        for each in some:
            size += len(each.text)
        if len(chunk) >= TEXTS_AT_ONCE or size > CHARACTERS_AT_ONCE:
            yield chunk
            chunk, size = [], 0
    yield chunk


def _searchable(text: str) -> str:
    """A text as FTS5 splits it into words."""
    return plain(text) if text.isascii() else separated(plain(_storable(text)))


def _storable(text: str) -> str:
    """JavaScript may split a surrogate pair; SQLite takes no half of one, and ends texts at NUL."""
    return text.encode("utf-8", "replace").decode().replace("\0", " ")


def _column(value: object) -> object:
    """Times are whole seconds."""
    if isinstance(value, float):
        return int(value) if abs(value) < 1 << 53 else None
    return _storable(value) if isinstance(value, str) else value
