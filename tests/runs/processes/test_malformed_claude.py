"""A misbehaving Claude: the messages shown, the recorded outcome, and the leftovers.

Each line of the tables is one kind of misbehaviour of the stand-in, and its outcome. The server
that all of them share has to survive to the end.
"""

from __future__ import annotations

import json
import os
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from html import unescape
from pathlib import Path
from threading import Event, Thread
from typing import Any

import psutil
import pytest
import requests

from opcode_htmx.engines.claude.files import history
from opcode_htmx.runs.control.launcher import CannotStart
from opcode_htmx.runs.control.run import Run
from opcode_htmx.runs.model.lifecycle import Phase
from opcode_htmx.runs.model.record import Outcome
from opcode_htmx.runs.model.run_folder import InputClosed
from tests.support.cli.supervision import BY, Supervision
from tests.support.cli.supervision import until as until_meanwhile
from tests.support.clients.json_client import JsonClient, connected
from tests.support.environment import (
    PATIENCE,
    Server,
    processes_of,
    until,
)

FOREVER = ["wait", "/no/such/file"]
INIT = {"type": "system", "subtype": "init", "model": "m", "session_id": "another-one"}
RESULT = {"type": "result", "subtype": "success", "uuid": "twice", "is_error": False}
ASK = {
    "type": "control_request",
    "request_id": "ask-1",
    "request": {"subtype": "can_use_tool", "tool_name": "Bash", "input": {"command": "true"}},
}
ANSWERED = {"subtype": "success", "request_id": "never-asked", "response": {"behavior": "allow"}}


@pytest.fixture(scope="module")
def shared_settings() -> dict[str, str]:
    return {"OPCODE_STOP_DEADLINE": "2", "OPCODE_MAX_RUNS": "100"}


@pytest.fixture
def server(shared_server: Server) -> Iterator[Server]:
    yield shared_server
    assert requests.get(f"{shared_server.url}/healthz", timeout=PATIENCE).ok
    assert "Traceback" not in shared_server.log.read_text()


@dataclass
class Began:
    """A session as a person has it in front of them."""

    server: Server
    client: JsonClient
    session_id: str
    run_id: str
    ended: dict[str, Any] = field(default_factory=dict)

    def page(self) -> str:
        project = history.project_id(self.server.sandbox.project)
        page = self.server.get(f"/projects/{project}/sessions/{self.session_id}")
        assert page.status_code == 200, page.text
        return " ".join(unescape(page.text).split())

    def shows(self, words: str) -> None:
        until(lambda: words in self.page(), f"the page says “{words}”")

    def record(self) -> dict[str, Any]:
        path = self.server.sandbox.state / "runs" / self.run_id / "run.json"
        found: dict[str, Any] = json.loads(path.read_bytes())
        return found

    def processes(self) -> list[psutil.Process]:
        return processes_of(self.server.sandbox.state, self.run_id)

    def claude(self) -> psutil.Process:
        return psutil.Process(self.record()["pid"])

    def stop(self) -> None:
        stopped = self.server.post(f"/runs/{self.run_id}/stop", {})
        assert stopped.status_code in (303, 204), stopped.text

    def phase(self) -> str:
        running = self.server.get("/api/sessions/running").json()["data"]
        return next((run["status"] for run in running if run["run_id"] == self.run_id), "ended")

    def until_ended(self) -> None:
        self.ended = self.client.until("ended")


@contextmanager
def began(server: Server, *steps: list[object]) -> Iterator[Began]:
    """A session that Claude has taken up, heard by a program from its first line."""
    with connected(server) as client:
        client.send(
            command_type="execute",
            project_path=str(server.sandbox.project),
            prompt=json.dumps(steps),
            detach=True,
        )
        start = client.until("start")
        yield Began(server, client, start["session_id"], start["run_id"])


def assert_recorded(session: Began, outcome: str, status: int | None, cause: str) -> None:
    """One outcome, the same everywhere, in a sentence; and no process left behind."""
    end = session.record()["end"]
    assert (end["outcome"], end["exit_status"], end["cause"]) == (outcome, status, cause)
    assert outcome in set(Outcome)
    assert time.time() - 60 < end["at"] <= time.time()
    assert (session.ended["outcome"], session.ended["message"]) == (outcome, cause)
    session.shows(cause)
    until(lambda: not session.processes(), "nothing is left")


# --- how it ends ----------------------------------------------------------------------------

DONE = "Claude ended."
EXITED, KILLED = "Claude ended with exit status", "Claude was ended from outside by"
CUT = "Claude ended before its answer was complete."
LAST_WORDS = ["stderr", "the last words"]


