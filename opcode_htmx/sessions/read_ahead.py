"""Reads the files of all sessions once, beside the requests."""

from __future__ import annotations

import logging
from pathlib import Path

import gevent

from opcode_htmx.engines.claude.files import sessions
from opcode_htmx.engines.claude.files.lists import folder_summaries

log = logging.getLogger(__name__)


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
            folder_summaries.save(has_read_all=True)
        except Exception:
            log.exception("could not read the sessions ahead")
            self._has_begun = False
