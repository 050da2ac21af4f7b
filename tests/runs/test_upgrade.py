"""An upgrade in place: this version takes over the live runs of 0.1.0, and its open pages go on.

The old server is the old code, taken from the history of the repository. Where that history is not
there, a live run with a record as 0.1.0 wrote it stands in for it.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests
from playwright.sync_api import expect

from opcode_htmx.engines.claude.files import history
from tests.golden import golden
from tests.support.environment import PASSWORD, PATIENCE, ROOT, USER, Sandbox, processes_of, until
from tests.support.pages.browser import CUT_OFF, Phone
from tests.support.server import ColdServer, Server

pytestmark = [pytest.mark.usefixtures("integration"), pytest.mark.timeout(300)]

OLD_VERSION = "0.1.0"
OLD_COMMIT = "4daea55384a426d8a01d093f8a2c4c3334e19cd5"
RUNS = 20
LINES = 50


class UpgradedServer(ColdServer):
    """A server that begins as an older version of the program, on the same port and folders."""

    program: Path | None = None
    """The folder of the older version; None: this one."""

    def begin(self) -> None:
        if self.program is None:
            super().begin()
            return
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "gunicorn", "-c", "gunicorn.conf.py", self.app],
                cwd=self.program,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )


@pytest.fixture(scope="module")
def old_program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The code of 0.1.0, with the browser files that `make run` fetches."""
    done = subprocess.run(
        ["/usr/bin/env", "git", "archive", "--format=tar", OLD_COMMIT],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if done.returncode:
        pytest.skip(f"This clone has no history that goes back to {OLD_VERSION}.")
    folder = tmp_path_factory.mktemp("old") / "program"
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        archive.extractall(folder, filter="data")
    shutil.copytree(ROOT / "static" / "vendor", folder / "static" / "vendor")
    version = (folder / "opcode_htmx" / "lib" / "version.py").read_text(encoding="utf-8")
    assert f'"{OLD_VERSION}"' in version
    return folder


@pytest.fixture
def server(sandbox: Sandbox, stand_in: Path) -> Iterator[UpgradedServer]:
    server = UpgradedServer(sandbox, stand_in, "http://127.0.0.1:9")
    try:
        yield server
    finally:
        server.close()


def begin(server: Server, *steps: list[object], session_id: str = "") -> str:
    """Send a prompt, in a new session unless one is named; the session's id."""
    answer = requests.post(
        f"{server.url}/api/sessions/{'resume' if session_id else 'execute'}",
        json={
            "project_path": str(server.sandbox.project),
            "prompt": json.dumps(steps),
            "detach": True,
            **({"session_id": session_id} if session_id else {}),
        },
        auth=(USER, PASSWORD),
        timeout=PATIENCE,
    )
    assert answer.status_code == 202, answer.text
    return str(answer.json()["data"]["session_id"])


def output(server: Server, session_id: str, after: str = "") -> dict[str, Any]:
    """What a program gets of a session's output, from a cursor on."""
    query = f"?limit=1000{f'&after={after}' if after else ''}"
    answer = server.get(f"/api/sessions/{session_id}/output{query}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()["data"]
    return found


def output_with(server: Server, session_id: str, words: str) -> dict[str, Any]:
    """What a program gets of a session's output, once these words are in it."""

    def found() -> dict[str, Any] | None:
        data = output(server, session_id)
        return data if words in "\n".join(contents(data)) else None

    data = until(found, f"“{words}” is said")
    assert data
    return data


def contents(data: dict[str, Any]) -> list[str]:
    return [line["content"] for line in data["lines"]]


def test_twenty_live_runs_of_0_1_0_are_taken_over_and_no_line_is_lost(
    old_program: Path,
    server: UpgradedServer,
    open_phone: Callable[..., Phone],
    tmp_path: Path,
) -> None:
    server.program = old_program
    server.start()
    gate, later = tmp_path / "gate", tmp_path / "later"
    steps: list[list[object]] = [["lines", LINES], ["wait", str(gate)], ["lines", LINES]]
    steps += [["wait", str(later)], ["text", "seen by the new one"]]
    with ThreadPoolExecutor(4) as pool:
        sessions = list(pool.map(lambda _: begin(server, *steps), range(RUNS)))
    asking = begin(server, ["ask", "may-i"], ["text", "thank you"])
    heard: dict[str, list[str]] = {}
    cursors: dict[str, str] = {}
    for each in sessions:
        data = output_with(server, each, f"line {LINES - 1}")
        heard[each], cursors[each] = contents(data), data["cursor"]
    phone = open_phone(server)
    phone.forgiven += CUT_OFF
    project = history.project_id(server.sandbox.project)
    phone.open_session(f"/projects/{project}/sessions/{sessions[0]}")
    expect(phone.page.locator("main")).to_contain_text(f"line {LINES - 1}")
    before = {process.pid for process in processes_of(server.sandbox.state)}
    assert len(before) == RUNS + 1

    assert server.stop() == 0
    gate.touch()  # half of the lines are written while there is no server
    runs = server.sandbox.state / "runs"
    until(
        lambda: all(
            path.read_text().count(f'line {LINES - 1}"') == 2 for path in outputs(runs, asking)
        ),
        "the runs write on without a server",
    )
    server.program = None
    server.start()
    noted = json.loads((server.sandbox.state / "format.json").read_bytes())
    assert noted["program"] != OLD_VERSION

    assert {process.pid for process in processes_of(server.sandbox.state)} == before
    later.touch()
    for each in sessions:
        whole = output_with(server, each, "seen by the new one")
        rest = output(server, each, after=cursors[each])
        assert heard[each] + contents(rest) == contents(whole), "a cursor of 0.1.0 goes on"
        file = next(path for path in outputs(runs) if path_is_of(path, each))
        assert contents(whole) == file.read_text(encoding="utf-8").splitlines()
    # the page that 0.1.0 has served was not loaded again
    expect(phone.page.locator("main")).to_contain_text("seen by the new one")
    phone.page.reload()
    expect(phone.page.locator("main")).to_contain_text("seen by the new one")

    asked = server.get(f"/projects/{project}/sessions/{asking}").text
    assert "Allow" in asked, "what 0.1.0 was asked, this version answers"
    ended = server.post(f"/runs/{run_of(runs, asking)['id']}/stop", {})
    assert ended.ok, ended.text
    until(lambda: run_of(runs, asking)["end"], "the new server has recorded its end")
    assert run_of(runs, asking)["end"]["outcome"] == "cancelled"


def outputs(runs: Path, but: str = "") -> list[Path]:
    """The output of each run, but for those of one session."""
    return [path for path in runs.glob("*/out.ndjson") if not (but and path_is_of(path, but))]


def path_is_of(path: Path, session_id: str) -> bool:
    record = json.loads((path.parent / "run.json").read_bytes())
    return bool(record["session_id"] == session_id)


def run_of(runs: Path, session_id: str) -> dict[str, Any]:
    """The record of the only run of a session."""
    found = [json.loads(path.read_bytes()) for path in runs.glob("*/run.json")]
    (record,) = [each for each in found if each["session_id"] == session_id]
    return dict(record)


def test_a_live_run_with_a_record_as_0_1_0_wrote_it_is_taken_over(
    server: UpgradedServer, stand_in: Path
) -> None:
    """Also where no history of the repository is at hand."""
    written: dict[str, Any] = json.loads((golden.DATA / "old_folders.json").read_bytes())["files"]
    run_id = "7f239690c58a40ab863b0e59f4dfd09b"
    folder = server.sandbox.state / "runs" / run_id
    folder.mkdir(mode=0o700, parents=True)
    for name in ("in.ndjson", "out.ndjson", "err.log"):
        (folder / name).write_text(written[f"state/runs/{run_id}/{name}"]["text"])
    os.mkfifo(folder / "in", 0o600)
    record = json.loads(written[f"state/runs/{run_id}/run.json"]["text"])
    argv = [str(stand_in), *record["argv"][1:]]
    claude = start_as_0_1_0(argv, folder, server.sandbox)
    try:
        record |= {
            "argv": argv,
            "config_dir": str(server.sandbox.config_dir),
            "created_at": time.time(),
            "end": None,
            "pid": claude.pid,
            "process_started_at": psutil.Process(claude.pid).create_time(),
            "project_path": str(server.sandbox.project),
        }
        (folder / "run.json").write_text(json.dumps(record))
        server.start()
        session_id = record["session_id"]
        output_with(server, session_id, "Yes indeed.")
        begin(server, ["text", "and it is taken over"], session_id=session_id)
        # the process that 0.1.0 has started answers to this version
        output_with(server, session_id, "and it is taken over")
        assert [path.name for path in folder.parent.iterdir() if path.is_dir()] == [run_id]
        assert server.post(f"/runs/{run_id}/stop", {}).ok
        until(lambda: claude.poll() is not None, "this version has stopped it")
    finally:
        claude.kill()
        claude.wait()


def start_as_0_1_0(argv: list[str], folder: Path, sandbox: Sandbox) -> subprocess.Popen[bytes]:
    """A process on the files of a run, with the marks in its environment."""
    with (
        os.fdopen(os.open(folder / "in", os.O_RDWR), "rb", buffering=0) as stdin,
        (folder / "out.ndjson").open("ab") as stdout,
        (folder / "err.log").open("ab") as stderr,
    ):
        return subprocess.Popen(
            argv,
            cwd=sandbox.project,
            env={
                **sandbox.environment(),
                "OPCODE_RUN_ID": folder.name,
                "OPCODE_RUN_FOLDER": str(folder.resolve()),
            },
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            start_new_session=True,
        )
