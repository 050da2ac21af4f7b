"""Servers whose runs are listed, and processes that they have left."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.features.attention.runs import Stray
from tests.support.environment import Sandbox, processes_of, until, write_stand_in
from tests.support.server import Server

SLEEP = ["sleep", "61"]


@pytest.fixture(scope="package")
def quiet_server(integration: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    sandbox = Sandbox(tmp_path_factory.mktemp("quiet") / "home").make()
    claude = write_stand_in(sandbox.home / "claude")
    server = Server(sandbox, claude, "http://127.0.0.1:9").start()
    yield server
    server.close()


@pytest.fixture
def server(quiet_server: Server) -> Iterator[Server]:
    """One on which nothing runs, and of which nothing is left, as each test begins."""
    yield quiet_server
    quiet_server.post("/runs/stop-all", {})
    until(lambda: "Nothing is running" in quiet_server.get("/runs").text, "nothing runs")
    assert not processes_of(quiet_server.sandbox.state)


@pytest.fixture
def stray() -> Iterator[Stray]:
    """Starts a process as a job deferred by a run would be: with the run's environment."""
    started: list[subprocess.Popen[bytes]] = []

    def stray(folder: Path) -> subprocess.Popen[bytes]:
        marks = {"OPCODE_RUN_ID": folder.name, "OPCODE_RUN_FOLDER": str(folder)}
        environment = {"PATH": os.defpath, **marks}
        started.append(subprocess.Popen(SLEEP, env=environment, start_new_session=True))
        return started[-1]

    yield stray
    for each in started:
        each.kill()
        each.wait()
