"""Read the two ends of a session file: enough for a list, whatever the length of the file.

Knows one file at a time; sessions.py decides which files are sessions. The format is the CLI's and
changes with its releases: an unknown line is skipped, never an error.
"""

import os
import sys
from collections import OrderedDict
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, Generic, TypeVar

import orjson

from opcode_htmx.engines.claude.files import history
from opcode_htmx.engines.claude.files.folder_names import OwnFolder
from opcode_htmx.engines.claude.files.links import ENDING
from opcode_htmx.engines.claude.files.titles import Names
from opcode_htmx.engines.claude.protocol import parser
from opcode_htmx.engines.claude.protocol.user_entries import parts_of, parts_of_event
from opcode_htmx.engines.contents import ImageContent, OtherContent, ToolResult
from opcode_htmx.engines.messages import SystemEvent, User
from opcode_htmx.engines.user_parts import (
    Part,
    Prompt,
    ShellCommand,
    SlashCommand,
)
from opcode_htmx.lib.coerce import as_dict, as_list, seconds
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.formatting import one_line

HEAD = 256 * 1024  # lines that begin within this many bytes are read in search of a prompt
TAIL = 64 * 1024  # bytes searched, from the end, for the newest time stamp
NAMES_TAIL = 1024 * 1024  # bytes searched, from the end, for the name of an unknown file
MOST_GROWN = 16 * NAMES_TAIL  # bytes searched for it in what a known file has grown by
LONGEST_LINE = 8 * 1024 * 1024  # a first prompt may carry images; beyond this it is passed over
HEAD_LINES = 10_000  # a head of more lines holds none of Claude's
TITLE_LENGTH = 300  # characters kept of a first prompt
MOST_KEPT = 8192  # files of which it is kept what was read

T = TypeVar("T")

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


class OfNewestVersion(Generic[T]):
    """A function of a file, which keeps what it has found in the newest version of each."""

    def __init__(self, read: Callable[[Path, int, int], T]) -> None:
        self._read = read
        self._kept: OrderedDict[str, tuple[int, int, T]] = OrderedDict()
        """By the text of a path, which has a quarter of its size."""

    def __call__(self, path: Path, size: int, mtime_ns: int) -> T:
        known = self._kept.get(os.fspath(path))
        if known is not None and known[:2] == (size, mtime_ns):
            return known[2]
        found = self._read(path, size, mtime_ns)
        self.keep(os.fspath(path), size, mtime_ns, found)
        return found

    def known(self, path: str, size: int, mtime_ns: int) -> T | None:
        """What was found in this version of a file; None where it was not read."""
        known = self._kept.get(path)
        return known[2] if known is not None and known[:2] == (size, mtime_ns) else None

    def keep(self, path: str, size: int, mtime_ns: int, found: T) -> None:
        """Keep what was found in a version of a file."""
        self._kept[path] = size, mtime_ns, found
        if len(self._kept) > MOST_KEPT:
            self._kept.popitem(last=False)

    def forget(self, path: str) -> None:
        """Drop what was found in a file, which has changed though size and time are the same."""
        self._kept.pop(path, None)


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
        parts = _parts(entry)
        if not parts:
            continue
        title = title or _first_words(parts)
        command = command or _first_command(parts)
        if title or (command and not prompted_at):
            prompted_at = _text_or_none(entry.get("timestamp"))
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
            if entry.get("isSidechain") is not True and _is_prompt(_parts(entry)):
                # a line may be written again
                seen.add(_id_of(entry) or f"line {len(seen)}")
    except OSError:
        return None
    return len(seen)


def _parts(entry: dict[str, Any]) -> tuple[Part, ...]:
    """The words of a person in an entry; an image without words counts as some."""
    if entry.get("type") not in ("user", "system", "attachment") or _holds_result(entry):
        return ()
    message = parser.message_of(entry)
    match message:
        case SystemEvent():
            return parts_of_event(message)
        case User() if not _has(message, ToolResult):
            parts = parts_of(message)
            if not parts and _has_image(message):
                return (Prompt("(image)"),)
            return parts
        case _:
            return ()


def _holds_result(entry: dict[str, Any]) -> bool:
    """Whether there is the result of a tool: so it is with nearly all `user` entries."""
    parts = as_list(as_dict(entry.get("message")).get("content"))
    return any(isinstance(part, dict) and part.get("type") == "tool_result" for part in parts)


def _has_image(message: User) -> bool:
    """Whether there is an image, in any form."""
    return any(
        isinstance(content, ImageContent)
        or (isinstance(content, OtherContent) and content.type == "image")
        for content in message.content
    )


def _has(message: User, type_: type) -> bool:
    return any(isinstance(content, type_) for content in message.content)


def _first_words(parts: tuple[Part, ...]) -> str | None:
    return next((part.text for part in parts if isinstance(part, Prompt)), None)


def _first_command(parts: tuple[Part, ...]) -> str | None:
    """A command, for sessions that hold nothing else."""
    for part in parts:
        if isinstance(part, SlashCommand):
            return part.text
        if isinstance(part, ShellCommand) and part.command:
            return f"! {part.command}"
    return None


def _is_prompt(parts: tuple[Part, ...]) -> bool:
    """Whether a person has prompted Claude, in words or with a command that reaches the model."""
    return any(
        isinstance(part, Prompt) or (isinstance(part, SlashCommand) and not part.local)
        for part in parts
    )


def _id_of(entry: dict[str, Any]) -> str | None:
    """The uuid of a prompt; one that waited in the CLI's queue has its own inside."""
    attachment = entry.get("attachment")
    queued = attachment.get("source_uuid") if isinstance(attachment, dict) else None
    return _text_or_none(queued) or _text_or_none(entry.get("uuid"))


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
    return one_line(_encodable(text), TITLE_LENGTH)


def _text_or_none(value: object) -> str | None:
    return _encodable(value) if isinstance(value, str) and value else None


def _encodable(text: str) -> str:
    """JavaScript may split a surrogate pair, and a lone one cannot be encoded as UTF-8."""
    return text.encode("utf-8", "replace").decode()
