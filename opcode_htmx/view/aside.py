"""What stands around the transcript: the status line, prompts that wait, stderr, the Stop button.

Small, and sent whole whenever it differs from what a viewer has. Times are sent as moments; the
page counts, so that nothing has to be sent for a second that passes.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from jinja2 import Environment
from markupsafe import Markup

from ..drafts import Draft
from ..runs.folder import Outcome
from ..runs.phases import Phase
from ..runs.queue import queue
from ..runs.run import ERROR_LINES, Run
from . import todos
from .blocks import Block, ToolBlock
from .doing import asked, doing
from .progress import Progress

_SAYS = {
    Phase.STARTING: "Starting Claude…",
    Phase.WORKING: "Working…",
    Phase.WAITING: "Waiting for your answer",
    Phase.IDLE: "Ready for the next prompt",
    Phase.STOPPING: "Stopping…",
}


class Aside:
    def __init__(self, environment: Environment) -> None:
        self._macros = environment.get_template("aside.html").module
        self._since: tuple[object, float] = (None, 0.0)

    def parts(
        self,
        run: Run | None,
        current: Block | None = None,
        progress: Progress | None = None,
        needs: int = 0,
        noted: Sequence[todos.Todo] = (),
        earlier: Sequence[Run] = (),
        room: str = "",
    ) -> dict[str, Markup]:
        """The elements by id, each complete with its id, for a session whose newest run is `run`.

        `current` is what goes on in it, `needs` how many other sessions need the person, `noted`
        what Claude has to do, in its own words, `earlier` the runs of which prompts may be left,
        `room` what is to be said about the server's disk.
        An empty element stands where there is nothing to show, so that it can be replaced.
        """
        live = run is not None and run.live
        queued = queue([*earlier, *([run] if run else [])])
        errors = error_lines(run) if run and run.live else []
        progress = progress or Progress()
        since = self._begin(run, current, progress)
        return {
            "status": self._macros.status(phase_of(run), status_text(run, current)),  # type: ignore[attr-defined]
            "since": self._macros.since(about(run), since, _clock(since)),  # type: ignore[attr-defined]
            "usage": self._macros.usage(progress, _percent(progress), _short(progress.tokens)),  # type: ignore[attr-defined]
            "warnings": self._macros.warnings(warnings_of(run, room)),  # type: ignore[attr-defined]
            "queue": self._macros.queue(queued),  # type: ignore[attr-defined]
            "errors": self._macros.errors(errors),  # type: ignore[attr-defined]
            "todos": self._macros.todos(noted, todos.done(noted), todos.headline(noted)),  # type: ignore[attr-defined]
            "stop": self._macros.stop(run.id if run and live else "", phase_of(run)),  # type: ignore[attr-defined]
            "needs": self._macros.needs(needs),  # type: ignore[attr-defined]
        }

    def draft(self, draft: Draft, address: str) -> dict[str, Markup]:
        """What has been typed and chosen in the session whose page is at `address`."""
        return {
            "draft": self._macros.draft(draft),  # type: ignore[attr-defined]
            "attached": self._macros.attached(draft.files, address),  # type: ignore[attr-defined]
        }

    def _begin(self, run: Run | None, current: Block | None, progress: Progress) -> float:
        """Since when the status has been what it is, as a Unix time."""
        if run is None:
            return 0.0
        if run.record.end:
            return run.record.end.at
        working = run.phase is Phase.WORKING
        if working and isinstance(current, ToolBlock) and current.id in progress.began:
            return progress.began[current.id]
        key = run.id, run.phase, status_text(run, current)
        if self._since[0] != key:
            # What changed the status was a line, and the newest line is as old as the file
            starting = run.phase is Phase.STARTING
            began = run.record.created_at if starting else run.folder.last_output()
            self._since = key, began
        return self._since[1]


def warnings_of(run: Run | None, room: str = "") -> list[str]:
    """What comes near to a limit, in sentences."""
    of_run = run.warnings.values() if run and run.live else ()
    return [sentence for sentence in (room, *of_run) if sentence]


def phase_of(run: Run | None) -> Phase:
    return run.phase if run else Phase.ENDED


def status_text(run: Run | None, current: Block | None = None) -> str:
    """The state of a session in a few words; `current` tells what Claude is doing."""
    if run is None:
        return "Not running. A prompt goes on with this session."
    end = run.record.end
    if end is None:
        return (run.phase is Phase.WORKING and doing(current)) or _SAYS.get(run.phase, "")
    if end.outcome is Outcome.COMPLETED:
        return f"{end.cause} A prompt goes on with this session."
    return end.cause


def about(run: Run | None) -> str:
    """What the person is asked for; empty if nothing."""
    if run is None or run.phase is not Phase.WAITING:
        return ""
    return next((asked(request) for request in run.state.asks.values()), "")


def error_lines(run: Run) -> list[str]:
    """The last lines of Claude's stderr; as the record has them if the file is gone."""
    try:
        return run.folder.error_lines(ERROR_LINES)
    except FileNotFoundError:
        return list(run.record.end.stderr) if run.record.end else []


def _clock(moment: float) -> str:
    return time.strftime("%H:%M", time.localtime(moment)) if moment else ""


def _percent(progress: Progress) -> int:
    """How much of what the model can have in mind is used; 0 if nobody knows."""
    if not progress.tokens or not progress.window:
        return 0
    return min(100, max(1, round(100 * progress.tokens / progress.window)))


def _short(tokens: int) -> str:
    return f"{tokens / 1000:.0f}k" if tokens >= 1000 else str(tokens)
