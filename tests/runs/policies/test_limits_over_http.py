"""The limits as reported on pages, in the API and on sockets."""

from __future__ import annotations

import contextlib
import os
import re
import resource
import shutil
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import websocket
from playwright.sync_api import expect

from opcode_htmx.app import cli
from opcode_htmx.config.settings import Settings
from opcode_htmx.engines.claude.demo.messages_api import MessagesApi, Scene, Text
from opcode_htmx.engines.long_line import LONG_LINE
from tests.features.composer.test_prompts import begin
from tests.features.session_page.test_live_updates import Viewer
from tests.support.cli.supervision import steps
from tests.support.clients.json_client import JsonClient
from tests.support.environment import (
    PASSWORD,
    ROOT,
    USER,
    Sandbox,
    Server,
    basic_header,
    kill_processes_of,
    missing,
    processes_of,
    until,
)
from tests.support.pages import dom
from tests.support.pages.browser import Phone

Start = Callable[..., Server]
Open = Callable[..., Phone]
Sockets = Callable[[Any], Any]


def prompt_at(server: Server, path: str, text: str, **more: str) -> requests.Response:
    form = {"prompt": text, "prompt_id": str(uuid.uuid4()), **more}
    return server.post(f"{path}/prompt", form)


def of_type(client: JsonClient, kind: str) -> str:
    found = client.until(kind)
    return str(found.get("message") or found.get("error"))


@pytest.fixture
def sockets() -> Iterator[Sockets]:
    """Closes the registered connections at the end."""
    with contextlib.ExitStack() as stack:

        def keep(client: Any) -> Any:
            stack.callback(client.ws.shutdown)
            return client

        yield keep


# The queue -----------------------------------------------------------------------------------


def test_one_prompt_too_many_is_refused_and_stays_in_the_composer(
    start_server: Start, sandbox: Sandbox, stand_in: Path, sockets: Sockets
) -> None:
    server = start_server(sandbox, stand_in, OPCODE_MAX_QUEUED="2")
    gate = sandbox.home / "gate"
    path = begin(server, steps(["wait", str(gate)]))
    until(lambda: "Working" in server.get(path).text, "it works")
    for text in ("second", "third"):
        assert prompt_at(server, path, text).status_code == 303
    refused = prompt_at(server, path, "one too many")
    assert refused.status_code == 429
    assert "2 prompts wait already, and no more may (OPCODE_MAX_QUEUED)" in refused.text
    page = server.get(path).text
    assert re.search(r"<textarea[^>]*id=\"prompt\"[^>]*>\s*one too many", page)
    client = sockets(JsonClient(server))
    session = path.rpartition("/")[2]
    client.send(command_type="prompt", session_id=session, prompt="from a program")
    assert "OPCODE_MAX_QUEUED" in of_type(client, "error")
    gate.touch()
    until(lambda: "Ready for the next prompt" in server.get(path).text, "all is done")
    assert prompt_at(server, path, "one too many").status_code == 303


# Viewers -------------------------------------------------------------------------------------


def test_viewer_beyond_the_limit_is_refused_until_another_leaves(
    start_server: Start, sandbox: Sandbox, stand_in: Path, sockets: Sockets
) -> None:
    server = start_server(sandbox, stand_in, OPCODE_MAX_VIEWERS="2")
    path = begin(server, "Hello")
    first, second = sockets(Viewer(server, path)), sockets(JsonClient(server))
    for url in (f"{path}/live", "/ws/claude"):
        third = connect(server, url)
        opcode, data = third.recv_data(control_frame=True)
        assert (opcode, data[:2]) == (websocket.ABNF.OPCODE_CLOSE, (1013).to_bytes(2, "big"))
        assert b"OPCODE_MAX_VIEWERS" in data
        third.shutdown()
    assert first.receive()
    second.ws.close()

    def let_in() -> bool:
        with contextlib.suppress(websocket.WebSocketException, OSError):
            viewer = sockets(Viewer(server, path))
            return "cursor" in viewer.receive()
        return False

    until(let_in, "there is room again")


def connect(server: Server, path: str) -> Any:
    header = [f"{name}: {value}" for name, value in basic_header().items()]
    url = server.url.replace("http", "ws", 1) + path
    return websocket.create_connection(url, header=header, suppress_origin=True, timeout=20)


def test_refused_page_says_so_and_reconnects(
    start_server: Start,
    sandbox: Sandbox,
    stand_in: Path,
    open_phone: Callable[..., Phone],
    sockets: Sockets,
) -> None:
    server = start_server(sandbox, stand_in, OPCODE_MAX_VIEWERS="1")
    path = begin(server, "Hello")
    until(lambda: "Ready for the next prompt" in server.get(path).text, "all is said")
    viewer = sockets(Viewer(server, path))
    viewer.receive()
    phone = open_phone(server)
    phone.page.goto(path)
    expect(phone.status).to_have_text("Too many pages are open on this server. Trying again…")
    assert phone.texts() == ["Hello"]
    viewer.ws.close()
    expect(phone.page.locator("body")).to_have_attribute("data-link", "online")
    expect(phone.status).to_have_text("Ready for the next prompt")


