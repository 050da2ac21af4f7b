"""Claude's history files: found by the session's id alone, and read line by line."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO, NoReturn

import orjson

from opcode_htmx.engines.claude.files import folder_names, links
from opcode_htmx.engines.claude.files.folder_names import project_id as project_id
from opcode_htmx.engines.claude.files.lineage import Lineage
from opcode_htmx.engines.identifiers import SESSION_ID as SESSION_ID
from opcode_htmx.engines.long_line import long_line
from opcode_htmx.lib.coerce import Json
from opcode_htmx.lib.concurrency.cooperative import TimeSlicer

LONGEST = 24_000_000
PIECE = 256 * 1024
"""Bytes: of a line as it is read, and of a longer one that is passed over."""

LATE_SECONDS = 2.0
"""How much later than its last output Claude may still write to its history file."""
MOST_FOLDERS = 4096
"""Folders whose paths are kept."""
MOST_STATE = 64 * 1024
"""Bytes that Claude may add to a history file without a message."""
RESTORABLE_NS = 7 * 86400 * 10**9


def root(config_dir: Path) -> Path:
    """The folder that holds a folder for each project."""
    return _path(os.path.realpath(f"{config_dir}/projects"))


def claude_folders(config_dir: Path) -> list[Path]:
    """The folders in which Claude keeps session files, and links to such folders."""
    return [_path(entry.path) for entry in _entries(root(config_dir)) if _is_claude_folder(entry)]


def file_in(folder: Path, session_id: str) -> Path | None:
    """The history file of a session in one of Claude's folders; a link is not resolved."""
    if not SESSION_ID.fullmatch(session_id):
        return None
    path = folder / f"{session_id}{links.ENDING}"
    return path if links.file_status(path) else None


def find(config_dir: Path, session_id: str, first: str = "") -> Path | None:
    """The history file of a session; None as long as Claude has written none.

    Of copies in several folders, the one in the folder named `first`, else the newest.
    """
    if not SESSION_ID.fullmatch(session_id):
        return None
    projects = root(config_dir)
    folder = projects / first
    if folder_names.is_folder_name(first) and links.is_folder(folder):
        there = file_in(folder, session_id)
        if there:
            return there
    found = []
    for entry in _entries(projects):
        path = f"{entry.path}/{session_id}{links.ENDING}"
        # the check that seldom passes comes first: calls are frequent, folders may be hundreds
        if (status := links.file_status(path)) and _is_claude_folder(entry):
            found.append((status.st_mtime_ns, path))
    return Path(max(found)[1]) if found else None


