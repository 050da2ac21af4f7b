"""The clients that were printed for the earlier server work with this one as they are."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.api import line, prompt, session
from tests.support import (
    PASSWORD,
    ROOT,
    USER,
    Sandbox,
    Server,
    missing,
)

CLIENTS = ROOT / "tests" / "clients"
FOLDER = "/Users/max/local/opcode"
ONE = "11111111-1111-4111-8111-111111111111"


@pytest.fixture
def server(sandbox: Sandbox, stand_in: Path, start_server: Callable[..., Server]) -> Server:
    history = prompt("Prune the trees", FOLDER) + line({"type": "assistant", "n": 7})
    session(sandbox.config_dir, FOLDER, history, ONE)
    return start_server(sandbox, stand_in)


def printed(name: str, server: Server) -> str:
    """A client as it is printed, with the address and the credentials of our server."""
    text = (CLIENTS / name).read_text(encoding="utf-8")
    address = f"{USER}:{PASSWORD}@{server.url.removeprefix('http://')}"
    return text.replace("USER:PASSWORD@ADDRESS", address)


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


def test_the_client_for_python_with_requests(server: Server, tmp_path: Path) -> None:
    script = tmp_path / "client.py"
    more = f"print(client.load_session_history({ONE!r}, projects[0]['id'])[1]['n'])\n"
    failing = (
        "try:\n    client.get_sessions('none')\nexcept Exception as error:\n    print(error)\n"
    )
    script.write_text(printed("requests_client.txt", server) + more + failing, encoding="utf-8")
    assert run(server, sys.executable, str(script)).splitlines() == [
        f"Project: {FOLDER}",
        f"  Session: {ONE} - Prune the trees",
        "7",
        "There is no project with this id.",
    ]


def test_the_examples_for_curl(server: Server, tmp_path: Path) -> None:
    for tool in ("curl", "jq"):
        if shutil.which(tool) is None:
            missing(tool, "install it with the packages of the system.")
    script = tmp_path / "examples.sh"
    script.write_text(printed("curl.txt", server).replace("uuid-here", ONE), encoding="utf-8")
    projects, sessions, history = values(run(server, "bash", "-eo", "pipefail", str(script)))
    assert projects["data"][0]["sessions"] == [ONE]
    assert sessions["data"][0]["first_message"] == "Prune the trees"
    assert [each["type"] for each in history["data"]] == ["user", "assistant"]
