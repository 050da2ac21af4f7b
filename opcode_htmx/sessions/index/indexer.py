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
from collections.abc import Iterator
from pathlib import Path

from opcode_htmx.engines.claude.files import history, subagents
from opcode_htmx.engines.claude.files.session_listing import Folders, Listing
from opcode_htmx.sessions.index import schema
from opcode_htmx.sessions.index.writer import IndexWriter, SourceFile

log = logging.getLogger("opcode_htmx.index")

LOOK_SECONDS = 1.0
"""How often it looks for changes. Where the kernel reports them, this costs next to nothing."""
RETRY_SECONDS = 30.0
NICENESS = 10


class Indexer:
    """Keeps the database at `path` in step with the history files below `config_dir`."""

    def __init__(self, path: Path, config_dir: Path) -> None:
        self._path = path
        self._config_dir = config_dir
        self._root = history.root(config_dir)
        self._listings: dict[Path, Listing] = {}
        self._folders_seen: frozenset[Path] | None = None
        try:
            self._open()
        except sqlite3.OperationalError:
            raise  # locked, or no space: what is there is still good
        except (sqlite3.DatabaseError, schema.OtherVersion) as error:
            log.warning("the index of sessions is made again: %s", error)
            schema.remove(self._path)
            self._open()
        self._folders = Folders()

    def close(self) -> None:
        self._database.close()
        self._folders.close()

    def _open(self) -> None:
        self._database = schema.open_to_write(self._path)
        try:
            self._writer = IndexWriter(self._database, self._root)
            self._known = self._writer.known()
            self._file = self._path.stat().st_ino
        except (sqlite3.DatabaseError, schema.OtherVersion):
            self._database.close()
            raise

    def make_again(self) -> None:
        """Begin with an empty database."""
        self._database.close()
        schema.remove(self._path)
        self._open()
        self._listings, self._folders_seen = {}, None

    def look_at_all(self) -> None:
        """Compare every file with the index at the next look."""
        self._known, self._listings, self._folders_seen = self._writer.known(), {}, None

    def look(self) -> Iterator[None]:
        """Bring the index up to date; yields after each file, so that the caller may end it."""
        if not self._is_there():
            log.warning("the index of sessions was removed, and is made again")
            self.make_again()
        changed, gone = self._changes()
        if gone:
            self._writer.remove(gone)
            for path in gone:
                del self._known[path]
        if changed:
            yield from self._read(changed)
        if self._writer.is_worn:
            log.info("the index of sessions is made again: too much of it was removed")
            self.make_again()

    def _is_there(self) -> bool:
        try:
            return self._path.stat().st_ino == self._file
        except OSError:
            return False

    def _read(self, changed: dict[Path, SourceFile]) -> Iterator[None]:
        self._writer.plan([each for path, each in changed.items() if path not in self._known])
        done = sum(each.size for path, each in self._known.items() if path not in changed)
        total = done + sum(each.size for each in changed.values())
        self._writer.report_progress(total, done)
        for path in self._writer.update(changed.values()):
            self._known[path] = changed[path]
            done += changed[path].size
            self._writer.report_progress(total, done)
            yield
        self._writer.report_progress(total, total)

    def _changes(self) -> tuple[dict[Path, SourceFile], set[Path]]:
        """The files that differ from the index, and those that are there no more."""
        changed, gone = dict[Path, SourceFile](), set[Path]()
        folders = history.claude_folders(self._config_dir)
        if self._folders_seen != frozenset(folders):
            self._folders_seen = frozenset(folders)
            names = {folder.name for folder in folders}
            gone |= {path for path in self._known if self._folder_of(path) not in names}
            for folder in self._listings.keys() - self._folders_seen:
                del self._listings[folder]
        for folder in folders:
            try:
                listing = self._folders.look(folder)
            except OSError:
                continue  # removed in this moment, or another user's
            if self._listings.get(folder) is listing:
                continue
            self._listings[folder] = listing
            there = {each.path: each for each in _sources(listing)}
            changed |= {
                path: each
                for path, each in there.items()
                if not each.is_same(self._known.get(path))
            }
            gone |= {
                path
                for path in self._known
                if path not in there and path.parts[: len(folder.parts)] == folder.parts
            }
        return changed, gone

    def _folder_of(self, path: Path) -> str:
        """The name of Claude's folder that a history file is in."""
        return path.relative_to(self._root).parts[0]


def _sources(listing: Listing) -> Iterator[SourceFile]:
    """The history files of a folder, and those of subagents."""
    for file in listing.files:
        path = listing.folder / file.name
        session = path.stem
        yield from _source(path, session, "")
        agents = subagents.folder_of(path)
        for agent in subagents.ids_in(agents):
            if found := subagents.file_of(agents, agent):
                yield from _source(found, session, agent)


def _source(path: Path, session: str, agent: str) -> Iterator[SourceFile]:
    try:
        stat = path.stat()
    except OSError:
        return
    yield SourceFile(path, session, agent, stat.st_ino, stat.st_size, stat.st_mtime_ns)


def run(path: Path, config_dir: Path, stop: int) -> None:
    """Keep the index current until the descriptor `stop` can be read."""
    indexer = Indexer(path, config_dir)

    def is_over(seconds: float) -> bool:
        return bool(select.select([stop], [], [], seconds)[0])

    try:
        while True:
            try:
                for _ in indexer.look():
                    if is_over(0):
                        return
                pause = LOOK_SECONDS
            except sqlite3.OperationalError as error:  # the disk is full, for example
                log.warning("the index of sessions cannot be written: %s", error)
                indexer.look_at_all()
                pause = RETRY_SECONDS
            except sqlite3.DatabaseError as error:
                log.warning("the index of sessions is made again: %s", error)
                indexer.make_again()
                pause = LOOK_SECONDS
            if is_over(pause):
                return
    finally:
        indexer.close()


def main() -> None:
    path, config_dir = map(Path, sys.argv[1:3])
    logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s", stream=sys.stderr)
    os.nice(NICENESS)
    run(path, config_dir, sys.stdin.fileno())


if __name__ == "__main__":
    main()