@pytest.mark.parametrize(
    ("steps", "outcome", "status", "cause"),
    [
        # while it works
        ([["text", "a"], ["exit", 0]], "interrupted", 0, CUT),
        ([["text", "a"], ["exit", 1]], "failed", 1, f"{EXITED} 1."),
        ([["half", "a", 0], ["raw", '{"type":"assis'], ["exit", 0]], "interrupted", 0, CUT),
        ([["bytes", "ff00fe"], ["exit", 255]], "failed", 255, f"{EXITED} 255."),
        ([["signal", 9]], "interrupted", -9, f"{KILLED} SIGKILL."),
        ([["signal", 11]], "failed", -11, "Claude crashed with SIGSEGV."),
        ([["grandchild"], ["signal", 6]], "failed", -6, "Claude crashed with SIGABRT."),
        # while it waits for an answer
        ([["say", ASK], ["exit", 0]], "interrupted", 0, CUT),
        ([["say", ASK], ["exit", 2]], "failed", 2, f"{EXITED} 2."),
        ([["say", ASK], ["signal", 15]], "interrupted", -15, f"{KILLED} SIGTERM."),
        # when its turn is closed
        ([["exit after turn", 0]], "completed", 0, DONE),
        ([["exit after turn", 4]], "failed", 4, f"{EXITED} 4."),
        ([["say", RESULT], ["exit", 0]], "completed", 0, DONE),
        ([["say", RESULT], ["say", RESULT], ["exit after turn", 0]], "completed", 0, DONE),
        ([["after turn", ["text", "more"]], ["exit after turn", 0]], "interrupted", 0, CUT),
        # with what it talks through closed
        ([["close", "stdout"], ["exit", 0]], "interrupted", 0, CUT),
        ([["close", "stderr"], ["exit after turn", 0]], "completed", 0, DONE),
        ([["close", "stdin"], ["exit after turn", 3]], "failed", 3, f"{EXITED} 3."),
    ],
)  # fmt: skip
def test_every_kind_of_exit_is_recorded_once_and_explained(
    server: Server, steps: list[list[object]], outcome: str, status: int, cause: str
) -> None:
    with began(server, [*LAST_WORDS], *steps) as session:
        session.until_ended()
        assert_recorded(session, outcome, status, cause)
        folder = server.sandbox.state / "runs" / session.run_id
        assert (folder / "err.log").read_text() == "the last words\n"
        if outcome not in ("completed", "cancelled"):
            failure = [each for each in session.client.of_type("error") if "stderr" in each][-1]
            assert failure["stderr"] == ["the last words"]
            session.shows("the last words")


@pytest.mark.parametrize(
    ("steps", "phase"),
    [
        ([["text", "a"], FOREVER], "working"),
        ([["say", ASK], FOREVER], "waiting"),
        ([["close", "stdout"], FOREVER], "working"),
        ([["close", "stdin"], FOREVER], "working"),
        ([["deaf"], ["grandchild"], ["text", "a"], FOREVER], "working"),
        ([["exit on term", 0], ["text", "a"], FOREVER], "working"),
        ([["exit on term", 7], ["text", "a"], FOREVER], "working"),
        ([["text", "a"]], "idle"),
        ([["close", "stdin"]], "ended"),
    ],
)
def test_stop_ends_a_misbehaving_claude_and_says_so(
    server: Server, steps: list[list[object]], phase: str
) -> None:
    with began(server, *steps) as session:
        until(lambda: session.phase() == phase, f"it is {phase}")
        if phase == "ended":
            return
        asked = time.monotonic()
        session.stop()
        session.until_ended()
        assert time.monotonic() - asked < 2 + 2, "the deadline, and a sweep"
        status = session.record()["end"]["exit_status"]
        assert_recorded(session, "cancelled", status, "Stopped by you.")


def test_idle_claude_killed_from_outside_is_recorded(server: Server) -> None:
    with began(server, ["text", "a"]) as session:
        session.client.until("completion")
        session.claude().kill()
        session.until_ended()
        assert_recorded(session, "interrupted", -9, "Claude was ended from outside by SIGKILL.")


# --- what it writes -------------------------------------------------------------------------

DEEP = '{"type":"control_request","request_id":"r","request":{"subtype":"can_use_tool","input":'


