"""What stands around the transcript: the status line, prompts that wait, stderr, the Stop button.

Small, and sent whole whenever it differs from what a viewer has.
"""

from __future__ import annotations

from collections.abc import Sequence

from jinja2 import Environment
from markupsafe import Markup

from ..drafts import Draft
from ..runs.folder import Outcome
from ..runs.phases import Phase
from ..runs.queue import queue
from ..runs.run import ERROR_LINES, Run

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

    def parts(self, run: Run | None, earlier: Sequence[Run] = ()) -> dict[str, Markup]:
        """The elements by id, each complete with its id, for a session whose newest run is `run`.

        `earlier` are the runs before it, of which prompts may be left.
        An empty element stands where there is nothing to show, so that it can be replaced.
        """
        live = run is not None and run.live
        queued = queue([*earlier, *([run] if run else [])])
        errors = error_lines(run) if run and run.live else []
        return {
            "status": self._macros.status(phase_of(run), status_text(run)),  # type: ignore[attr-defined]
            "queue": self._macros.queue(queued),  # type: ignore[attr-defined]
            "errors": self._macros.errors(errors),  # type: ignore[attr-defined]
            "stop": self._macros.stop(run.id if run and live else "", phase_of(run)),  # type: ignore[attr-defined]
        }

    def draft(self, draft: Draft, address: str) -> dict[str, Markup]:
        """What has been typed and chosen in the session whose page is at `address`."""
        return {
            "draft": self._macros.draft(draft),  # type: ignore[attr-defined]
            "attached": self._macros.attached(draft.files, address),  # type: ignore[attr-defined]
        }


def phase_of(run: Run | None) -> Phase:
    return run.phase if run else Phase.ENDED


def status_text(run: Run | None) -> str:
    """The state of a session in a few words."""
    if run is None:
        return "Not running. A prompt goes on with this session."
    end = run.record.end
    if end is None:
        return _SAYS.get(run.phase, "")
    if end.outcome is Outcome.COMPLETED:
        return f"{end.cause} A prompt goes on with this session."
    return end.cause


def error_lines(run: Run) -> list[str]:
    """The last lines of Claude's stderr; none if the run's folder was cleared away."""
    try:
        return run.folder.error_lines(ERROR_LINES)
    except FileNotFoundError:
        return []
