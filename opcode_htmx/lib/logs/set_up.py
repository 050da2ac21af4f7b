"""Set up logging for a process: to stderr, and to files that the page of the log reads."""

from __future__ import annotations

import json
import logging
from dataclasses import asdict
from pathlib import Path
from typing import Self

from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.logs.formats import JsonFormatter, LogFormatter
from opcode_htmx.lib.logs.log_files import LogFiles, LogFilesHandler

LEVELS = ("debug", "info", "warning", "error")
FORMATS = ("text", "json")
OURS = "opcode_htmx"


@dataclass(frozen=True, slots=True)
class LogOptions:
    """What is logged, where, and in which form."""

    level: str = "info"
    format: str = "text"
    """That of stderr; the files always hold JSON."""
    folder: Path | None = None
    """Where the files are; None for none."""
    total: int = 0
    """Bytes of all files; 0 is without limit."""
    keep: float = 0.0
    """Seconds for which a file is kept; 0 is without limit."""
    stderr: str = "debug"
    """The least level that is also written to stderr."""

    def as_argument(self) -> str:
        """These, for a process of ours that logs to the same files."""
        folder = None if self.folder is None else str(self.folder)
        return json.dumps({**asdict(self), "folder": folder})

    @classmethod
    def of_argument(cls, text: str) -> Self:
        """The opposite."""
        found = json.loads(text)
        folder = found.pop("folder")
        return cls(folder=None if folder is None else Path(folder), **found)


class _Stderr(logging.StreamHandler):  # type: ignore[type-arg]
    """Ours, which another set-up takes the place of."""


def set_up(options: LogOptions) -> None:
    """Log to the files, and to stderr unless the process logs somewhere already.

    May be called again: the last one holds. Libraries log from INFO on, whatever our own level.
    """
    root = logging.getLogger()
    for handler in list(root.handlers):
        if isinstance(handler, _Stderr | LogFilesHandler):
            root.removeHandler(handler)
            handler.close()
    if not root.handlers:
        level = logging.getLevelNamesMapping()[options.level.upper()]
        root.setLevel(max(level, logging.INFO))
        logging.getLogger(OURS).setLevel(level)
        stderr = _Stderr()
        stderr.setLevel(options.stderr.upper())
        stderr.setFormatter(JsonFormatter() if options.format == "json" else LogFormatter())
        root.addHandler(stderr)
    if options.folder is not None:
        files = LogFiles(options.folder, options.total, options.keep)
        root.addHandler(LogFilesHandler(files))


def files() -> LogFiles | None:
    """The files that this process logs to; None without any."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, LogFilesHandler):
            return handler.files
    return None
