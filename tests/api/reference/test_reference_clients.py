"""Clients at the sockets: ours, and the printed ones where the reference documents are here.

Both send the same messages. Only addresses, folders and credentials of the printed ones change.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.api.reference import documents
from tests.support.clients.json_client import texts
from tests.support.environment import PASSWORD, ROOT, SYSTEM_PATH, USER, Sandbox, until
from tests.support.pages.browser import Phone
from tests.support.server import Server

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
"""The TypeScript syntax in the printed JavaScript client, which nothing here compiles."""


@pytest.fixture(scope="module")
def shared_settings(shared_sandbox: Sandbox) -> dict[str, str]:
    return {"OPCODE_TASK_FOLDER": str(shared_sandbox.project)}


def address(server: Server, credentials: str = "") -> str:
    return f"{credentials}127.0.0.1:{server.port}"


def adapted(text: str, at: str, folder: Path) -> str:
    """A printed client with our address and folder in place of its own."""
    return re.sub(r"localhost:\d+", at, text).replace("/path/to/project", str(folder))


def python_client(printed: bool, server: Server) -> list[str]:
    at, folder = address(server, f"{USER}:{PASSWORD}@"), server.sandbox.project
    if not printed:
        return [str(CLIENTS / "socket_client.py"), at, str(folder)]
    [text] = documents.code(documents.SERVER, "Python Client", "python")
    return ["-c", adapted(text, at, folder)]


def javascript_client(printed: bool, server: Server) -> str:
    """The code that makes `client` and lets it execute its first prompt."""
    folder = server.sandbox.project
    if not printed:
        text = (CLIENTS / "socket_client.js").read_text(encoding="utf-8")
        return (
            f"{text}\nconst client = new SocketClient('{address(server)}');\n"
            f"client.execute('{folder}', 'Add a README file');"
        )
    heading = "JavaScript/TypeScript WebSocket Client"
    [text] = documents.code(documents.SERVER, heading, "typescript")
    for types in TYPES:
        text = re.sub(types, "", text)
    # As printed it sends before the socket is open, which no browser lets it do
    text = re.sub(r"^client\.execute\(.*\);$", r"client.ws.onopen = () => \g<0>", text, flags=re.M)
    return adapted(text, address(server), folder)


def task_client(printed: bool, server: Server) -> str:
    if not printed:
        text = (CLIENTS / "task_client.js").read_text(encoding="utf-8")
        return f"{text}\nstartTask('{address(server)}');"
    [text] = documents.code(documents.SOCKET, "Basic JavaScript Client", "javascript")
    return adapted(text, address(server), server.sandbox.project)


def upgrade(printed: bool, server: Server) -> list[str]:
    at = address(server, f"{USER}:{PASSWORD}@")
    if not printed:
        return ["sh", str(CLIENTS / "upgrade.sh"), at]
    blocks = documents.code(documents.SERVER, "Useful Commands", "bash")
    lines = adapted("".join(blocks), at, server.sandbox.project).replace("\\\n", " ").splitlines()
    command = shlex.split(next(line for line in lines if line.startswith("curl")))
    return [*command, "--silent", "--max-time", "2"]


@documents.ours_and_printed
def test_python_client_receives_its_whole_session(server: Server, printed: bool) -> None:
    pytest.importorskip("websockets")
    done = subprocess.run(
        [sys.executable, *python_client(printed, server)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    connected, started, *outputs, last = done.stdout.splitlines()
    assert "{" not in connected + started
    assert last.endswith(": success")
    assert all(re.match(r"\w+: \{", line) for line in outputs)
    assert any("Add a hello world function" in line for line in outputs)
    assert done.stderr == ""


@pytest.mark.browser
@documents.ours_and_printed
def test_javascript_client_receives_its_whole_session(
    server: Server, open_phone: Callable[..., Phone], printed: bool
) -> None:
    page, sandbox = open_phone(server).page, server.sandbox
    before = set(sandbox.state.glob("runs/*/out.ndjson"))
    said: list[str] = []
    errors: list[str] = []
    page.on(
        "console",
        lambda message: (errors if message.type == "error" else said).append(message.text),
    )
    page.goto("/new")

    def completions() -> int:
        page.evaluate("1")  # lets what the page has said come in
        return sum(line.endswith(": true") for line in said)

    page.evaluate(f"() => {{ {javascript_client(printed, server)}\nwindow.client = client; }}")
    until(lambda: completions() == 1, "the session completes")
    assert any(re.match(r"[\w ]+: \{", line) for line in said)
    assert not errors
    # The messages of its other methods are understood as well
    page.evaluate("folder => client.continue(folder, 'And tests')", str(sandbox.project))
    until(lambda: completions() == 2, "the session goes on")
    [run] = set(sandbox.state.glob("runs/*/out.ndjson")) - before
    assert texts(
        [line for line in run.read_text().splitlines() if '"type": "assistant"' in line]
    ) == ["Add a README file", "And tests"]


@pytest.mark.browser
@documents.ours_and_printed
def test_basic_task_client_receives_its_whole_task(
    server: Server, open_phone: Callable[..., Phone], printed: bool
) -> None:
    phone = open_phone(server)
    frames: list[str] = []
    phone.page.on(
        "websocket", lambda ws: ws.on("framereceived", lambda frame: frames.append(str(frame)))
    )
    phone.page.add_init_script(KEEP_CODES)
    phone.page.goto("/new")
    phone.page.evaluate(f"() => {{ {task_client(printed, server)} }}")
    until(lambda: phone.page.evaluate("codes"), "the socket closes")
    assert phone.page.evaluate("codes") == [1000]
    assert '"info": "send {prompt,meta}"' in frames[0]
    assert texts([frame for frame in frames if '"type": "assistant"' in frame]) == ["Hello Claude"]


@documents.ours_and_printed
def test_curl_upgrades_to_the_socket_and_is_greeted(server: Server, printed: bool) -> None:
    done = subprocess.run(
        upgrade(printed, server), capture_output=True, timeout=30, env={"PATH": SYSTEM_PATH}
    )
    assert done.stdout.startswith(b"HTTP/1.1 101 ")
    assert b'{"type": "info", "info": "send {prompt,meta}"}' in done.stdout


def test_document_without_the_expected_output_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(documents, "FOLDER", tmp_path)
    with pytest.raises(pytest.fail.Exception, match=r"no\.md was not found"):
        documents.code("no.md", "Client", "python")
    text = "# Client\n```python\n# Server\n1\n```\n## Other\n```python\n2\n```\n```sh\n3\n```\n"
    (tmp_path / "a.md").write_text(text, encoding="utf-8")
    assert documents.code("a.md", "Client", "python") == ["# Server\n1\n"]
    assert documents.code("a.md", "Other", "sh") == ["3\n"]
    with pytest.raises(pytest.fail.Exception, match=r"a\.md has no python block under .*Server"):
        documents.code("a.md", "Server", "python")
