"""The process that keeps the index current: finds history files that have changed, and reads them.

It is a process of its own, so that no page ever waits for it. It ends with the server: when its
standard input is closed.
"""

from __future__ import annotations

import logging
import os
import select
import sqlite3
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path

from opcode_htmx.engines.claude.files import history
from opcode_htmx.lib.logs.set_up import LogOptions, set_up
from opcode_htmx.sessions.index import schema
from opcode_htmx.sessions.index.sources import SourceFile, Sources
from opcode_htmx.sessions.index.writing.writer import IndexWriter

log = logging.getLogger("opcode_htmx.index")

LOOK_SECONDS = 1.0
"""How often it looks for changes. Where the kernel reports them, this costs next to nothing."""
RETRY_SECONDS = 30.0
BULK = 32_000_000
"""Bytes of new lines that are read as a bulk; see `schema.set_merging`."""
NICENESS = 10


class Indexer:
    """Keeps the database at `path` in step with the history files below `config_dir`."""

    def __init__(self, path: Path, config_dir: Path) -> None:
        self._path = path
        self._root = history.root(config_dir)
        try:
            self._open()
        except (sqlite3.DatabaseError, schema.OtherVersion) as error:
            if not _is_damage(error):
                raise  # locked, or no space: what is there is still good
            log.warning("the index of sessions is made again: %s", error)
            schema.remove(self._path)
            self._open()
        self._sources = Sources(config_dir)
        self.has_read_bulk = False
        """Whether much was read at once, whose memory Python keeps."""

    def close(self) -> None:
        self._database.close()
        self._sources.close()

    def _open(self) -> None:
        self._database = schema.open_to_write(self._path)
        try:
            self._writer = IndexWriter(self._database, self._root)
            self._known = self._writer.known()
            self._is_known = True
            self._is_in_bulk: bool | None = None
            """How the words are merged; None: as the last writer has set it."""
            self._file = self._path.stat().st_ino
        except (sqlite3.DatabaseError, schema.OtherVersion):
            self._database.close()
            raise

    def make_again(self) -> None:
        """Begin with an empty database."""
        self._database.close()
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        schema.remove(self._path)
        self._open()
        self._sources.look_at_all()

    def look_at_all(self) -> None:
        """Compare every file with the index at the next look."""
        self._is_known = False
        self._sources.look_at_all()

    def look(self) -> Iterator[None]:
        """Bring the index up to date; yields after each file, so that the caller may end it."""
        if not self._is_there():
            log.warning("the index of sessions was removed, and is made again")
            self.make_again()
        if not self._is_known:
            self._known, self._is_known = self._writer.known(), True
        found = self._sources.changes(self._known)
        if found.gone:
            self._writer.remove(found.gone)
            for path in found.gone:
                self._known.pop(path, None)
        if found.changed:
            yield from self._read(found.changed)
        if self._writer.is_worn:
            log.info("the index of sessions is made again: too much of it was removed")
            self.make_again()

    def _is_there(self) -> bool:
        try:
            status = self._path.stat()
        except OSError:
            return False
        # of one that was emptied, the log still has all for this process, and nothing for others
        return status.st_ino == self._file and status.st_size > 0

    def _read(self, changed: dict[Path, SourceFile]) -> Iterator[None]:
        self._writer.plan([each for path, each in changed.items() if path not in self._known])
        done = sum(each.size for path, each in self._known.items() if path not in changed)
        total = done + sum(each.size for each in changed.values())
        self._writer.report_progress(total, done)
        in_bulk = sum(self._new_bytes(each) for each in changed.values()) >= BULK
        if in_bulk is not self._is_in_bulk:
            schema.set_merging(self._database, in_bulk=in_bulk)
            self._is_in_bulk = in_bulk
        before = self._writer.bytes_read
        for paths in self._writer.update(changed.values()):
            for path in paths:
                self._known[path] = changed[path]
                done += changed[path].size
            self._writer.report_progress(total, done)
            yield from (None for _ in paths)
        self._writer.report_progress(total, total)
        if in_bulk:
            yield from schema.merge(self._database)
            # by what was read: files that nobody can read are as new to the next program
            self.has_read_bulk = self._writer.bytes_read - before >= BULK

    def _new_bytes(self, source: SourceFile) -> int:
        """How much longer a file is than when it was read."""
        known = self._known.get(source.path)
        return max(0, source.size - known.size) if known else source.size


def _is_damage(error: Exception) -> bool:
    """Whether the database is of no use; not if it is locked, or the disk is full, for example."""
    if isinstance(error, sqlite3.OperationalError):
        return error.sqlite_errorcode == sqlite3.SQLITE_ERROR  # a table is missing
    return not isinstance(error, OSError)


def _pause_after(error: Exception, path: Path) -> float:
    """After how many seconds to look again; a database that is of no use is removed."""
    if _is_damage(error):
        log.warning("the index of sessions is made again: %s", error)
        schema.remove(path)
        return LOOK_SECONDS
    log.warning("the index of sessions cannot be written: %s", error)  # the disk is full, perhaps
    return RETRY_SECONDS


def run(path: Path, config_dir: Path, stop: int) -> bool:
    """Keep the index current until the descriptor `stop` can be read.

    True before that when the process is to go on as a new program, which takes less memory.
    """
    indexer = Indexer(path, config_dir)

    def is_over(seconds: float) -> bool:
        return bool(select.select([stop], [], [], seconds)[0])

    try:
        while True:
            pause = LOOK_SECONDS
            try:
                for _ in indexer.look():
                    if is_over(0):
                        return False
                if indexer.has_read_bulk:
                    return True
            except (sqlite3.DatabaseError, OSError) as error:
                pause = _pause_after(error, path)
                indexer.look_at_all()
            if is_over(pause):
                return False
    finally:
        indexer.close()


def main() -> int:
    path, config_dir = map(Path, sys.argv[1:3])
    set_up(LogOptions.of_argument(sys.argv[3]))
    os.setpriority(os.PRIO_PROCESS, 0, NICENESS)
    try:
        is_new_program = run(path, config_dir, sys.stdin.fileno())
    except Exception as error:
        log.error("the index of sessions cannot be kept: %s", _what_failed(error))
        return 1
    if is_new_program:
        log.info("all sessions are indexed; the process is started anew to free its memory")
        # The pid, the pipe of the server and the lock stay
        os.execv(sys.executable, [sys.executable, "-m", __spec__.name, *sys.argv[1:]])  # noqa: S606
    return 0


def _what_failed(error: Exception) -> str:
    """An error of the system in its words; of another one where it was raised, and its type.

    The words of others may quote a prompt.
    """
    if isinstance(error, (OSError, sqlite3.Error, schema.OtherVersion)):
        return f"{type(error).__name__}: {error}"
    places = "".join(traceback.format_tb(error.__traceback__))
    return f"{type(error).__name__}, raised at\n{places}"


if __name__ == "__main__":
    sys.exit(main())
