"""Small JSON files with a version number, replaced atomically and never lost.

A file that is damaged, or written by a later version of this program, is left alone: the log names
it once, and before something else is written in its place it is renamed (quarantined). One of which
the good parts are read is copied then.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Generic, TypeVar

from opcode_htmx.lib import bounded_json
from opcode_htmx.lib.files import atomic_files

T = TypeVar("T")
log = logging.getLogger(__name__)

WRONG_SHAPE = (ValueError, KeyError, TypeError, AttributeError, IndexError, OverflowError)
_MAX_LOGGED = 1000
_MOST_NAMED = 5
"""Of what is damaged in a file, in the log."""
_logged: dict[Path, int] = {}
"""Files that the log has named, with their mtimes (ns): pages read them many times a second."""


class JsonFileSchema(Generic[T]):
    """The version and the parser of one kind of file."""

    def __init__(self, version: int, parse: Callable[[dict[str, Any]], T]) -> None:
        """`parse` gets the object in a file, also those that earlier versions wrote.

        It raises one of WRONG_SHAPE for a wrong shape. A file without a version is of version 1.
        """
        self._version = version
        self._parse = parse

    def read(self, path: Path) -> T | None:
        """The parsed content; None if the file is missing or cannot be read. Raises nothing."""
        return self.load(path)[0]

    def load(self, path: Path) -> tuple[T | None, bool]:
        """As `read`, and whether that is all of the file: then it can be replaced."""
        try:
            value, left_out = self._read(path)
        except FileNotFoundError:
            return None, False
        except (OSError, *WRONG_SHAPE) as error:
            _log_once(path, "%s cannot be read and is left alone: %s", error)
            return None, False
        if left_out:
            _log_once(path, "%s is damaged, and left out is %s", _named(left_out))
        return value, not left_out

    def write(
        self,
        path: Path,
        content: dict[str, Any],
        *,
        durable: bool = True,
        is_readable: bool = False,
    ) -> None:
        """Replace a file. Raises OSError, DiskFull among them, and then changes nothing.

        `durable` is that of `atomic_files.write`; `is_readable`: all that is there was just read.
        """
        data = json.dumps({"version": self._version, **content}, ensure_ascii=False)
        if not is_readable:
            self.quarantine(path)
        atomic_files.write(path, data.encode("utf-8", "replace"), durable=durable)

    def quarantine(self, path: Path) -> None:
        """Rename the file at `path` if it cannot be parsed; copy it if a part of it cannot.

        Raises OSError.
        """
        try:
            _, left_out = self._read(path)
            if left_out:
                _copy_once(path)
        except FileNotFoundError:
            pass
        except WRONG_SHAPE as error:
            kept = path.with_name(f"{path.name}.unreadable-{time.time_ns()}")
            log.warning("%s cannot be read (%s) and is kept as %s", path, error, kept.name)
            path.rename(kept)

    def _read(self, path: Path) -> tuple[T, list[str]]:
        """The content, and what of it is left out."""
        content = bounded_json.loads(path.read_bytes())
        if not isinstance(content, dict):
            raise TypeError("it holds no object")
        version = content.pop("version", 1)
        if not isinstance(version, int) or not 1 <= version <= self._version:
            raise ValueError(f"it is of version {version}, and this program knows {self._version}")
        return self._parsed(content)

    def _parsed(self, content: dict[str, Any]) -> tuple[T, list[str]]:
        return self._parse(content), []


class PartialJsonFileSchema(JsonFileSchema[T]):
    """Of a file with the entries of many things: the good ones of a damaged file are read."""

    def __init__(self, version: int, parse: Callable[[dict[str, Any], list[str]], T]) -> None:
        """`parse` is that of JsonFileSchema; it adds the names of what it leaves out to a list."""
        super().__init__(version, lambda content: parse(content, []))
        self._parse_good = parse

    def _parsed(self, content: dict[str, Any]) -> tuple[T, list[str]]:
        left_out = list[str]()
        return self._parse_good(content, left_out), left_out


def _named(left_out: list[str]) -> str:
    more = len(left_out) - _MOST_NAMED
    shown = ", ".join(each[:100] for each in left_out[:_MOST_NAMED])
    return repr(shown) + (f" and {more} more" if more > 0 else "")


def _copy_once(path: Path) -> None:
    """Keep a copy of a file; a second try, after what followed has failed, makes no second one."""
    kept = path.with_name(f"{path.name}.unreadable-{path.stat().st_mtime_ns}")
    if not kept.exists():
        atomic_files.write(kept, path.read_bytes())
        log.warning("a part of %s cannot be read, and a copy is kept as %s", path, kept.name)


def _log_once(path: Path, words: str, what: Exception | str) -> None:
    """`words` with the path and `what`, once for each content of the file."""
    try:
        written = path.stat().st_mtime_ns
    except OSError:
        written = 0
    if _logged.get(path) != written:
        log.warning(words, path, what)
        if len(_logged) >= _MAX_LOGGED:
            _logged.clear()
        _logged[path] = written
