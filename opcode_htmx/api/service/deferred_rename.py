"""Give a session a name that was chosen before Claude has noted anything of it.

A name is a line in Claude's own file, which Claude makes with the first prompt.
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

LOOK_ROUND_SECONDS = 2.0


class DeferredRename:
    def __init__(self, history_file: Callable[[str], Path | None]) -> None:
        self._history_file = history_file

    def name(self, run: Run, name: str) -> None:
        """Call the session of `run` so, when its first turn is over.

        What Claude notes in a turn may be long, and names are looked for near the end of the file.
        """
        gevent.spawn(self._name, run, name)

    def _name(self, run: Run, name: str) -> None:
        session_id = run.record.session_id
        while run.live and not (run.state.turns and run.phase is Phase.IDLE):
            run.changed.wait(run.changed.version, LOOK_ROUND_SECONDS)
        path = self._history_file(session_id)
        try:
            if path:
                titles.set_title(path, session_id, name)
        except OSError:
            log.exception("the session %s could not be named", session_id)
