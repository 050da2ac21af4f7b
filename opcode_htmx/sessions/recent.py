"""The sessions of all projects that were used last."""

from __future__ import annotations

import contextlib
import heapq
from collections.abc import Iterator
from pathlib import Path

from opcode_htmx.engines.claude.files import history, sessions
from opcode_htmx.engines.claude.files.session_summary import FileSummary


def recent_sessions(config_dir: Path, most: int) -> list[FileSummary]:
    """At most `most` sessions, the last used first."""
    return heapq.nlargest(most, _newest(config_dir, most), key=lambda each: each.last_activity)


def _newest(config_dir: Path, most: int) -> Iterator[FileSummary]:
    for folder in history.claude_folders(config_dir):
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):  # deleted just now
            yield from sessions.summaries(folder)[:most]
