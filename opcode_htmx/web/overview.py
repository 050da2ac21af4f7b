"""The list of what needs the person, and of what runs, across all projects."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from flask import render_template

from ..claude import history
from ..runs.run import Run
from ..view.aside import about, status_text, warnings_of
from ..view.needs import Need


@dataclass(frozen=True, slots=True)
class RunRow:
    """One line of the list, about a session by its newest run; `at` is a Unix time."""

    id: str
    project_id: str
    project_path: str
    session_id: str
    title: str
    phase: str
    status: str
    at: float
    live: bool
    warnings: Sequence[str] = ()


def page(
    live: Sequence[Run], needs: Sequence[Need], title_of: Callable[[Run], str], room: str = ""
) -> str:
    """`room` is what is to be said about the server's disk."""
    needy = {need.run.id for need in needs}
    return render_template(
        "runs.html",
        room=room,
        needs=[_row(need.run, title_of, need.reason, need.text, need.at) for need in needs],
        runs=[
            _row(run, title_of, run.phase, _status(run), run.record.created_at)
            for run in live
            if run.id not in needy
        ],
    )


def _status(run: Run) -> str:
    return ": ".join(filter(None, (status_text(run), about(run))))


def _row(run: Run, title_of: Callable[[Run], str], phase: str, status: str, at: float) -> RunRow:
    return RunRow(
        id=run.id,
        project_id=history.project_id(Path(run.record.project_path)),
        project_path=run.record.project_path,
        session_id=run.record.session_id,
        title=title_of(run),
        phase=phase,
        status=status,
        at=at,
        live=run.live,
        warnings=warnings_of(run),
    )
