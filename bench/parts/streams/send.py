"""From Send to the prompt on the page and to the first word of the answer.

Claude is started by the prompt, or while it was written, or is still running since the last one.
"""

from __future__ import annotations

import http.client
import itertools
import json
import re
import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import websocket

from bench.figures import Figure, Target
from opcode_htmx.engines.base import LaunchOptions
from opcode_htmx.engines.claude.demo.messages_api import MessagesApi, Request, Scene, Text
from opcode_htmx.engines.claude.engine import ClaudeEngine
from opcode_htmx.engines.claude.files import history
from tests.support.environment import Sandbox, basic_header, find_claude, processes_of, until
from tests.support.server import Server

ROUNDS = 15
WAIT_SECONDS = 60.0
PROMPT_SEEN, RUNNING, WARM = Target("median", 30), Target("median", 110), Target("p95", 150)
"""Milliseconds. The p95, because a start that was in vain is seen in the tail only."""
READY = "Claude is ready"
_WORD = re.compile(r"word\d+")


@dataclass(frozen=True, slots=True)
class _Sent:
    """Milliseconds from Send until the page's socket has the prompt, and the answer's first word.

    `floor` are those of a small request on the same connection.
    """

    prompt: float
    word: float
    floor: float


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
            rounds = [(*session.round(), bare.cold(), bare.warm()) for _ in range(ROUNDS)]
        finally:
            server.close()
    cold, running, warm, bare_cold, bare_warm = zip(*rounds, strict=True)
    prompts, floors = [each.prompt for each in running], [each.floor for each in running]
    what = "Claude is running: the prompt is seen"
    return [
        Figure(what, "ms", prompts, "/healthz", floors, PROMPT_SEEN),
        _word("Claude is running", running, "bare CLI, ready", bare_warm, RUNNING),
        _word("Claude was started while it was written", warm, "bare CLI, ready", bare_warm, WARM),
        _word("Claude is started by the prompt", cold, "bare CLI, started", bare_cold),
    ]


def _word(
    what: str,
    sent: Sequence[_Sent],
    floor: str,
    floor_ms: Sequence[float],
    target: Target | None = None,
) -> Figure:
    milliseconds = [each.word for each in sent]
    return Figure(f"{what}: the first word", "ms", milliseconds, floor, floor_ms, target)


def _answer(request: Request) -> Text:
    """The first word identifies the prompt."""
    found = _WORD.findall(request.prompt)
    return Text(f"{found[-1].upper() if found else 'NONE'} and more words")


class _Session:
    """A session, and its page."""

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

    def round(self) -> tuple[_Sent, _Sent, _Sent]:
        """Three prompts: one that starts Claude, one to it, and one after it was started again."""
        started, running = self._send(), self._send()
        self._end()
        warm = self._send(written=True)
        self._end()
        return started, running, warm

    def _send(self, *, written: bool = False) -> _Sent:
        """`written`: Claude is not running, and is started by the draft of the prompt."""
        word, form = f"word{next(self._numbers)}", self._form("")
        shown = re.compile(rf'class="prompt-text"[^>]*>{word}<')
        with ExitStack() as opened:
            receive = opened.enter_context(self._page())
            if written:
                draft = self._server.post(f"{self._address}/draft", {**form, "prompt": word})
                assert draft.status_code == 204, draft.text
                while READY not in receive():
                    pass
            connection = opened.enter_context(closing(_Connection(self._server)))
            floor = connection.small_request()
            began = time.perf_counter()
            connection.post(f"{self._address}/prompt", {**form, "prompt": word})
            text = ""
            while not shown.search(text):
                text += receive()
            prompt = time.perf_counter() - began
            while word.upper() not in text:
                text += receive()
            passed = time.perf_counter() - began
            assert connection.status() == 303
            until(lambda: "Working…" not in self._server.get(self._address).text, "the turn ends")
        return _Sent(1000 * prompt, 1000 * passed, 1000 * floor)

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
            deadline = time.monotonic() + WAIT_SECONDS

            def receive() -> str:
                # The socket's own time limit is never reached: it has a heartbeat
                assert time.monotonic() < deadline, f"nothing came; {self._server.log}"
                return str(socket.recv())

            yield receive

    def _end(self) -> None:
        run = re.search(r"/runs/[0-9a-f]{32}/stop", self._server.get(self._address).text)
        assert run, "it runs"
        self._server.post(run[0], {})
        until(lambda: not processes_of(self._server.sandbox.state), "Claude has ended")


class _Connection:
    """A connection that is kept open, as a browser's is."""

    def __init__(self, server: Server) -> None:
        self._http = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=WAIT_SECONDS)

    def post(self, path: str, form: Mapping[str, str]) -> None:
        """Send a form; `status` has to be read before the next request."""
        headers = {**basic_header(), "Content-Type": "application/x-www-form-urlencoded"}
        self._http.request("POST", path, urlencode(form), headers)

    def status(self) -> int:
        response = self._http.getresponse()
        response.read()
        return response.status

    def small_request(self) -> float:
        """Seconds that a request takes which does nothing."""
        began = time.perf_counter()
        self._http.request("GET", "/healthz")
        assert self.status() == 200
        return time.perf_counter() - began

    def close(self) -> None:
        self._http.close()


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
