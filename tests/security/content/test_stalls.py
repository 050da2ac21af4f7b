"""A server that renders hostile sessions answers other requests meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from opcode_htmx.engines.claude.files.history import project_id
from tests.security.content import hostile_sessions
from tests.security.content.asking import Asking
from tests.support.environment import Sandbox
from tests.support.server import Server

HOSTILE = (
    "a prompt of 9,000 blanks in a tag",
    "an error with blanks",
    "a long table",
    "a report of line ends",
    "search results of line ends",
    "a change of much that repeats",
)
"""Some of the sessions, each of which takes many seconds without bounds."""
PATIENCE = 5.0
"""Seconds, for a machine that has much else to do; without bounds some texts take a minute."""


def test_hostile_sessions_are_shown_while_others_are_answered(
    sandbox: Sandbox, stand_in: Path, start_server: Callable[..., Server]
) -> None:
    assert set(HOSTILE) <= set(hostile_sessions.sessions(1000))
    name = project_id(sandbox.project)
    folder = sandbox.config_dir / "projects" / name
    ids = hostile_sessions.write(folder, sandbox.project, only=HOSTILE)
    server = start_server(sandbox, stand_in)
    with Asking(server) as asking:
        assert server.get("/").ok
        assert server.get(f"/projects/{name}").ok
        for what, session_id in ids.items():
            page = server.get(f"/projects/{name}/sessions/{session_id}")
            assert page.ok, (what, page.status_code)
    assert max(asking.took) < PATIENCE
