"""Clients of the REST API: ours, and the printed ones where the reference documents are here."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from opcode_htmx.engines.claude.files import history
from tests.api.reference import documents
from tests.support.clients.api import line, prompt, session
from tests.support.environment import PASSWORD, ROOT, USER, Sandbox, missing
from tests.support.server import Server

CLIENTS = ROOT / "tests" / "clients"
FOLDER = "/home/me/work/orchard"
ONE = "11111111-1111-4111-8111-111111111111"
MORE = f"""
print(client.load_session_history("{ONE}", projects[0]["id"])[1]["n"])
try:
    client.get_sessions("none")
except Exception as error:
    print(error)
"""
"""Calls that the printed client does not make: it reads a history, and is refused."""


@pytest.fixture(scope="module")
def server(shared_sandbox: Sandbox, shared_server: Server) -> Server:
    text = prompt("Prune the trees", FOLDER) + line({"type": "assistant", "n": 7})
    session(shared_sandbox.config_dir, FOLDER, text, ONE)
    return shared_server


def address(server: Server) -> str:
    return f"{USER}:{PASSWORD}@{server.url.removeprefix('http://')}"


def run(server: Server, *argv: str) -> str:
    done = subprocess.run(
        argv, env=server.sandbox.environment(), capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def values(text: str) -> Iterator[Any]:
    """JSON values that follow one another."""
    while text := text.lstrip():
        value, end = json.JSONDecoder().raw_decode(text)
        yield value
        text = text[end:]


@documents.ours_and_printed
def test_the_client_for_python_with_requests(server: Server, printed: bool) -> None:
    argv = [str(CLIENTS / "rest_client.py"), address(server)]
    if printed:
        [text] = documents.code(documents.SERVER, "REST API Client (Python)", "python")
        argv = ["-c", text.replace("localhost:8080", address(server)) + MORE]
    projects, sessions, *rest = run(server, sys.executable, *argv).splitlines()
    assert projects.endswith(f": {FOLDER}")
    assert ONE in sessions
    assert sessions.endswith(" Prune the trees")
    assert rest == ["7", "There is no project with this id."]


@documents.ours_and_printed
def test_the_examples_for_curl(server: Server, printed: bool) -> None:
    for tool in ("curl", "jq"):
        if shutil.which(tool) is None:
            missing(tool, "install it with the packages of the system.")
    project = history.project_id(Path(FOLDER))
    argv = [str(CLIENTS / "rest.sh"), address(server), project, ONE]
    if printed:
        blocks = documents.code(documents.SERVER, "cURL Examples", "bash")
        text = "".join(block for block in blocks if "/api/" in block)
        text = text.replace("localhost:8080", address(server))
        for name, value in (("PROJECT_ID", project), ("SESSION_ID", ONE)):
            text = re.sub(f"^{name}=.*$", f'{name}="{value}"', text, flags=re.M)
        argv = ["-c", text]
    projects, sessions, entries = values(run(server, "bash", "-eo", "pipefail", *argv))
    assert projects["data"][0]["sessions"] == [ONE]
    assert sessions["data"][0]["first_message"] == "Prune the trees"
    assert [each["type"] for each in entries["data"]] == ["user", "assistant"]
