"""Read the two ends of a session file: enough for a list, whatever the length of the file.

Knows one file at a time; which files are sessions is for sessions.py. The format is the CLI's and
changes with its releases: a line that is not understood is passed over, never an error.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from . import titles
from .folder_names import OwnFolder
from .prompts import command_of, prompt_of, user_text

HEAD = 256 * 1024  # lines that begin within this many bytes are read in search of a prompt
TAIL = 64 * 1024  # bytes searched, from the end, for the newest time stamp
LONGEST_LINE = 8 * 1024 * 1024  # a first prompt may carry images; beyond this it is passed over
TITLE_LENGTH = 300  # characters kept of a first prompt

_TIMESTAMP = re.compile(rb'"timestamp":"([0-9]{4}-[^"\\]{10,30})"')


@dataclass(frozen=True, slots=True)
class Glance:
    """What the two ends of one file tell; `title` is None if nobody ever prompted.

    `cwd` is the session's own folder, None if no entry has one; see OwnFolder.

    `name` is what the person or else Claude calls the session, if either does.
    """

    title: str | None
    cwd: str | None
    started_at: float
    last_activity: float
    size: int
    mtime_ns: int
    path: Path
    name: str | None = None
    prompted_at: str | None = None
    """The time of the entry that gave the title, as it is written there."""


@lru_cache(maxsize=8192)
def glance(path: Path, size: int, mtime_ns: int) -> Glance:
    """Look at a file whose stat gave `size` and `mtime_ns`; raises OSError."""
    modified = mtime_ns / 1e9
    title: str | None = None
    command: str | None = None
    home = OwnFolder(path.parent.name)
    started_at: float | None = None
    prompted_at: str | None = None
    names: dict[str, str] = {}
    for entry in _head(path):
        names |= titles.in_entry(entry)
        if entry.get("isSidechain") is True:
            continue
        home.see(entry)
        started_at = started_at or _seconds(entry.get("timestamp"))
        text = user_text(entry)
        if text is None:
            continue
        title = title or prompt_of(text)
        command = command or command_of(text)
        if title or (command and not prompted_at):
            prompted_at = _text_or_none(entry.get("timestamp"))
        if title and home.is_sure:
            break
    tail = _tail(path, size)
    for entry in [] if home.is_sure else _whole_lines(tail):
        home.see(entry)
    latest = _last_timestamp(tail)
    name = title or command
    return Glance(
        title=_shorten(name) if name else None,
        cwd=home.path,
        started_at=started_at or modified,
        # A copied file has a new modification time; a clock may have been wrong.
        last_activity=latest if latest and latest <= modified + 60 else modified,
        size=size,
        mtime_ns=mtime_ns,
        path=path,
        name=_shorten(titles.best(names | titles.in_lines(tail))) or None,
        prompted_at=prompted_at,
    )


@lru_cache(maxsize=8192)
def count_prompts(path: Path, size: int, _mtime_ns: int) -> int | None:
    """How often the person prompted; None for a file too long to be read for this."""
    if size > HEAD:
        return None
    try:
        texts = [user_text(entry) for entry in _head(path) if entry.get("isSidechain") is not True]
    except OSError:
        return None
    return sum(1 for text in texts if text and (prompt_of(text) or command_of(text)))


def _head(path: Path) -> Iterator[dict[str, Any]]:
    """The entries that begin within the first HEAD bytes; what cannot be read is left out."""
    with path.open("rb") as file:
        while file.tell() < HEAD and (line := file.readline(LONGEST_LINE)):
            try:
                entry = json.loads(line)
            except (ValueError, RecursionError):
                continue
            if isinstance(entry, dict):
                yield entry


def _tail(path: Path, size: int) -> bytes:
    with path.open("rb") as file:
        file.seek(max(0, size - TAIL))
        return file.read(TAIL)


def _whole_lines(tail: bytes) -> Iterator[dict[str, Any]]:
    """The entries in the end of a file that say where they were written."""
    for line in tail.splitlines():
        if b'"cwd"' in line:
            try:
                entry = json.loads(line)
            except (ValueError, RecursionError):
                continue
            if isinstance(entry, dict) and entry.get("isSidechain") is not True:
                yield entry


def _last_timestamp(tail: bytes) -> float | None:
    stamps = _TIMESTAMP.findall(tail)
    return next(filter(None, (_seconds(s.decode("latin-1")) for s in reversed(stamps))), None)


def _shorten(text: str) -> str:
    words = " ".join(_encodable(text).split())
    return words if len(words) <= TITLE_LENGTH else words[: TITLE_LENGTH - 1] + "…"


def _text_or_none(value: object) -> str | None:
    return _encodable(value) if isinstance(value, str) and value else None


def _encodable(text: str) -> str:
    """JavaScript cuts strings between surrogates, and half of a pair cannot be sent as UTF-8."""
    return text.encode("utf-8", "replace").decode()


def _seconds(stamp: object) -> float | None:
    if not isinstance(stamp, str):
        return None
    try:
        return datetime.fromisoformat(stamp).timestamp()
    except (ValueError, OverflowError):
        return None
