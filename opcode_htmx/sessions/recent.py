"""The sessions of all projects that were used last, and reading the others ahead."""

from __future__ import annotations

import logging
from pathlib import Path

import gevent

from opcode_htmx.engines.claude.files import sessions
from opcode_htmx.engines.claude.files.session_summary import FileSummary

log = logging.getLogger(__name__)


def recent_sessions(config_dir: Path, most: int) -> list[FileSummary]:
    """At most `most` sessions, the last used first. Reads the newest files only."""
    return sessions.recent(config_dir, most)


class ReadAhead:
    """Reads the files of all projects beside the requests, so that later lists need not."""

    def __init__(self, config_dir: Path) -> None:
        self._config_dir = config_dir
        self._has_begun = False

    def begin(self) -> None:
        """Begin to read, the first time that it is called."""
        if not self._has_begun:
            self._has_begun = True
            gevent.spawn(self._read)

    def _read(self) -> None:
        try:
            sessions.projects(self._config_dir)
        except Exception:
            log.exception("could not read the sessions ahead")
            self._has_begun = False