@pytest.mark.parametrize(
    "steps",
    [
        [["raw", "no json\n\n{\n[]\nnull\n"]],
        [["raw", "\x1b[31m\0\u202e<script>alert(1)</script>\n"]],
        [["bytes", "fffe7b22747970650a"]],
        [["raw", '{"type":"result","duration_ms":NaN,"total_cost_usd":1e999}\n']],
        [["raw", '{"type":"assistant","message":' + '{"a":' * 400 + "1" + "}" * 401 + "\n"]],
        [["raw", '{"type":"user","message":{"content":[{"type":"tool_result"}]}}\n']],
        [["raw", '{"type":"\\ud800","uuid":"\\udfff"}\n']],
        [["say", {"type": "of_tomorrow", "what": ["?"]}]],
        [["say", INIT], ["say", {**INIT, "session_id": 7, "model": [], "slash_commands": "x"}]],
        [["say", RESULT], ["say", RESULT]],
        [["say", {"type": "control_response", "response": ANSWERED}]],
        [["say", {"type": "control_cancel_request", "request_id": "never-asked"}]],
        [["say", {"type": "user", "uuid": "never-sent", "isReplay": True, "message": {}}]],
        [["say", {"type": "command_lifecycle", "command_uuid": "never", "state": "started"}]],
        [["say", {"type": "stream_event", "event": {"type": "content_block_stop", "index": -9}}]],
        [["after turn", ["text", "one more thing"]], ["after turn", ["say", RESULT]]],
    ],
)  # fmt: skip
def test_malformed_output_does_not_end_the_run_and_every_line_arrives(
    server: Server, steps: list[list[object]]
) -> None:
    with began(server, *steps, ["text", "behind it"]) as session:
        session.client.until(lambda message: "behind it" in message.get("content", ""))
        session.client.until("completion")
        session.shows("behind it")
        session.client.send(command_type="prompt", prompt="and now?")
        session.client.until(lambda message: "and now?" in message.get("content", ""))
        session.client.until(lambda message: '"assistant"' in message.get("content", ""))
        assert "<script>alert(1)" not in server.get(session_path(session)).text
        written = (server.sandbox.state / "runs" / session.run_id / "out.ndjson").read_bytes()
        received = [line.encode() for line in session.client.lines()]
        lines = written.decode("utf-8", "replace").encode().split(b"\n")
        assert received == [line for line in lines if line.strip()][: len(received)]
        session.stop()
        session.until_ended()


def session_path(session: Began) -> str:
    project = history.project_id(session.server.sandbox.project)
    return f"/projects/{project}/sessions/{session.session_id}"


@pytest.mark.parametrize("request_", ["of a kind of tomorrow", "nested without sense"])
def test_a_request_that_nobody_can_answer_is_refused_so_that_it_goes_on(
    server: Server, request_: str
) -> None:
    odd: list[object] = ["request", "odd", "of_tomorrow"]
    if request_ == "nested without sense":
        deep = DEEP.replace('"r"', '"odd"') + '{"a":' * 300 + "1" + "}" * 302
        odd = ["raw", deep + "\n"]
    with began(server, odd, ["text", "behind it"]) as session:
        session.client.until("completion")
        refused = server.sandbox.state / "runs" / session.run_id / "in.ndjson"
        until(lambda: '"request_id": "odd"' in refused.read_text(), "it is refused")
        session.shows("behind it")


LONGEST_STALL = 10.0
"""Seconds: generous, because the tests share two cores with each other."""


@contextmanager
def always_answering(server: Server, within: float) -> Iterator[None]:
    """The server answers everybody else in time meanwhile."""
    over, slowest = Event(), [0.0]

    def ask() -> None:
        while not over.wait(0.02):
            asked = time.monotonic()
            assert requests.get(f"{server.url}/healthz", timeout=20).ok
            slowest[0] = max(slowest[0], time.monotonic() - asked)

    asking = Thread(target=ask)
    asking.start()
    try:
        yield
    finally:
        over.set()
        asking.join()
    assert slowest[0] < within


def test_output_flood_blocks_no_other_and_arrives_whole(server: Server) -> None:
    with (
        always_answering(server, within=LONGEST_STALL),
        began(server, ["flood", 25_000], ["text", "behind it"]) as session,
        began(server, ["lines", 20], ["text", "beside it"]) as other,
    ):
        other.client.until("completion")
        assert other.client.said()[-1] == "beside it"
        session.client.until("completion")
        said = session.client.said()
        assert said == [*map(str, range(25_000)), "behind it"]


