"""Keeps what was read of the session files from one start to the next, in one file.

A summary counts for a file of the same name, size and times, as those in memory do.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

from opcode_htmx.engines.claude.files.links import ENDING
from opcode_htmx.engines.claude.files.session_listing import File
from opcode_htmx.engines.claude.files.session_summary import FileSummary, count_prompts
from opcode_htmx.lib.files import atomic_files

log = logging.getLogger(__name__)

VERSION = 1
"""Changes with what session_summary.py finds in a file."""

Rows = dict[str, dict[str, Any]]
"""A row has what is in a summary and, where they were counted, the number of prompts."""


class KeptSummaries:
    """The summaries in the file at `path`, which may be missing or damaged; None: none are kept."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._rows: Rows = {}
        """By folder and name: those that were not asked for yet."""
        self.is_loaded = path is None
        self.is_behind = False
        """Whether a file was read, or is gone, that the last save had not."""

    def load(self) -> None:
        """Read the file, once."""
        if self.is_loaded or self._path is None:
            return
        self.is_loaded = True
        try:
            found = orjson.loads(self._path.read_bytes())
            if found["version"] == VERSION:
                self._rows = {str(folder): dict(rows) for folder, rows in found["files"].items()}
        except FileNotFoundError:
            pass
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            log.warning("%s cannot be read, and is made anew: %s", self._path, error)

    def take(self, folder: Path, file: File) -> FileSummary | None:
        """The summary of a file as it is; None where that is not known. Each is returned once."""
        rows = self._rows.get(str(folder))
        row = rows.pop(file.name, None) if rows else None
        match row:
            case [
                [int(size), int(mtime_ns), int(ctime_ns)],
                str() | None as title,
                str() | None as cwd,
                float(started_at),
                float(last_activity),
                str() | None as name,
                str() | None as prompted_at,
                *counted,
            ] if (size, mtime_ns, ctime_ns) == file[1:]:
                match counted:
                    case [int(prompts)]:
                        count_prompts.keep(f"{folder}/{file.name}", size, mtime_ns, prompts)
                where = folder, file.name.removesuffix(ENDING)
                cwd = sys.intern(cwd) if cwd else None
                times = started_at, last_activity
                return FileSummary(title, cwd, *times, size, mtime_ns, *where, name, prompted_at)
            case _:
                return None

    def drop_rest(self) -> None:
        """Drop those that were not asked for although all files were: their files are gone."""
        self.is_loaded = True
        self._rows = {}

    def save(self, read: Mapping[Path, Mapping[str, tuple[File, FileSummary | None]]]) -> None:
        """Write what was read by now, with what was not asked for yet. Raises nothing."""
        if self._path is None:
            return
        self.load()  # else those of all files that nobody has asked for would be lost
        files = {folder: dict(rows) for folder, rows in self._rows.items()}
        for folder, entries in read.items():
            rows = files.setdefault(str(folder), {})
            for name, (file, each) in entries.items():
                if each is not None:
                    times = each.started_at, each.last_activity
                    more = each.name, each.prompted_at
                    rows[name] = [file[1:], each.title, each.cwd, *map(float, times), *more]
                    prompts = count_prompts.known(f"{folder}/{name}", file.size, file.mtime_ns)
                    if prompts is not None:
                        rows[name].append(prompts)
        try:
            data = orjson.dumps({"version": VERSION, "files": files})
            atomic_files.write(self._path, data, durable=False)
        except (OSError, TypeError) as error:  # orjson takes no half of a character, either
            log.warning("%s cannot be written: %s", self._path, error)
