"""A misbehaving Claude: the messages shown, the recorded outcome, and the leftovers.

Each line of the tables is one kind of misbehaviour of the stand-in, and its outcome. The server
that all of them share has to survive to the end.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread

import pytest
import requests

from opcode_htmx.engines.claude.files import history
from opcode_htmx.runs.model.record import Outcome
from tests.runs.processes.misbehaving import Began, began
from tests.support.cli.supervision import FOREVER
from tests.support.environment import PATIENCE, until
from tests.support.server import Server

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
        ([["half", "a", 0], ["raw", '{"type":"assis'], ["exit", 0]], "interrupted", 0, CUT),
        ([["bytes", "ff00fe"], ["exit", 255]], "failed", 255, f"{EXITED} 255."),
        ([["signal", 9]], "interrupted", -9, f"{KILLED} SIGKILL."),
        ([["grandchild"], ["signal", 6]], "failed", -6, "Claude crashed with SIGABRT."),
        # while it waits for an answer
        ([["say", ASK], ["exit", 0]], "interrupted", 0, CUT),
        ([["say", ASK], ["signal", 15]], "interrupted", -15, f"{KILLED} SIGTERM."),
        # when its turn is closed
        ([["exit after turn", 0]], "completed", 0, DONE),
        ([["exit after turn", 4]], "failed", 4, f"{EXITED} 4."),
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
        [
            ["raw", "no json\n\n{\n[]\nnull\n"],
            ["raw", "\x1b[31m\0\u202e<script>alert(1)</script>\n"],
            ["bytes", "fffe7b22747970650a"],
        ],
        [
            ["raw", '{"type":"assistant","message":' + '{"a":' * 400 + "1" + "}" * 401 + "\n"],
            ["raw", '{"type":"user","message":{"content":[{"type":"tool_result"}]}}\n'],
            ["raw", '{"type":"\\ud800","uuid":"\\udfff"}\n'],
            ["say", {"type": "of_tomorrow", "what": ["?"]}],
            ["say", INIT],
            ["say", {**INIT, "session_id": 7, "model": [], "slash_commands": "x"}],
        ],
        [
            ["say", {"type": "control_response", "response": ANSWERED}],
            ["say", {"type": "control_cancel_request", "request_id": "never-asked"}],
            ["say", {"type": "user", "uuid": "never-sent", "isReplay": True, "message": {}}],
            ["say", {"type": "command_lifecycle", "command_uuid": "never", "state": "started"}],
            ["say", {"type": "stream_event", "event": {"type": "content_block_stop", "index": -9}}],
        ],
        [["raw", '{"type":"result","duration_ms":NaN,"total_cost_usd":1e999}\n']],
        [["say", RESULT], ["say", RESULT]],
        [["after turn", ["text", "one more thing"]], ["after turn", ["say", RESULT]]],
    ],
    ids=["no JSON", "odd values", "about nothing", "odd numbers", "two results", "after its turn"],
)
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
        while not over.wait(0.05):
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
        began(server, ["flood", 10_000], ["text", "behind it"]) as session,
        began(server, ["lines", 20], ["text", "beside it"]) as other,
    ):
        other.client.until("completion")
        assert other.client.said()[-1] == "beside it"
        session.client.until("completion")
        said = session.client.said()
        assert said == [*map(str, range(10_000)), "behind it"]


@pytest.mark.parametrize("line", ["an answer", "without a newline"])
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
