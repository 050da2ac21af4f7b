"""Have running sessions load the plugins again."""

from __future__ import annotations

from collections.abc import Iterable

import gevent

from opcode_htmx.engines.requests import Query
from opcode_htmx.runs.control import control_requests
from opcode_htmx.runs.control.control_requests import ControlRefused
from opcode_htmx.runs.control.run import Run, RunNotLive

RELOAD = Query("reload_plugins")
RELOAD_SECONDS = 30.0


def reloaded(runs: Iterable[Run]) -> str:
    """Have running sessions use the plugins as they are now; a sentence on it, if there are any."""

    def reload(run: Run) -> bool:
        try:
            control_requests.ask(run, RELOAD, RELOAD_SECONDS)
        except (ControlRefused, RunNotLive):
            return False
        return True

    asked = [gevent.spawn(reload, run) for run in runs if not run.is_unused]
    gevent.joinall(asked)
    done = sum(each.value is True for each in asked)
    if not asked:
        return ""
    sessions = "1 running session uses" if done == 1 else f"{done} running sessions use"
    rest = len(asked) - done
    late = f" {rest} did not answer, and will once they are started again." if rest else ""
    return f"{sessions} it now.{late}"
