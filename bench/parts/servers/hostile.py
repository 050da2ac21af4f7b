"""Response time of other requests while sessions crafted to be slow are rendered."""

from __future__ import annotations

import tempfile
from pathlib import Path

from bench.figures import Figure, Target
from bench.parts.servers.stalls import files_of
from bench.server import running_server
from tests.security.content import hostile_sessions
from tests.security.content.asking import Asking
from tests.support.environment import Sandbox, write_stand_in
from tests.support.server import Server

LIMIT = Target("p99", 100)
ASKED_OF_IDLE = 200


def measure() -> list[Figure]:
    """Milliseconds of each answer to `/healthz`."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        sandbox = Sandbox(home / "home").make()
        files = files_of(sandbox)
        ids = hostile_sessions.write(files, sandbox.project)
        with running_server(sandbox, write_stand_in(home / "claude")) as server:
            project = f"/projects/{files.name}"
            with Asking(server) as idle:
                idle.wait_for(ASKED_OF_IDLE)
            lists = during(server, "/", project, "/api/projects")
            pages = during(server, *(f"{project}/sessions/{each}" for each in ids.values()))
            more = (f"{project}/sessions/{each}/export.html" for each in ids.values())
            exports = during(server, *more)
    floor = [1e3 * each for each in idle.took]
    return [
        Figure(f"/healthz while {what}", "ms", took, "no other request", floor, LIMIT)
        for what, took in (
            ("hostile sessions are listed", lists),
            (f"{len(ids)} hostile sessions are shown", pages),
            ("they are taken along as HTML", exports),
        )
    ]


def during(server: Server, *paths: str) -> list[float]:
    """Milliseconds of each response to another client while these pages were rendered."""
    with Asking(server) as asking:
        for path in paths:
            answer = server.get(path)
            assert answer.ok, (path, answer.status_code)
    return [1e3 * each for each in asking.took]
