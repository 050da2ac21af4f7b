"""Give a session a name that was chosen before Claude has noted anything of it.

A name is a line in Claude's own file, which Claude makes with the first prompt.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import gevent

from ..claude import titles
from ..runs.run import Run
from ..runs.supervisor import Supervisor

log = logging.getLogger(__name__)

LOOK_ROUND_SECONDS = 2.0


class Naming:
    def __init__(self, supervisor: Supervisor, history_file: Callable[[str], Path | None]) -> None:
        self._supervisor = supervisor
        self._history_file = history_file

    def name(self, run: Run, name: str) -> None:
        """Call the session of `run` so, as soon as there is a place for it."""
        gevent.spawn(self._name, run, name)

    def _name(self, run: Run, name: str) -> None:
        session_id = run.record.session_id
        written = self._supervisor.written(session_id)
        while True:
            seen, live = written.version, run.live
            path = self._history_file(session_id)
            if path:
                try:
                    titles.give(path, session_id, name)
                except OSError:
                    log.exception("the session %s could not be named", session_id)
                return
            if not live:
                return
            written.wait(seen, LOOK_ROUND_SECONDS)
