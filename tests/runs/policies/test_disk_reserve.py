"""A disk that is nearly full: no run starts, and Claude is paused before lines are lost."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from opcode_htmx.engines.claude.demo.messages_api import MessagesApi, Scene, Text
from tests.features.composer.prompting import begin
from tests.runs.policies.over_http import Sockets, Start, of_type, prompt_at
from tests.support.cli.supervision import steps
from tests.support.clients.json_client import JsonClient
from tests.support.environment import (
    PASSWORD,
    USER,
    Sandbox,
    kill_processes_of,
    missing,
    processes_of,
    until,
)
from tests.support.pages import dom


class SmallDisk:
    """A file system of its own, with little room."""

    def __init__(self, path: Path, size: str) -> None:
        self.path = path
        path.mkdir(parents=True)
        command = ["/bin/mount", "-t", "tmpfs", "-o", f"size={size},mode=0700", "small", str(path)]
        try:
            subprocess.run(command, check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError):
            missing("A right to mount", "run the tests as root, or in a container that may mount.")

    def fill(self, leave: int) -> None:
        """Write until no more than `leave` bytes are free."""
        free = shutil.disk_usage(self.path).free
        with (self.path / "filler").open("ab", buffering=0) as file, contextlib.suppress(OSError):
            file.write(b"x" * max(0, free - leave))

    def clear(self) -> None:
        (self.path / "filler").unlink()

    def close(self) -> None:
        kill_processes_of(self.path)  # later their owner is unknown
        subprocess.run(["/bin/umount", "--lazy", str(self.path)], check=True)


@pytest.fixture
def small_disk(sandbox: Sandbox) -> Iterator[SmallDisk]:
    """The state folder of the sandbox, on 4 MB. Asked for before a server, it outlives that."""
    disk = SmallDisk(sandbox.state, "4m")
    yield disk
    disk.close()


def test_no_run_starts_below_the_disk_reserve_and_the_prompt_is_kept(
    small_disk: SmallDisk, start_server: Start, sandbox: Sandbox, stand_in: Path, sockets: Sockets
) -> None:
    server = start_server(sandbox, stand_in, OPCODE_MIN_FREE="2M")
    begun = begin(server, "Hello")
    until(lambda: "Ready for the next" in server.get(begun).text, "there is a run")
    small_disk.fill(1_500_000)
    refused = server.post(
        "/sessions",
        {
            "folder": str(sandbox.project),
            "prompt": "Remember me",
            "prompt_id": str(uuid.uuid4()),
            "session_id": str(uuid.uuid4()),
        },
    )
    assert refused.status_code == 507
    assert "for want of room. To begin, a run needs 2.0 MB on the disk" in refused.text
    assert "Remember me" in refused.text
    words = "about 1.0 MB are left. To begin, a run needs 2.0 MB"
    for path in (begun, "/runs"):
        until(lambda path=path: words in server.get(path).text, f"{path} says so")  # type: ignore[misc]
    # what lives goes on
    assert prompt_at(server, begun, "And me").status_code == 303
    client = sockets(JsonClient(server))
    client.send(command_type="execute", project_path=str(sandbox.project), prompt="Hi", model="m")
    assert "for want of room" in of_type(client, "error")
    small_disk.clear()
    until(lambda: words not in server.get("/runs").text, "there is room again")
    begin(server, "Now")


def test_claude_is_paused_before_its_lines_are_lost_and_goes_on_by_itself(
    small_disk: SmallDisk, start_server: Start, sandbox: Sandbox, stand_in: Path
) -> None:
    server = start_server(sandbox, stand_in, OPCODE_MIN_FREE="2M")
    gate = sandbox.home / "gate"
    path = begin(server, steps(["wait", str(gate)], ["lines", 3000]))
    until(lambda: "Working" in server.get(path).text, "it works")
    until((sandbox.state / "reserve").exists, "there is a reserve")
    small_disk.fill(400_000)
    until(
        lambda: "What runs is paused, so that nothing of it is lost" in server.get(path).text,
        "paused",
    )
    gate.touch()
    server.foresees_errors = True  # what it cannot write is in its log
    small_disk.fill(0)
    until(lambda: not (sandbox.state / "reserve").exists(), "the reserve is given up")
    (run,) = (sandbox.state / "runs").iterdir()
    assert (run / "out.ndjson").stat().st_size < 2000
    small_disk.clear()
    until(lambda: "Ready for the next prompt" in server.get(path).text, "it goes on")
    lines = (run / "out.ndjson").read_bytes().splitlines()
    assert sum(b'"line ' in line for line in lines) == 3000


def test_the_real_claude_outlives_a_pause_in_mid_answer(
    small_disk: SmallDisk, start_server: Start, sandbox: Sandbox, claude: Path
) -> None:
    gate = threading.Event()
    words = " ".join(f"word{number}" for number in range(300))
    with MessagesApi([Scene("long", "", [Text(words, gate=gate)])]) as api:
        server = start_server(sandbox, claude, api.url, OPCODE_MIN_FREE="2M")
        path = begin(server, "Tell me")
        (run,) = (sandbox.state / "runs").iterdir()
        output = run / "out.ndjson"
        until(lambda: b"content_block_delta" in output.read_bytes(), "it speaks")
        small_disk.fill(400_000)
        until(lambda: "What runs is paused" in server.get(path).text, "it is paused")
        size = output.stat().st_size
        gate.set()
        small_disk.clear()
        until(lambda: "Ready for the next prompt" in server.get(path).text, "it goes on")
        assert output.stat().st_size > size
        assert words in dom.parse(server.get(path).text).text


def test_stop_ends_a_run_that_is_paused(
    small_disk: SmallDisk, start_server: Start, sandbox: Sandbox, stand_in: Path
) -> None:
    server = start_server(sandbox, stand_in, OPCODE_MIN_FREE="2M")
    path = begin(server, steps(["wait", str(sandbox.home / "never")]))
    small_disk.fill(400_000)
    until(lambda: "What runs is paused" in server.get(path).text, "it is paused")
    (run,) = (sandbox.state / "runs").iterdir()
    server.post(f"/runs/{run.name}/stop", {})
    until(lambda: "Stopped by you." in server.get(path).text, "it is over")
    assert not processes_of(sandbox.state)


def test_every_form_reports_a_full_disk_and_keeps_its_input(
    small_disk: SmallDisk, start_server: Start, sandbox: Sandbox, stand_in: Path, sockets: Sockets
) -> None:
    server = start_server(sandbox, stand_in, OPCODE_MIN_FREE="0")
    path = begin(server, "Hello")
    until(lambda: "Ready for the next" in server.get(path).text, "there is a run")
    assert server.post(f"{path}/draft", {"prompt": "An old draft"}).status_code == 204
    server.foresees_errors = True  # what it cannot write is in its log
    small_disk.fill(0)
    sentence = "disk is full, so this could not be kept"
    prompt = "Not to be lost " * 400
    for refused in (
        prompt_at(server, path, prompt),
        server.post(f"{path}/draft", {"prompt": prompt}),
        server.post(f"{path}/options", {"was_keep_running": "on"}),
        requests.post(
            f"{server.url}{path}/attachments",
            files=[("files", ("a.txt", b"x" * 9000))],
            auth=(USER, PASSWORD),
            timeout=20,
        ),
    ):
        assert refused.status_code == 507, refused.url
        assert sentence in refused.text
    assert prompt.strip() in prompt_at(server, path, prompt).text
    answer = requests.post(
        f"{server.url}/api/claude/sessions", json={}, auth=(USER, PASSWORD), timeout=20
    )
    assert answer.status_code == 507
    assert sentence in answer.json()["error"]
    assert "An old draft" in server.get(path).text
    client = sockets(JsonClient(server))
    client.send(command_type="prompt", session_id=path.rpartition("/")[2], prompt=prompt)
    assert sentence in of_type(client, "error")
    small_disk.clear()
    assert prompt_at(server, path, prompt).status_code == 303
    until(lambda: prompt.strip() in server.get(path).text, "it is said")
    assert os.path.ismount(sandbox.state)
