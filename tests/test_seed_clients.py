"""The clients printed in the seeds, unchanged except for address and credentials."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.browser import Phone
from tests.json_client import texts
from tests.support import (
    PASSWORD,
    ROOT,
    SYSTEM_PATH,
    USER,
    Sandbox,
    Server,
    until,
)

CLIENTS = ROOT / "tests" / "clients"
KEEP_CODES = """
    window.codes = [];
    window.WebSocket = class extends WebSocket {
        constructor(...given) {
            super(...given);
            this.addEventListener("close", event => codes.push(event.code));
        }
    };
"""
TYPES = (
    r"\bprivate ",
    r": Map<string, Function\[\]>",
    r": WebSocket \| null",
    r": (?:string|Function|any)\b",
    r"(?<=\))!(?=\.)",
)
"""What makes the JavaScript client TypeScript; nothing here compiles that."""


@pytest.fixture
def server(sandbox: Sandbox, stand_in: Path, start_server: Callable[..., Server]) -> Server:
    return start_server(sandbox, stand_in, OPCODE_TASK_FOLDER=str(sandbox.project))


def printed(name: str, server: Server, sandbox: Sandbox, *, credentials: str = "") -> str:
    """A client with our address in place of its own."""
    text = (CLIENTS / name).read_text(encoding="utf-8")
    at = f"{credentials}127.0.0.1:{server.port}"
    text = re.sub(r"localhost:\d+", at, text)
    return text.replace("/path/to/project", str(sandbox.project))


def test_the_python_client_hears_its_session_to_the_end(server: Server, sandbox: Sandbox) -> None:
    pytest.importorskip("websockets")
    text = printed("opcode-client.py.txt", server, sandbox, credentials=f"{USER}:{PASSWORD}@")
    done = subprocess.run(
        [sys.executable, "-c", text], capture_output=True, text=True, timeout=60, check=True
    )
    first, second, *outputs, last = done.stdout.splitlines()
    assert (first, second) == ("Connected to Opcode", "Starting execution...")
    assert last == "Complete: success"
    assert all(line.startswith("Output: {") for line in outputs)
    assert any("Add a hello world function" in line for line in outputs)
    assert done.stderr == ""


@pytest.mark.browser
def test_the_javascript_client_hears_its_session_to_the_end(
    server: Server, sandbox: Sandbox, open_phone: Callable[..., Phone]
) -> None:
    text = printed("opcode-client.ts", server, sandbox)
    for types in TYPES:
        text = re.sub(types, "", text)
    client, usage = text.split("// Usage\n")
    # As printed it sends before the socket is open, which no browser lets it do
    usage = re.sub(
        r"^client\.execute\(.*\);$", r"client.ws.onopen = () => \g<0>", usage, flags=re.M
    )
    page = open_phone(server).page
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.goto("/new")
    page.evaluate(f"() => {{ {client}\n{usage}\nwindow.client = client; }}")
    until(lambda: page.evaluate("1") and "Session complete: true" in said, "the session completes")
    assert any(line.startswith("Claude says:") for line in said)
    assert not [line for line in said if line.startswith("Error")]
    # What its other methods send is understood as well
    page.evaluate("folder => client.continue(folder, 'And tests')", str(sandbox.project))
    until(
        lambda: page.evaluate("1") and said.count("Session complete: true") == 2,
        "the session goes on",
    )
    [run] = sandbox.state.glob("runs/*/out.ndjson")
    assert texts(
        [line for line in run.read_text().splitlines() if '"type": "assistant"' in line]
    ) == ["Add a README file", "And tests"]


@pytest.mark.browser
def test_the_basic_task_client_hears_its_task_to_the_end(
    server: Server, sandbox: Sandbox, open_phone: Callable[..., Phone]
) -> None:
    phone = open_phone(server)
    frames: list[str] = []
    phone.page.on(
        "websocket", lambda ws: ws.on("framereceived", lambda frame: frames.append(str(frame)))
    )
    phone.page.add_init_script(KEEP_CODES)
    phone.page.goto("/new")
    phone.page.evaluate(f"() => {{ {printed('task-client.js', server, sandbox)} }}")
    until(lambda: phone.page.evaluate("codes"), "the socket closes")
    assert phone.page.evaluate("codes") == [1000]
    assert '"info": "send {prompt,meta}"' in frames[0]
    assert texts([frame for frame in frames if '"type": "assistant"' in frame]) == ["Hello Claude"]


def test_curl_upgrades_to_the_socket_and_is_greeted(server: Server, sandbox: Sandbox) -> None:
    lines = printed("upgrade.sh.txt", server, sandbox).replace("\\\n", " ").splitlines()
    command = shlex.split(next(line for line in lines if line.startswith("curl")))
    more = ["--silent", "--max-time", "2", "--user", f"{USER}:{PASSWORD}"]
    done = subprocess.run(
        [*command, *more], capture_output=True, timeout=30, env={"PATH": SYSTEM_PATH}
    )
    assert done.stdout.startswith(b"HTTP/1.1 101 ")
    assert b'{"type": "info", "info": "send {prompt,meta}"}' in done.stdout
