"""From Send to the first word of the answer, with Claude started by the prompt or before it."""

from __future__ import annotations

import itertools
import json
import re
import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import websocket

from bench.figures import Figure, Target
from opcode_htmx.engines.base import LaunchOptions
from opcode_htmx.engines.claude.demo.messages_api import MessagesApi, Request, Scene, Text
from opcode_htmx.engines.claude.engine import ClaudeEngine
from opcode_htmx.engines.claude.files import history
from tests.support.environment import Sandbox, Server, find_claude, processes_of, until

ROUNDS = 15
WAIT_SECONDS = 60.0
WARM = Target("ratio", 2.5)
"""Of the bare CLI that is running already."""
READY = "Claude is ready"
_WORD = re.compile(r"word\d+")


def measure() -> list[Figure]:
    claude = find_claude()
    if claude is None:
        raise SystemExit("The Claude CLI was not found.")
    with tempfile.TemporaryDirectory() as folder, MessagesApi([Scene("any", "", [_answer])]) as api:
        sandbox = Sandbox(Path(folder) / "home").make()
        server = Server(sandbox, claude, api.url, OPCODE_WARM_START="1", OPCODE_ASK_AHEAD="0")
        try:
            session = _Session(server.start())
            bare = _BareClaude(claude, sandbox, api.url, session.id)
            # alternating, as the machine's load changes
            rounds = [
                (session.send(warm=False), session.send(warm=True), bare.cold(), bare.warm())
                for _ in range(ROUNDS)
            ]
        finally:
            server.close()
    cold, warm, bare_cold, bare_warm = zip(*rounds, strict=True)
    return [
        Figure("Claude is started by the prompt", "ms", cold, "bare CLI, started", bare_cold),
        Figure(
            "Claude was started while it was written",
            "ms",
            warm,
            "bare CLI, ready",
            bare_warm,
            WARM,
        ),
    ]


def _answer(request: Request) -> Text:
    """The first word identifies the prompt."""
    found = _WORD.findall(request.prompt)
    return Text(f"{found[-1].upper() if found else 'NONE'} and more words")


class _Session:
    """A session whose process ends after each answer, and its page."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._numbers = itertools.count()
        fields = {"session_id": str(uuid.uuid4()), "folder": str(server.sandbox.project)}
        begun = server.post("/sessions", {**fields, **self._form("word")})
        assert begun.status_code == 303, begun.text
        self._address = begun.headers["Location"].partition("#")[0]
        self.id = self._address.rpartition("/")[2]
        until(lambda: history.find(server.sandbox.config_dir, self.id), "there is a history")
        until(lambda: "tokens in," in server.get(self._address).text, "it is answered")
        self._end()

    def send(self, *, warm: bool) -> float:
        """Milliseconds until the first word of the answer is in a message to the page."""
        word, form = f"word{next(self._numbers)}", self._form("")
        with self._page() as receive:
            if warm:
                written = self._server.post(f"{self._address}/draft", {**form, "prompt": word})
                assert written.status_code == 204, written.text
                while READY not in receive():
                    pass
            began = time.perf_counter()
            sent = self._server.post(f"{self._address}/prompt", {**form, "prompt": word})
            assert sent.status_code == 303, sent.text
            while word.upper() not in receive():
                pass
            passed = time.perf_counter() - began
            until(lambda: "Working…" not in self._server.get(self._address).text, "the turn ends")
        self._end()
        return 1000 * passed

    def _form(self, text: str) -> dict[str, str]:
        return {"prompt": text, "prompt_id": str(uuid.uuid4()), "by": "bench"}

    @contextmanager
    def _page(self) -> Iterator[Callable[[], str]]:
        cookies = self._server.get(self._address).cookies
        socket = websocket.create_connection(
            f"{self._server.url.replace('http', 'ws')}{self._address}/live",
            origin=self._server.url,
            cookie="; ".join(f"{cookie.name}={cookie.value}" for cookie in cookies),
            timeout=WAIT_SECONDS,
        )
        with closing(socket):
            socket.recv()  # the page is known to be open
            yield lambda: str(socket.recv())

    def _end(self) -> None:
        run = re.search(r"/runs/[0-9a-f]{32}/stop", self._server.get(self._address).text)
        assert run, "it runs"
        self._server.post(run[0], {})
        until(lambda: not processes_of(self._server.sandbox.state), "Claude has ended")


class _BareClaude:
    """The same CLI in the same session, without the app."""

    def __init__(self, claude: Path, sandbox: Sandbox, api_url: str, session_id: str) -> None:
        self._engine = ClaudeEngine.of(
            claude,
            sandbox.config_dir,
            sandbox.environment(api_url),
            sandbox.home,
            sandbox.config_dir / ".claude.json",
        )
        options = LaunchOptions(resume=True, readable=sandbox.state / "attached" / session_id)
        self._command = self._engine.launcher.session(session_id, options)
        self._folder = sandbox.project

    def cold(self) -> float:
        """Milliseconds from the start until the first word."""
        began = time.perf_counter()
        with self._started() as process:
            self._prompt(process)
            return 1000 * (time.perf_counter() - began)

    def warm(self) -> float:
        """Milliseconds from a prompt to a process that is ready until the first word."""
        with self._started() as process:
            assert process.stdout is not None
            while json.loads(process.stdout.readline())["type"] != "control_response":
                pass
            began = time.perf_counter()
            self._prompt(process)
            return 1000 * (time.perf_counter() - began)

    @contextmanager
    def _started(self) -> Iterator[subprocess.Popen[bytes]]:
        process = subprocess.Popen(
            self._command.argv,
            cwd=self._folder,
            env=dict(self._command.environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        try:
            self._write(process, self._engine.codec.initialize_line())
            yield process
        finally:
            process.kill()
            process.communicate()

    def _prompt(self, process: subprocess.Popen[bytes]) -> None:
        """Send a prompt, and read until the first word of its answer."""
        assert process.stdout is not None
        self._write(process, self._engine.codec.prompt_line(str(uuid.uuid4()), "word"))
        while b"content_block_delta" not in process.stdout.readline():
            pass

    def _write(self, process: subprocess.Popen[bytes], line: bytes) -> None:
        assert process.stdin is not None
        process.stdin.write(line)
        process.stdin.flush()
