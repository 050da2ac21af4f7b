"""Find a session by either id: Claude's own, or that of one of its runs here."""

from __future__ import annotations

from ..runs.supervisor import RunNotFound, Supervisor


def session_id_of(supervisor: Supervisor, given: str) -> str:
    """Claude's id of the session; what is no run's id is taken for Claude's own."""
    given = given.lower()
    try:
        return supervisor.get(given).record.session_id
    except RunNotFound:
        return given