def _entries(projects: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(projects) as entries:
            return list(entries)
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return []


@lru_cache(maxsize=MOST_FOLDERS)
def _path(text: str) -> Path:
    """The same object for the same folder: to make one takes longer than to stat the folder."""
    return Path(text)


def _is_claude_folder(entry: os.DirEntry[str]) -> bool:
    if not folder_names.is_folder_name(entry.name):
        return False
    linked = entry.is_symlink()
    return links.is_folder(entry.path) if linked else entry.is_dir(follow_symlinks=False)


def restore_time(path: Path, size: int, changed_at: int) -> None:
    """Reset a file's modification time (in ns), if it has had `size` bytes since. Raises OSError.

    Claude touches the file of a session that it resumes. One that nothing has touched for days
    keeps its new time: Claude deletes old files by it (`cleanupPeriodDays`).
    """
    now = path.stat()
    if now.st_size == size and now.st_mtime_ns - changed_at < RESTORABLE_NS:
        os.utime(path, ns=(now.st_atime_ns, changed_at))


def size(path: Path | None) -> int:
    """The size of a history file in bytes; 0 as long as there is none."""
    try:
        return path.stat().st_size if path else 0
    except FileNotFoundError:
        return 0


def has_gone_on(path: Path | None, since: int) -> bool:
    """Whether a history file has other messages now than when it had `since` bytes.

    Claude adds lines about itself (`mode`, `atis-latch`) up to a second after it has resumed a
    session. They have no uuid, as each message has. A line that takes the conversation back has
    none either, but counts: a process that has read the file earlier does not know of the cut.
    """
    grown = size(path) - since
    if path is None or not since or not 0 < grown <= MOST_STATE:
        return grown != 0
    try:
        with path.open("rb") as file:
            file.seek(since)
            lines = file.read(MOST_STATE + 1).splitlines()
        return not all(map(_is_state, lines))
    except OSError:
        return True


_OF_MESSAGES_AND_CUTS = ("uuid", "message", "explicit", "rewound", "cutUuid")


def _is_state(line: bytes) -> bool:
    """Whether a line is an entry, and neither a message nor a cut; half a line may become one."""
    entry = entry_in(line)
    return entry is not None and entry.keys().isdisjoint(_OF_MESSAGES_AND_CUTS)


def end_of_part(path: Path | None, start: int, fell_silent: float) -> int:
    """The end of the part that a process wrote from byte `start`, until its last output.

    Lines that a terminal has added since do not belong to that process. `fell_silent` is a Unix
    time.
    """
    last = fell_silent + LATE_SECONDS
    try:
        if path is None or path.stat().st_mtime <= last:
            return size(path)
        return end_before(path, start, last)
    except OSError:
        return start


def end_before(path: Path, start: int, moment: float) -> int:
    """The end of the entries after offset `start` that were written up to `moment`.

    `moment` is in seconds since the epoch. Later entries were written by another process.
    """
    with path.open("rb") as file:
        end, pace = file.seek(start), TimeSlicer()
        while line := file.readline(LONGEST):
            pace.step()
            if _said_after(line, moment):
                return end
            end += len(line)
    return end


def _said_after(line: bytes, moment: float) -> bool:
    if b'"timestamp"' not in line:
        return False
    try:
        entry = json.loads(line)
        said = entry["type"] in ("user", "assistant")
        return said and datetime.fromisoformat(entry["timestamp"]).timestamp() > moment
    except (ValueError, KeyError, TypeError, RecursionError, OverflowError):
        return False


def values(
    file: BinaryIO, longest: int = LONGEST, lineage: Lineage | None = None
) -> Iterator[bytes]:
    """The lines of an open history file as JSON values, one at a time; added to `lineage`.

    A line that is no JSON becomes `{"type": "raw", "line": …}`, one of more than `longest` bytes
    becomes a `long_line`. Lines that are appended after the first call of next are not read.
    """
    begin, end = 0, os.fstat(file.fileno()).st_size
    while begin < end and (line := file.readline(min(end - begin, longest + 1))):
        length = len(line)
        while line and not line.endswith(b"\n") and begin + length < end:  # the rest of a long one
            line = file.readline(min(end - begin - length, PIECE))
            length += len(line)
        text = length - line.endswith(b"\n")
        if text > longest:
            yield long_line(begin, text)
        elif line := line.strip():
            yield _value(line, lineage)
        begin += length


def entry_in(line: bytes) -> Json | None:
    """The entry in a line, for lists, which read thousands; None if there is none.

    orjson takes a third of the time; half a surrogate pair and NaN are errors to it only.
    """
    try:
        entry = orjson.loads(line)
    except ValueError:
        try:
            entry = json.loads(line)
        except (ValueError, RecursionError):
            return None
    return entry if isinstance(entry, dict) else None


def _value(line: bytes, lineage: Lineage | None) -> bytes:
    try:
        value = _STRICT.decode(line.decode())
        if lineage is not None and isinstance(value, dict):
            lineage.add(value)
        return line
    except (ValueError, RecursionError):
        return json.dumps({"type": "raw", "line": line.decode("utf-8", "replace")}).encode()


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


_STRICT = json.JSONDecoder(parse_constant=_refuse)
