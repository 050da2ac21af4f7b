"""Rename a session that has no history file yet, as soon as it has one.

A title is a line in Claude's own file, which Claude creates with the first prompt.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import gevent

from opcode_htmx.engines.claude.files import titles
from opcode_htmx.runs.control.run import Run
from opcode_htmx.runs.model.lifecycle import Phase

log = logging.getLogger(__name__)

POLL_SECONDS = 2.0


class DeferredRename:
    def __init__(self, history_file: Callable[[str], Path | None]) -> None:
        """`history_file` finds Claude's file of a session."""
        self._history_file = history_file

    def schedule(self, run: Run, title: str) -> None:
        """Give the session of `run` its title when its first turn is over.

        The lines of a turn may be long, and titles are looked for near the end of the file.
        """
        gevent.spawn(self._rename, run, title)

    def _rename(self, run: Run, title: str) -> None:
        session_id = run.record.session_id
        while run.live and not (run.state.turns and run.phase is Phase.IDLE):
            run.changed.wait(run.changed.version, POLL_SECONDS)
        path = self._history_file(session_id)
        try:
            if path:
                titles.set_title(path, session_id, title)
        except OSError:
            log.exception("could not rename session %s", session_id)
