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

from opcode_htmx.engines.claude.files import subagents
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.sessions.index.file_lines import hash_before
from opcode_htmx.sessions.index.file_pass import Facts, FilePass, rewound_lines
from opcode_htmx.sessions.index.schema import OtherVersion
from opcode_htmx.sessions.index.sources import SourceFile
from opcode_htmx.sessions.index.usage.answers import zone
from opcode_htmx.sessions.index.usage.counting import UsageCount
from opcode_htmx.sessions.index.writing.names import Names, storable
from opcode_htmx.sessions.index.writing.texts import TextIds, Texts, chunks

log = logging.getLogger(__name__)

FIRST_BATCH, LARGEST_BATCH = 4_000_000, 64_000_000
"""Bytes of files between two commits: small at first, so that the newest are found soon."""
BATCH_SECONDS = 2.0

_FACTS = tuple(each.name for each in fields(Facts) if each.name not in ("cwd", "branch"))


@dataclass(slots=True)
class _Row:
    """A file while it is read."""

    id: int
    facts: Facts
    ids: TextIds


class IndexWriter:
    """Stores the content of history files below `root` (Claude's folder `projects`)."""

    def __init__(self, database: sqlite3.Connection, root: Path) -> None:
        self._database = database
        self._root = root
        self._names = Names(database)
        self._texts = Texts(database, self._names)
        self._usage = UsageCount(database, self._names, root)
        self._batch = FIRST_BATCH
        self.bytes_read = 0
        """New bytes of the files that were read to their end."""
        self._claim()

    def _claim(self) -> None:
        """Raises OtherVersion where the index is one of another folder of Claude's, or of days in
        another time zone.
        """
        ours = storable(str(self._root)), zone()
        known = self._database.execute("SELECT root, zone FROM progress").fetchone()
        if known not in (("", ""), ours):
            raise OtherVersion(f"it is of {' in '.join(known)}")
        self._database.execute("UPDATE progress SET root = ?, zone = ?", ours)

    # --- the files ------------------------------------------------------------------------

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
        first, last = self._texts.reserve(source.size)
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
                    self._forget_content(*found)
                    self._database.execute("DELETE FROM file WHERE id = ?", found[:1])
                    gone.append(found[0])
            self._usage.forget(gone)

    def _forget_content(self, file: int, first_id: int, last_id: int) -> None:
        self._texts.forget(file, first_id, last_id)
        self._database.execute("DELETE FROM touched WHERE file = ?", (file,))

    @property
    def is_worn(self) -> bool:
        """Whether so many texts were removed that the index is to be made again."""
        return self._texts.are_worn

    # --- reading --------------------------------------------------------------------------

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
        for found in chunks(reader.texts(source.size)):
            self._texts.store(row.id, row.ids, found)
            if monotonic() > until + BATCH_SECONDS:
                self._save(row, reader, source, is_whole=False)
                self._commit()
                until = self._begin()
        rewound: set[int] | None = None
        if reader.may_branch:
            rewound = rewound_lines(source.path, row.facts.read)
            number = self._texts.mark_rewound(row.id, row.ids, rewound)
            self._database.execute("UPDATE file SET rewound = ? WHERE id = ?", (number, row.id))
        self._usage.add(row.id, reader, source, is_counted=counted, rewound=rewound)
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
        facts.cwd, facts.branch = self._names.text(project), self._names.text(branch)
        if facts.read and not _continues(source, inode, facts):
            self._forget_content(id_, first, last)
            self._usage.forget([id_])
            first, last = self._texts.reserve(source.size)
            facts = Facts()
        if facts.read:  # the reserved ids are used
            return _Row(id_, facts, TextIds(first, last + 1, last, highest=last))
        return _Row(id_, facts, TextIds(first, first, last, highest=first))

    def _save(self, row: _Row, reader: FilePass, source: SourceFile, *, is_whole: bool) -> None:
        reader.close()
        facts, ids = row.facts, row.ids
        values: dict[str, object] = {name: _column(getattr(facts, name)) for name in _FACTS}
        values |= {"inode": source.inode, "first_id": ids.first, "last_id": ids.highest}
        if is_whole:  # else it is still to be read
            values |= {"size": source.size, "mtime_ns": source.mtime_ns}
        number = self._names.number
        values["project"] = number("project", facts.cwd) if facts.cwd else None
        values["branch"] = number("branch", facts.branch) if facts.branch else None
        columns = ", ".join(f"{name} = ?" for name in values)
        self._database.execute(
            f"UPDATE file SET {columns} WHERE id = ?",  # noqa: S608 - names of columns
            (*values.values(), row.id),
        )
        self._database.executemany(
            "INSERT OR IGNORE INTO touched VALUES (?, ?)",
            [(storable(path), row.id) for path in reader.touched],
        )
        reader.touched.clear()

    def _note_agent(self, file: int, source: SourceFile) -> None:
        """Store the type of a subagent, and the file of its session, which is planned before."""
        session = subagents.session_of(source.path)
        kind = subagents.type_of(source.path)
        self._database.execute(
            "UPDATE file SET agent_type = ?, own = (SELECT id FROM file WHERE path = ?)"
            " WHERE id = ?",
            (self._names.number("agent", kind) if kind else None, self._relative(session), file),
        )

    def _relative(self, path: Path) -> str:
        return storable(str(path.relative_to(self._root)))

    # --- transactions ---------------------------------------------------------------------

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
        self._names.forget_kept()
        if self._database.in_transaction:
            self._database.execute("ROLLBACK")


def _continues(source: SourceFile, inode: int, facts: Facts) -> bool:
    """Whether a file still begins with what was read of it. Raises OSError."""
    return (
        inode == source.inode
        and facts.read <= source.size
        and hash_before(source.path, facts.read) == facts.before
    )


def _column(value: object) -> object:
    """Times are whole seconds."""
    if isinstance(value, float):
        return int(value) if abs(value) < 1 << 53 else None
    return storable(value) if isinstance(value, str) else value
