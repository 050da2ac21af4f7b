"""Small JSON files of ours: in place whole or not at all, each with its version, and none lost.

One that is damaged, or of a later version of this program, is left alone: the log names it once,
and whoever has to write in its place puts it aside under another name first.
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

_TOLD = 1000
_told: dict[Path, int] = {}
"""The files that the log has named, by when they were written: pages ask many times a second."""


class JsonFileSchema(Generic[T]):
    """What files of one kind hold."""

    def __init__(self, version: int, parse: Callable[[dict[str, Any]], T]) -> None:
        """`parse` makes of the content what it means, or raises what one raises at wrong shapes.

        It also gets what earlier versions wrote; version 1 is what bears no number.
        """
        self._version = version
        self._parse = parse

    def read(self, path: Path) -> T | None:
        """What is in a file; None if there is none, or none that can be read. Raises no error."""
        try:
            return self._read(path)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            _tell(path, error)
            return None

    def write(self, path: Path, content: dict[str, Any], *, durable: bool = True) -> None:
        """Replace a file. Raises OSError, DiskFull among them, and changes nothing then."""
        data = json.dumps({"version": self._version, **content}, ensure_ascii=False)
        self.quarantine(path)
        atomic_files.write(path, data.encode("utf-8", "replace"), durable=durable)

    def quarantine(self, path: Path) -> None:
        """Keep under another name what stands at `path` and cannot be read."""
        try:
            self._read(path)
        except FileNotFoundError:
            pass
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            aside = path.with_name(f"{path.name}.unreadable-{time.time_ns()}")
            log.warning("%s cannot be read (%s) and is kept as %s", path, error, aside.name)
            path.rename(aside)

    def _read(self, path: Path) -> T:
        content = bounded_json.loads(path.read_bytes())
        if not isinstance(content, dict):
            raise TypeError("it holds no object")
        version = content.pop("version", 1)
        if not isinstance(version, int) or not 1 <= version <= self._version:
            raise ValueError(f"it is of version {version}, and this program knows {self._version}")
        return self._parse(content)


def _tell(path: Path, error: Exception) -> None:
    try:
        written = path.stat().st_mtime_ns
    except OSError:
        written = 0
    if _told.get(path) != written:
        log.warning("%s cannot be read and is left alone: %s", path, error)
        if len(_told) >= _TOLD:
            _told.clear()
        _told[path] = written
