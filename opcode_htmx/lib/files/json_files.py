"""Small JSON files with a version number, replaced atomically and never lost.

A file that is damaged, or written by a later version of this program, is left alone: the log names
it once, and before something else is written in its place it is renamed (quarantined).
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
        try:
            return self._read(path)
        except FileNotFoundError:
            return None
        except (OSError, *WRONG_SHAPE) as error:
            _log_once(path, error)
            return None

    def write(
        self,
        path: Path,
        content: dict[str, Any],
        *,
        durable: bool = True,
        is_readable: bool = False,
    ) -> None:
        """Replace a file. Raises OSError, DiskFull among them, and then changes nothing.

        `durable` is that of `atomic_files.write`; `is_readable`: what is there was just read.
        """
        data = json.dumps({"version": self._version, **content}, ensure_ascii=False)
        if not is_readable:
            self.quarantine(path)
        atomic_files.write(path, data.encode("utf-8", "replace"), durable=durable)

    def quarantine(self, path: Path) -> None:
        """Rename the file at `path` if it cannot be parsed. Raises OSError."""
        try:
            self._read(path)
        except FileNotFoundError:
            pass
        except WRONG_SHAPE as error:
            kept = path.with_name(f"{path.name}.unreadable-{time.time_ns()}")
            log.warning("%s cannot be read (%s) and is kept as %s", path, error, kept.name)
            path.rename(kept)

    def _read(self, path: Path) -> T:
        content = bounded_json.loads(path.read_bytes())
        if not isinstance(content, dict):
            raise TypeError("it holds no object")
        version = content.pop("version", 1)
        if not isinstance(version, int) or not 1 <= version <= self._version:
            raise ValueError(f"it is of version {version}, and this program knows {self._version}")
        return self._parse(content)


def _log_once(path: Path, error: Exception) -> None:
    try:
        written = path.stat().st_mtime_ns
    except OSError:
        written = 0
    if _logged.get(path) != written:
        log.warning("%s cannot be read and is left alone: %s", path, error)
        if len(_logged) >= _MAX_LOGGED:
            _logged.clear()
        _logged[path] = written