def test_the_launcher_allows_as_many_open_files_as_the_system_lets_it() -> None:
    code = (
        "import resource; from opcode_htmx.app import cli; "
        "resource.setrlimit(resource.RLIMIT_NOFILE, (256, 700)); cli.allow_many_files(); "
        "print(resource.getrlimit(resource.RLIMIT_NOFILE))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "(700, 700)"
    assert cli.MAX_OPEN_FILES >= 4 * 800
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[1]


def test_as_many_viewers_as_are_allowed_leave_room_for_other_requests() -> None:
    config = (ROOT / "gunicorn.conf.py").read_text()
    connections = re.search(r"^worker_connections = (\d+)", config, re.MULTILINE)
    assert connections
    defaults = {each.field: each.default for each in Settings.variables()}
    assert 500 < int(defaults["max_viewers"]) <= int(connections[1]) - 100


# Long lines ----------------------------------------------------------------------------------


def test_too_long_line_is_the_same_on_the_page_and_in_the_api(
    start_server: Start, sandbox: Sandbox, stand_in: Path, sockets: Sockets
) -> None:
    server = start_server(sandbox, stand_in, OPCODE_MAX_LINE="100K")
    path = begin(server, steps(["text", "apples"], ["big", 150_000], ["text", "pears"]))
    until(lambda: "Ready for the next prompt" in server.get(path).text, "it is done")
    page = server.get(path).text
    assert "Claude wrote a line of 150 KB, which is too long to be shown here." in page
    assert re.search(r"runs/[0-9a-f]{32}/out\.ndjson in the state folder", page)
    order = re.findall(r"<p [^>]*>(apples|pears)</p>|(line of 150 KB)", page)
    assert [one or other for one, other in order] == ["apples", "line of 150 KB", "pears"]
    assert "xxxxxxxx" not in page

    session = path.rpartition("/")[2]
    client = sockets(JsonClient(server))
    client.send(command_type="attach", session_id=session)
    notice = client.until(lambda message: LONG_LINE in str(message.get("content")))
    (output,) = (sandbox.state / "runs").glob("*/out.ndjson")
    line = re.search(r'"offset": (\d+), "bytes": (\d+)', notice["content"])
    assert line
    begin_, size = int(line[1]), int(line[2])
    whole = output.read_bytes()[begin_ : begin_ + size + 1]
    assert whole.startswith(b'{"type": "assistant"')
    assert whole.endswith(b"}\n")
    assert b"\n" not in whole[:-1]
    client.until(lambda message: "pears" in str(message.get("content")))

    chat = sockets(JsonClient(server, f"/api/claude/sessions/{session}/chat", greeted=False))
    notice = chat.until("line_left_out")
    assert (notice["offset"], notice["bytes"]) == (begin_, size)
    server.kill()
    server.start()
    assert "Claude wrote a line of 150 KB" in server.get(path).text


# Output, and time ----------------------------------------------------------------------------


def test_warning_is_on_the_page_and_in_the_list_until_the_stop(
    start_server: Start,
    sandbox: Sandbox,
    stand_in: Path,
    open_phone: Callable[..., Phone],
    sockets: Sockets,
) -> None:
    server = start_server(sandbox, stand_in, OPCODE_MAX_OUTPUT="1M")
    gate, never = sandbox.home / "gate", sandbox.home / "never"
    words = steps(
        ["big", 900_000],
        ["wait", str(gate)],
        ["stderr", "Oh."],
        ["big", 200_000],
        ["wait", str(never)],
    )
    path = begin(server, words)
    phone = open_phone(server)
    phone.page.goto(path)
    sentence = "Claude has written 90% of the 1.0 MB that this server keeps of one run"
    expect(phone.page.locator("#warnings")).to_contain_text(sentence)
    assert sentence in server.get("/runs").text
    client = sockets(JsonClient(server))
    client.send(command_type="attach", session_id=path.rpartition("/")[2])
    gate.touch()
    cause = "Stopped: what Claude wrote has reached the 1.0 MB that this server keeps of one run"
    expect(phone.status).to_contain_text(cause)
    expect(phone.transcript).to_contain_text(cause)
    expect(phone.page.locator("#warnings")).to_be_empty()
    ended = client.until("ended")
    assert ended["outcome"] == "failed"
    assert cause in ended["message"]
    until(lambda: cause in server.get("/runs").text, "the list has it")


def test_api_clients_are_notified_of_a_run_timeout(
    start_server: Start, sandbox: Sandbox, stand_in: Path, sockets: Sockets
) -> None:
    server = start_server(sandbox, stand_in, OPCODE_RUN_TIMEOUT="1")
    path = begin(server, steps(["wait", str(sandbox.home / "never")]))
    client = sockets(JsonClient(server))
    client.send(command_type="attach", session_id=path.rpartition("/")[2])
    ended = client.until("ended")
    assert ended["outcome"] == "timed out"
    assert "1 second without an end of its turn" in ended["message"]
    assert "Timed out: Claude worked for 1 second" in server.get(path).text


# The disk ------------------------------------------------------------------------------------


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
    until(lambda: "Ready for the next prompt" in server.get(path).text, "it goes on", 30)
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
        until(lambda: "Ready for the next prompt" in server.get(path).text, "it goes on", 40)
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
