"""Several workers of real gunicorn: they show and steer the same runs and outlive one another.

Which worker answers is chance; where a test has to choose, two servers over the same state folder
stand in for two workers.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from playwright.sync_api import expect

from opcode_htmx.claude import history

from .browser import Phone
from .json_client import connected
from .support import ROOT, Sandbox, Server, processes_of, until
from .supervision import steps

Start = Callable[..., Server]
FOREVER = ["wait", "/no/such/file"]


@pytest.fixture
def servers(start_server: Start, sandbox: Sandbox, stand_in: Path) -> tuple[Server, Server]:
    return start_server(sandbox, stand_in), start_server(sandbox, stand_in)


def begin(server: Server, prompt: str) -> str:
    """A new session, by the API."""
    request = {"project_path": str(server.sandbox.project), "prompt": prompt, "detach": True}
    answer = server.session().post(f"{server.url}/api/sessions/execute", json=request, timeout=20)
    assert answer.status_code == 201, answer.text
    session_id: str = answer.json()["data"]["session_id"]
    return session_id


def page_of(server: Server, session_id: str) -> str:
    project = history.project_id(server.sandbox.project)
    return f"/projects/{project}/sessions/{session_id}"


def record(server: Server) -> dict[str, object]:
    """run.json of the only run."""
    (folder,) = (server.sandbox.state / "runs").iterdir()
    found: dict[str, object] = json.loads((folder / "run.json").read_bytes())
    return found


def workers(server: Server) -> list[psutil.Process]:
    children = psutil.Process(server.pid).children()
    return [child for child in children if "gunicorn" in " ".join(child.cmdline())]