@pytest.mark.parametrize("line", ["an answer", "garbage", "without a newline"])
def test_line_of_50_mb_blocks_no_other_and_the_run_goes_on(server: Server, line: str) -> None:
    size = 50_000_000
    long: list[object] = ["big", size] if line == "an answer" else ["fill", size]
    end: list[list[object]] = [["raw", "\n"], ["text", "behind it"]]
    if line == "without a newline":
        end = [["exit", 0]]
    with (
        always_answering(server, within=LONGEST_STALL),
        began(server, ["text", "before it"], long, *end) as session,
    ):
        with began(server, ["lines", 20], ["text", "beside it"]) as other:
            other.client.until("completion")
            assert other.client.said()[-1] == "beside it"
        if line == "without a newline":
            until(lambda: session.record()["end"], "it has ended", 60)
            assert session.record()["end"]["outcome"] == "interrupted"
        else:
            until(lambda: session.phase() == "idle", "the turn ends", 60)
            session.shows("behind it")
            session.stop()
    until(lambda: not session.processes(), "nothing is left")


# --- a CLI that dies at its start -----------------------------------------------------------

SCRIPTS = {
    "silent": "#!/bin/sh\nexit 0\n",
    "loud": "#!/bin/sh\necho 'no licence for this machine' >&2\nexit 1\n",
    "garbage": "#!/bin/sh\necho 'Segmentation fault' && exit 139\n",
    "killed": "#!/bin/sh\nkill -9 $$\n",
    "reads once": "#!/bin/sh\nread line\necho 'I have seen enough' >&2\nexit 5\n",
}


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("silent", "Claude ended before its answer was complete."),
        ("loud", "Claude ended with exit status 1. no licence for this machine"),
        ("garbage", "Claude ended with exit status 139."),
        ("killed", "Claude was ended from outside by SIGKILL."),
        ("reads once", "Claude ended with exit status 5. I have seen enough"),
    ],
)
def test_cli_that_dies_at_its_start_is_reported_with_its_stderr(
    supervision: Supervision, stand_in: Path, script: str, words: str
) -> None:
    """Either outcome is valid: the prompt races with the end of the process."""
    stand_in.write_text(SCRIPTS[script])
    try:
        run = supervision.prompt("Hello")
    except CannotStart as error:
        said = str(error)
    else:
        assert run.join(10)
        end = run.record.end
        assert end
        said = " ".join([end.cause, *run.folder.error_lines(1)])
    cause, _, last_words = words.partition(". ")
    assert cause.rstrip(".") in said or "at once" in said
    assert last_words in said
    assert supervision.supervisor.live() == []
    until_meanwhile(lambda: not supervision.marked_processes(), "nothing is left")


@pytest.mark.parametrize(
    ("content", "mode", "words"),
    [
        (b"#!/no/such/interpreter\n", 0o755, "/claude is a script whose interpreter is not there"),
        (b"", 0o644, "Permission denied"),
        (b"\x7fELF, but not really", 0o755, "Exec format error"),
        (None, 0, "/claude is not there"),
    ],
)
def test_cli_that_cannot_be_started_is_reported_and_leaves_nothing(
    supervision: Supervision, stand_in: Path, content: bytes | None, mode: int, words: str
) -> None:
    stand_in.unlink()
    if content is not None:
        stand_in.write_bytes(content)
        stand_in.chmod(mode)
    with pytest.raises(CannotStart, match="^Claude could not be started: .*" + words):
        supervision.prompt("Hello")
    assert supervision.supervisor.live() == []
    assert list(supervision.runs_dir.iterdir()) == []


def test_silent_cli_is_starting_until_it_is_stopped(
    supervision: Supervision, stand_in: Path
) -> None:
    stand_in.write_text("#!/bin/sh\nexec sleep 600\n")
    run = supervision.prompt("Hello")
    assert run.phase is Phase.STARTING
    assert run.state.waiting
    run.stop(by=BY)
    assert run.join(10)
    assert run.record.end
    assert (run.record.end.outcome, run.record.end.cause) == (Outcome.CANCELLED, "Stopped by you.")
    assert not run.has_sent(next(iter(run.state.sent))), "it may be sent again"
    until_meanwhile(lambda: not supervision.marked_processes(), "nothing is left")


def is_read(run: Run) -> bool:
    """Whether anybody has Claude's stdin open."""
    try:
        os.close(run.folder.open_input())
    except InputClosed:
        return False
    return True


def test_cli_with_a_closed_stdin_is_reported(supervision: Supervision) -> None:
    session = str(uuid.uuid4())
    run = supervision.prompt(json.dumps([["close", "stdin"], FOREVER]), session)
    until_meanwhile(lambda: not is_read(run), "it has closed it")
    with pytest.raises(Exception, match="takes no more input"):
        supervision.prompt("Are you there?", session)
    assert run.live
    run.stop(by=BY)
    assert run.join(10)
