"""Read the two ends of a session file: enough for a list, whatever the length of the file.

Knows one file at a time; sessions.py decides which files are sessions. The format is the CLI's and
changes with its releases: an unknown line is skipped, never an error.
"""

import os
import sys
from collections import OrderedDict
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import orjson

from opcode_htmx.engines.claude.files import history
from opcode_htmx.engines.claude.files.folder_names import OwnFolder
from opcode_htmx.engines.claude.files.links import ENDING
from opcode_htmx.engines.claude.files.lists import prompts
from opcode_htmx.engines.claude.files.lists.newest_version import MOST_KEPT, OfNewestVersion
from opcode_htmx.engines.claude.files.titles import Names
from opcode_htmx.lib.coerce import as_str, encodable, seconds
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.formatting import one_line

HEAD = 256 * 1024  # lines that begin within this many bytes are read in search of a prompt
TAIL = 64 * 1024  # bytes searched, from the end, for the newest time stamp
NAMES_TAIL = 1024 * 1024  # bytes searched, from the end, for the name of an unknown file
MOST_GROWN = 16 * NAMES_TAIL  # bytes searched for it in what a known file has grown by
LONGEST_LINE = 8 * 1024 * 1024  # a first prompt may carry images; beyond this it is passed over
HEAD_LINES = 10_000  # a head of more lines holds none of Claude's
TITLE_LENGTH = 300  # characters kept of a first prompt
_TIMESTAMP = b'"timestamp":'

_names_known: OrderedDict[str, tuple[int, int, Names]] = OrderedDict()
"""The names in the files that were read, by path: of which file (inode), and up to where."""


@dataclass(frozen=True, slots=True)
class FileSummary:
    """The data from the two ends of one file; `title` is None if there is no prompt.

    `cwd` is the session's own folder, None if no entry has one; see OwnFolder.

    `name` is the person's or else Claude's name of the session, if there is one.
    """

    title: str | None
    cwd: str | None
    started_at: float
    last_activity: float
    size: int
    mtime_ns: int
    folder: Path
    """Claude's folder of its project, one object for all files there: a path takes 500 bytes."""
    session_id: str
    """The name of the file without its ending."""
    name: str | None = None
    prompted_at: str | None = None
    """The time of the entry of the title, as written there."""

    @property
    def path(self) -> Path:
        return self.folder / f"{self.session_id}{ENDING}"

    @property
    def claude_folder(self) -> str:
        """The name of its folder."""
        return self.folder.name


@OfNewestVersion
def summarize(path: Path, size: int, mtime_ns: int) -> FileSummary:
    """Read a file with this `size` and `mtime_ns`; raises OSError."""
    modified = mtime_ns / 1e9
    title: str | None = None
    command: str | None = None
    home = OwnFolder(path.parent.name)
    started_at: float | None = None
    prompted_at: str | None = None
    names = Names()
    for entry in _head(path):
        names.take(entry)
        if entry.get("isSidechain") is True:
            continue
        home.see(entry)
        started_at = started_at or seconds(entry.get("timestamp"))
        parts = prompts.parts_in(entry)
        if not parts:
            continue
        title = title or prompts.first_words(parts)
        command = command or prompts.first_command(parts)
        if title or (command and not prompted_at):
            prompted_at = encodable(as_str(entry.get("timestamp"))) or None
        if title and home.is_sure:
            break
    tail = _tail(path, size)
    for entry in [] if home.is_sure else _whole_lines(tail):
        home.see(entry)
    names = _names(path, size, names)
    latest = _last_timestamp(tail)
    name = title or command
    return FileSummary(
        title=_shorten(name) if name else None,
        cwd=sys.intern(home.path) if home.path else None,
        started_at=started_at or modified,
        # A copied file has a new modification time; a clock may have been wrong.
        last_activity=latest if latest and latest <= modified + 60 else modified,
        size=size,
        mtime_ns=mtime_ns,
        folder=_same(path.parent),
        session_id=path.stem,
        name=_shorten(names.best(path)) or None,
        prompted_at=prompted_at,
    )


@lru_cache(maxsize=1024)
def _same(folder: Path) -> Path:
    """One object for all equal ones: a path takes half a kilobyte, and there are many files."""
    return folder


def unreadable(path: Path, size: int, mtime_ns: int) -> FileSummary:
    """The summary of a file that could not be read."""
    modified = mtime_ns / 1e9
    title = "A session that cannot be read"
    return FileSummary(
        title, None, modified, modified, size, mtime_ns, _same(path.parent), path.stem
    )


@OfNewestVersion
def count_prompts(path: Path, size: int, _mtime_ns: int) -> int | None:
    """The number of prompts; None for a file too long to be read for this."""
    if size > HEAD:
        return None
    seen = set[str]()
    try:
        for entry in _head(path):
            if entry.get("isSidechain") is not True and prompts.has_prompt(prompts.parts_in(entry)):
                # a line may be written again
                seen.add(prompts.id_of(entry) or f"line {len(seen)}")
    except OSError:
        return None
    return len(seen)


def _head(path: Path) -> Iterator[dict[str, Any]]:
    """The entries that begin within the first HEAD bytes; unreadable lines are left out."""
    with path.open("rb") as file:
        position = 0
        for _ in range(HEAD_LINES):
            if position >= HEAD or not (line := file.readline(LONGEST_LINE)):
                break
            position += len(line)
            if (entry := history.entry_in(line)) is not None:
                yield entry


def _tail(path: Path, size: int) -> bytes:
    with path.open("rb", buffering=0) as file:
        file.seek(max(0, size - TAIL))
        return file.read(TAIL)


def _names(path: Path, size: int, of_head: Names) -> Names:
    """The names in a file. Those of an earlier read are kept, however much was appended since."""
    inode, key = path.stat().st_ino, os.fspath(path)
    known = _names_known.get(key)
    if known is not None and known[0] == inode and known[1] <= size:
        names, begin = known[2].copy(), max(known[1] - TAIL, size - MOST_GROWN)
    else:
        names, begin = of_head, size - NAMES_TAIL
    with path.open("rb", buffering=0) as file:
        file.seek(max(0, begin))
        names.take_lines(file.read(size - max(0, begin)))
    _names_known[key] = inode, size, names
    if len(_names_known) > MOST_KEPT:
        _names_known.popitem(last=False)
    return names


def _whole_lines(tail: bytes) -> Iterator[dict[str, Any]]:
    """The entries in the end of a file that say where they were written."""
    for line in tail.splitlines():
        if b'"cwd"' in line:
            entry = history.entry_in(line)
            if entry is not None and entry.get("isSidechain") is not True:
                yield entry


def _last_timestamp(tail: bytes) -> float | None:
    """The time of the newest entry that has one. Results of tools may contain others."""
    for line in reversed(tail.splitlines()):
        if _TIMESTAMP in line:
            try:
                entry = orjson.loads(line)
            except ValueError:  # the rest of a long line, or one that is not written to its end
                continue
            if isinstance(entry, dict) and (moment := seconds(entry.get("timestamp"))):
                return moment
    return None


def _shorten(text: str) -> str:
    return one_line(encodable(text), TITLE_LENGTH)
