"""The longest stall of the event loop while very long and extreme sessions are rendered."""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path

from bench.data import edge_cases, history, material
from bench.figures import Figure, Target
from bench.server import health, running_server
from opcode_htmx.engines.claude.files.history import project_id
from tests.support.environment import Sandbox, write_stand_in
from tests.support.server import Server

HISTORY_BYTES = 20_000_000
LONG_ANSWER = 100_000
"""Characters of one answer among the others."""

LIMIT = Target("worst", 50)
QUIET_SECONDS = 2.1
"""Before each request, so that no second of its measurement has work of the one before."""


def measure() -> list[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        sandbox = Sandbox(home / "home").make()
        address = long_session(sandbox)
        with running_server(sandbox, write_stand_in(home / "claude")) as server:
            time.sleep(QUIET_SECONDS)
            idle = health(server, 2)["worst_lately_ms"]
            figures = []
            odd = edge_cases.write(files_of(sandbox), sandbox.project)
            pages = {
                f"A page with {what}": f"{address.rpartition('/')[0]}/{session_id}"
                for what, session_id in odd.items()
            }
            for what, path in {**requests_of(address), **pages}.items():
                worst = stall_of(server, path)
                figures.append(Figure(what, "ms", [worst], "no request", [idle], LIMIT))
            return figures


def requests_of(address: str) -> dict[str, str]:
    """The requested paths, by description."""
    api = f"/api/sessions/{history.SESSION_ID}/history/{address.split('/')[2]}"
    return {
        "The page of a session of 20 MB, first": address,
        "The page again": address,
        "Search in it": f"{address}/search?q=the",
        "Its history as JSON": api,
        "Taken along as Markdown": f"{address}/export.md",
        "Taken along as HTML": f"{address}/export.html",
        "The list of its project": address.partition("/sessions/")[0],
        "The API's list of sessions": "/api/projects",
    }


def long_session(sandbox: Sandbox) -> str:
    """Create a session of HISTORY_BYTES; return the address of its page."""
    file = files_of(sandbox) / f"{history.SESSION_ID}.jsonl"
    history.write(file, sandbox.project, turns=len(material.MODULES))
    entries = file.read_bytes()
    with file.open("ab") as more:
        for copy in range(HISTORY_BYTES // len(entries)):
            again = entries
            for id_ in (b'"toolu_', b'"msg_', b'"uuid": "'):
                again = again.replace(id_, b"%s%d" % (id_, copy))
            more.write(again)
        message = {"id": "msg_long", "role": "assistant", "content": material.answer(LONG_ANSWER)}
        entry = {**json.loads(entries.splitlines()[-1]), "uuid": "long", "message": message}
        more.write(json.dumps(entry).encode() + b"\n")
    return f"/projects/{project_id(sandbox.project)}/sessions/{history.SESSION_ID}"


def files_of(sandbox: Sandbox) -> Path:
    """The CLI's folder for the sessions of the sandbox's project."""
    return sandbox.config_dir / "projects" / project_id(sandbox.project)


def stall_of(server: Server, path: str) -> float:
    """The longest stall, in ms, while `path` is answered."""
    time.sleep(QUIET_SECONDS)
    began = time.monotonic()
    answer = server.get(path)
    assert answer.ok, (path, answer.status_code)
    time.sleep(0.1)
    # The server counts by whole seconds of its clock: the first may have begun before the request
    seconds = min(int(time.monotonic() - began) + 2, 60)
    worst: float = health(server, seconds)["worst_lately_ms"]
    return worst
