"""The demo, end to end: the real Claude CLI against the scripted Messages API."""

from __future__ import annotations

import http.client
import importlib.util
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any, cast

import psutil
import pytest

from opcode_htmx.engines.claude.demo import sample, scenarios, sse
from opcode_htmx.engines.claude.demo.messages_api import (
    ApiError,
    MessagesApi,
    Request,
    Scene,
    Text,
    Thinking,
    ToolUse,
)
from opcode_htmx.engines.claude.demo.record import Record
from opcode_htmx.engines.claude.demo.scenarios import (
    SUGGESTIONS,
    Suggestion,
    demo_scenes,
)
from opcode_htmx.engines.claude.demo.service import (
    DemoEnvironment,
    DemoUnavailableError,
    ensure_running,
)
from tests.support.environment import ROOT, has_ended

PATH = os.pathsep.join([str(Path(sys.executable).parent), "/usr/local/bin", "/usr/bin", "/bin"])
Message = Mapping[str, Any]


def eventually(condition: Callable[[], bool], what: str, timeout: float = 20.0) -> None:
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, f"not within {timeout} s: {what}"
        time.sleep(0.02)


class Conversation:
    """A Claude process, spoken to over stdin and stdout."""

    def __init__(self, argv: list[str], cwd: Path, env: Mapping[str, str], log: Path) -> None:
        self.log = log
        with log.open("wb") as stderr:
            self.process = subprocess.Popen(
                argv,
                cwd=cwd,
                env=env,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
            )

    def send(self, message: Message) -> None:
        stdin = cast(IO[bytes], self.process.stdin)
        stdin.write(json.dumps(message).encode() + b"\n")
        stdin.flush()

    def prompt(self, text: str) -> None:
        self.send({"type": "user", "message": {"role": "user", "content": text}})

    def until(self, wanted: Callable[[Message], bool]) -> list[Message]:
        """Read messages up to the wanted one, which is the last of the list."""
        seen: list[Message] = []
        for line in cast(IO[bytes], self.process.stdout):
            seen.append(json.loads(line))
            if wanted(seen[-1]):
                return seen
        raise AssertionError(f"Claude ended: {self.log.read_text()}")

    def turn(self) -> list[Message]:
        return self.until(lambda m: m["type"] == "result")

    def asked(self, tool: str) -> Message:
        """Wait for the permission prompt, which must be for this tool."""
        request = self.until(lambda m: m["type"] == "control_request")[-1]
        assert request["request"]["subtype"] == "can_use_tool"
        assert request["request"]["tool_name"] == tool
        return request

    def answer(self, request: Message, response: Message) -> None:
        body = {
            "subtype": "success",
            "request_id": request["request_id"],
            "response": response,
        }
        self.send({"type": "control_response", "response": body})

    def allow(self, request: Message, **changes: Any) -> None:
        given = {**request["request"]["input"], **changes}
        self.answer(request, {"behavior": "allow", "updatedInput": given})

    def deny(self, request: Message) -> None:
        self.answer(request, {"behavior": "deny", "message": "Not now."})

    def close(self) -> None:
        cast(IO[bytes], self.process.stdin).close()
        try:
            self.process.wait(20)
        finally:
            self.process.kill()
            self.process.wait()
            cast(IO[bytes], self.process.stdout).close()


Talk = Callable[..., Conversation]


@pytest.fixture(scope="session")
def claude_binary(integration: None) -> str:
    spec = importlib.util.find_spec("claude_agent_sdk")
    bundled = [
        Path(p) / "_bundled" / "claude" for p in (spec and spec.submodule_search_locations) or ()
    ]
    for candidate in (os.environ.get("CLAUDE_PATH"), *bundled):
        if candidate and Path(candidate).is_file():
            return str(candidate)
    missing = "The real Claude CLI is needed: set CLAUDE_PATH or install claude-agent-sdk."
    if os.environ.get("CI"):
        pytest.fail(missing)
    pytest.skip(missing)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "sample"
    sample.ensure_sample_project(folder)
    return folder


@pytest.fixture
def api(project: Path) -> Iterator[MessagesApi]:
    with MessagesApi(demo_scenes(project)) as running:
        yield running


@pytest.fixture
def talk(claude_binary: str, tmp_path: Path) -> Iterator[Talk]:
    """Start conversations, each with its own home and config folder; end them afterwards."""
    started: list[Conversation] = []

    def start(
        base_url: str, cwd: Path, changes: Mapping[str, str | None] | None = None
    ) -> Conversation:
        home = tmp_path / f"home{len(started)}"
        home.mkdir()
        env: dict[str, str | None] = {
            "PATH": PATH,
            "HOME": str(home),
            "LANG": "C.UTF-8",
            "CLAUDE_CONFIG_DIR": str(home / "claude"),
            "ANTHROPIC_BASE_URL": base_url,
            "ANTHROPIC_API_KEY": "dummy",
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            "DISABLE_AUTOUPDATER": "1",
            **(changes or {}),
        }
        argv = [
            claude_binary,
            "-p",
            *("--input-format", "stream-json", "--output-format", "stream-json"),
            *("--verbose", "--include-partial-messages", "--replay-user-messages"),
            *("--permission-prompt-tool", "stdio", "--session-id", str(uuid.uuid4())),
        ]
        given = {name: value for name, value in env.items() if value is not None}
        started.append(Conversation(argv, cwd, given, home / "stderr"))
        return started[-1]

    yield start
    for conversation in started:
        conversation.close()


@pytest.fixture
def claude(talk: Talk, api: MessagesApi, project: Path) -> Conversation:
    return talk(api.url, project)


def deltas(messages: list[Message]) -> list[str]:
    events = [m["event"] for m in messages if m["type"] == "stream_event"]
    found = [e["delta"] for e in events if e["type"] == "content_block_delta"]
    return [d["text"] for d in found if d["type"] == "text_delta"]


def said(messages: list[Message]) -> str:
    """The text of the turn's last message."""
    blocks = [b for m in messages if m["type"] == "assistant" for b in m["message"]["content"]]
    return str([b["text"] for b in blocks if b["type"] == "text"][-1])


def ask(base_url: str, body: Message | bytes, path: str = "/v1/messages") -> tuple[int, Any]:
    port = int(base_url.rpartition(":")[2])
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("POST", path, body if isinstance(body, bytes) else json.dumps(body))
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


def asking(prompt: str, **more: Any) -> dict[str, Any]:
    message = {"role": "user", "content": prompt}
    return {"model": "m", "tools": [{"name": "Bash"}], "messages": [message], **more}


# The scenes


def test_every_suggested_prompt_has_a_scene_of_its_own(project: Path) -> None:
    stage = demo_scenes(project)
    chosen = [next(s.name for s in stage if s.is_for(x.prompt_text)) for x in SUGGESTIONS]
    assert len(set(chosen)) == len(SUGGESTIONS)
    assert stage[-1].name not in chosen


def test_the_markdown_answer_streams_in_pieces(claude: Conversation) -> None:
    claude.prompt(scenarios.OVERVIEW.prompt_text)
    turn = claude.turn()
    pieces = deltas(turn)
    assert len(pieces) > 100
    assert "".join(pieces) == said(turn)
    for mark in ("# ", "## ", "\n- ", "\n| ", "\n```sh", "\n> ", "](https://"):
        assert mark in said(turn)
    assert turn[-1]["is_error"] is False


def test_an_allowed_tool_makes_the_file(claude: Conversation, project: Path) -> None:
    claude.prompt(scenarios.RUN_TOOL.prompt_text)
    request = claude.asked("Bash")
    assert not (project / "report.txt").exists()
    claude.allow(request)
    turn = claude.turn()
    assert (project / "report.txt").read_text().startswith("README.md: ")
    assert said(turn).startswith("Done")


def test_a_denied_tool_is_answered_and_runs_nothing(claude: Conversation, project: Path) -> None:
    claude.prompt(scenarios.RUN_TOOL.prompt_text)
    claude.deny(claude.asked("Bash"))
    assert "I have not run it" in said(claude.turn())
    assert not (project / "report.txt").exists()


def test_from_another_folder_the_tool_still_works_in_the_sample(
    talk: Talk, api: MessagesApi, project: Path, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "else where"
    elsewhere.mkdir()
    claude = talk(api.url, elsewhere)
    claude.prompt(scenarios.RUN_TOOL.prompt_text)
    claude.allow(claude.asked("Bash"))
    claude.turn()
    assert (project / "report.txt").exists()
    assert not list(elsewhere.glob("*.txt"))


def test_the_edit_gives_a_diff_and_repairs_the_sample(claude: Conversation, project: Path) -> None:
    claude.prompt(scenarios.EDIT_FILE.prompt_text)
    claude.allow(claude.asked("Edit"))
    turn = claude.turn()
    results = [m["tool_use_result"] for m in turn if "tool_use_result" in m]
    lines = results[-1]["structuredPatch"][0]["lines"]
    assert f"-{sample.FLAW.rstrip()}" in lines
    assert f"+{sample.FIX.rstrip()}" in lines
    assert said(turn).startswith("Fixed")
    unittest = subprocess.run(
        [sys.executable, "-m", "unittest"], cwd=project, env={}, capture_output=True, check=False
    )
    assert unittest.returncode == 0, unittest.stderr.decode()


def test_an_edit_that_is_done_is_not_done_again(claude: Conversation, project: Path) -> None:
    app = project / "app.py"
    app.write_text(app.read_text().replace(sample.FLAW, sample.FIX))
    claude.prompt(scenarios.EDIT_FILE.prompt_text)
    assert "fixed already" in said(claude.turn())


def test_a_denied_edit_changes_nothing_and_can_be_asked_for_again(
    claude: Conversation, project: Path
) -> None:
    before = (project / "app.py").read_text()
    for _ in range(2):
        claude.prompt(scenarios.EDIT_FILE.prompt_text)
        claude.deny(claude.asked("Edit"))
        assert "stays as it was" in said(claude.turn())
    assert (project / "app.py").read_text() == before


@pytest.mark.parametrize("label", ["At home", "On the road", "At the desk"])
def test_the_question_is_answered_by_the_choice(claude: Conversation, label: str) -> None:
    claude.prompt(scenarios.ASK_ME.prompt_text)
    request = claude.asked("AskUserQuestion")
    (question,) = request["request"]["input"]["questions"]
    assert label in [option["label"] for option in question["options"]]
    claude.allow(request, answers={question["question"]: label})
    assert said(claude.turn()).startswith(f"**{label}**")


def test_a_question_may_be_answered_freely_or_not_at_all(claude: Conversation) -> None:
    claude.prompt(scenarios.ASK_ME.prompt_text)
    request = claude.asked("AskUserQuestion")
    question = request["request"]["input"]["questions"][0]["question"]
    claude.allow(request, answers={question: "In a boat"})
    assert said(claude.turn()).startswith("Thank you")
    claude.prompt(scenarios.ASK_ME.prompt_text)
    claude.deny(claude.asked("AskUserQuestion"))
    assert said(claude.turn()).startswith("No answer")


def test_the_long_answer_is_interrupted_and_claude_stays_usable(
    claude: Conversation, api: MessagesApi
) -> None:
    claude.prompt(scenarios.TOUR.prompt_text)
    claude.until(lambda m: len(deltas([m])) == 1)
    claude.send(
        {"type": "control_request", "request_id": "stop", "request": {"subtype": "interrupt"}}
    )
    interrupted = claude.turn()
    assert len(deltas(interrupted)) < 50
    eventually(lambda: api.active == 0, "the API gives up the interrupted answer")
    claude.prompt(scenarios.OVERVIEW.prompt_text)
    assert said(claude.turn()).startswith("# Claude Code")


def test_the_long_answer_lasts_about_two_minutes(project: Path) -> None:
    request = Request.parse(asking(scenarios.TOUR.prompt_text))
    scene = next(s for s in demo_scenes(project) if s.is_for(request.prompt))
    turn = scene.reply(request)
    assert isinstance(turn, tuple)
    assert 110 < sum(e.pace or 0 for e in sse.events(turn, "m", 1)) < 130


def test_unknown_prompt_is_answered_with_suggestions(claude: Conversation) -> None:
    claude.prompt("Please write me a sonnet")
    answer = said(claude.turn())
    assert "demo" in answer
    assert all(suggestion.prompt_text in answer for suggestion in SUGGESTIONS)


def test_the_sample_is_completed_but_never_overwritten(project: Path) -> None:
    (project / "README.md").write_text("mine")
    (project / "app.py").unlink()
    sample.ensure_sample_project(project)
    assert (project / "README.md").read_text() == "mine"
    assert sample.FLAW in (project / "app.py").read_text()


def test_the_sample_has_the_bug_that_its_test_finds(project: Path) -> None:
    unittest = subprocess.run(
        [sys.executable, "-m", "unittest"], cwd=project, env={}, capture_output=True, check=False
    )
    assert b"FAILED (failures=1)" in unittest.stderr


# The API


def test_the_newest_prompt_counts_and_not_what_the_cli_adds() -> None:
    request = Request.parse(
        {
            "messages": [
                {"role": "user", "content": "first"},
                {"role": "assistant", "content": [{"type": "text", "text": "answer"}]},
                {
                    "role": "user",
                    "content": [{"type": "text", "text": "[Request interrupted by user]\n"}],
                },
                {
                    "role": "user",
                    "content": [
                        {"type": "text", "text": "<system-reminder>be nice</system-reminder>"},
                        {"type": "text", "text": "second"},
                    ],
                },
                {"role": "system", "content": "# Env\n - Primary working directory: /a b\n - x"},
                {"role": "assistant", "content": [{"type": "tool_use", "id": "t"}]},
                {
                    "role": "user",
                    "content": [
                        {"type": "tool_result", "content": "no", "is_error": True},
                        {"type": "tool_result", "content": [{"type": "text", "text": "yes"}]},
                    ],
                },
            ]
        }
    )
    assert (request.prompt, request.step) == ("second", 1)
    assert [(r.text, r.is_error) for r in request.tool_results] == [("no", True), ("yes", False)]
    assert request.working_directory == "/a b"


def test_steps_that_run_out_end_with_a_short_text() -> None:
    scene = Scene("one", "", [Text("only")])
    body = asking("x")
    body["messages"].append({"role": "assistant", "content": "only"})
    (closing,) = cast(tuple[Text], scene.reply(Request.parse(body)))
    assert closing.text == "That is the end of this scene."


def test_thinking_reaches_claude_before_the_text(talk: Talk, tmp_path: Path) -> None:
    with MessagesApi([Scene("t", "", [(Thinking("Let me see."), Text("Seen."))])]) as api:
        claude = talk(api.url, tmp_path)
        claude.prompt("go")
        turn = claude.turn()
    blocks = [b for m in turn if m["type"] == "assistant" for b in m["message"]["content"]]
    assert [b.get("thinking") or b.get("text") for b in blocks] == ["Let me see.", "Seen."]


def test_an_api_error_becomes_an_error_of_the_turn(talk: Talk, tmp_path: Path) -> None:
    failing = Scene("e", "", [ApiError(400, "invalid_request_error", "The script says no.")])
    with MessagesApi([failing]) as api:
        claude = talk(api.url, tmp_path)
        claude.prompt("go")
        result = claude.turn()[-1]
    assert result["is_error"] is True
    assert "The script says no." in result["result"]


def test_a_gate_holds_the_answer_in_the_middle(talk: Talk, tmp_path: Path) -> None:
    gate = threading.Event()
    with MessagesApi([Scene("g", "", [Text("one two three four", gate=gate)])]) as api:
        claude = talk(api.url, tmp_path)
        claude.prompt("go")
        claude.until(lambda m: deltas([m]) == [" two"])
        assert api.active == 1
        gate.set()
        assert said(claude.turn()) == "one two three four"


def test_a_client_that_hangs_up_ends_its_answer_silently(
    capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    before = threading.active_count()
    with MessagesApi([Scene("g", "", [Text("one two", gate=threading.Event())])]) as api:
        body = json.dumps(asking("x", stream=True)).encode()
        head = f"POST /v1/messages HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
        with socket.create_connection(("127.0.0.1", api.port), timeout=10) as client:
            client.sendall(head.encode() + body)
            received = b""
            while b'"one"' not in received:
                received += client.recv(65536)
            assert api.active == 1
        eventually(lambda: api.active == 0, "the answer ends")
        eventually(lambda: threading.active_count() == before + 1, "its thread ends")
    assert "".join(capfd.readouterr()) == ""
    assert not caplog.records


def test_closing_ends_held_answers_and_idle_connections() -> None:
    before = threading.active_count()
    api = MessagesApi([Scene("g", "", [Text("one two", gate=threading.Event())])]).start()
    held = http.client.HTTPConnection("127.0.0.1", api.port, timeout=10)
    idle = http.client.HTTPConnection("127.0.0.1", api.port, timeout=10)
    try:
        idle.request("HEAD", "/")
        assert idle.getresponse().read() == b""
        held.request("POST", "/v1/messages", json.dumps(asking("x", stream=True)))
        response = held.getresponse()
        assert response.status == 200
        api.close()
        assert threading.active_count() == before
        with pytest.raises(http.client.IncompleteRead):
            response.read()
    finally:
        held.close()
        idle.close()
        api.close()


def test_without_stream_the_reply_comes_whole() -> None:
    scene = Scene("w", "", [(Text("Look:"), ToolUse("Bash", {"command": "ls"}))])
    with MessagesApi([scene]) as api:
        status, reply = ask(api.url, asking("x"))
        assert status == 200
        assert [block["type"] for block in reply["content"]] == ["text", "tool_use"]
        assert reply["content"][1]["input"] == {"command": "ls"}
        assert reply["stop_reason"] == "tool_use"
        assert [r["model"] for r in api.requests] == ["m"]


def test_a_request_without_tools_gets_a_title(api: MessagesApi) -> None:
    status, reply = ask(api.url, asking(scenarios.RUN_TOOL.prompt_text, tools=[]))
    assert status == 200
    assert [block["type"] for block in reply["content"]] == ["text"]


def test_tokens_are_counted(api: MessagesApi) -> None:
    status, reply = ask(api.url, asking("x" * 400), "/v1/messages/count_tokens?beta=true")
    assert status == 200
    assert reply["input_tokens"] >= 100


@pytest.mark.parametrize(
    ("body", "path", "status"),
    [
        (b"{", "/v1/messages", 400),
        (b"[]", "/v1/messages", 400),
        (b'{"messages": 1}', "/v1/messages", 400),
        (b"{}", "/v1/models", 404),
    ],
)
def test_what_it_does_not_know_is_refused(
    api: MessagesApi, body: bytes, path: str, status: int
) -> None:
    answered, reply = ask(api.url, body, path)
    assert (answered, reply["type"]) == (status, "error")


def test_a_scene_that_fails_is_logged_and_answered_with_500(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(request: Request) -> Text:
        raise KeyError("broken scene")

    with MessagesApi([Scene("f", "", [fail])]) as api:
        assert ask(api.url, asking("x"))[0] == 500
    assert "broken scene" in caplog.text


# The service


@pytest.fixture
def demo_dir(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "state" / "demo"
    yield folder
    if record := Record.load(folder / "api.json"):
        record.end_process()


def recorded(demo_dir: Path) -> Record:
    record = Record.load(demo_dir / "api.json")
    assert record is not None
    return record


def test_the_service_is_reused_while_it_is_alive(demo_dir: Path) -> None:
    first, second = ensure_running(demo_dir), ensure_running(demo_dir)
    assert first.base_url == second.base_url
    assert recorded(demo_dir).answers()


def test_many_starters_at_once_start_one_service(demo_dir: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        demos = list(pool.map(ensure_running, [demo_dir] * 8))
    assert len({demo.base_url for demo in demos}) == 1
    assert (demo_dir / "api.log").read_text().count("listens on") == 1


def test_the_record_is_for_its_owner_only(demo_dir: Path) -> None:
    demo = ensure_running(demo_dir)
    assert stat.S_IMODE((demo_dir / "api.json").stat().st_mode) == 0o600
    assert stat.S_IMODE(demo_dir.stat().st_mode) == 0o700
    demo.release()


STARTER = """
import sys
from pathlib import Path
{patch}
from opcode_htmx.engines.claude.demo.service import ensure_running
demo = ensure_running(Path(sys.argv[1]), float(sys.argv[2]))
print(demo.base_url, flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize(
    "patch", ["", "from gevent import monkey; monkey.patch_all()"], ids=["plain", "gevent"]
)
def test_the_service_outlives_a_killed_server(demo_dir: Path, patch: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", STARTER.format(patch=patch), str(demo_dir), "60"],
        cwd=ROOT,
        env={"PATH": PATH},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    ) as server:
        url = cast(IO[bytes], server.stdout).readline().decode().strip()
        os.killpg(server.pid, signal.SIGKILL)
    assert recorded(demo_dir).answers()
    assert ensure_running(demo_dir).base_url == url


def test_the_service_ends_when_the_last_server_is_gone(demo_dir: Path) -> None:
    first, second = ensure_running(demo_dir, 0.4), ensure_running(demo_dir, 0.4)
    record = recorded(demo_dir)
    process = psutil.Process(record.pid)
    first.release()
    waited = time.monotonic() + 1.2
    eventually(lambda: time.monotonic() > waited, "three times the idle time has passed")
    assert record.answers()
    second.release()
    eventually(lambda: has_ended(process), "the process ends")
    assert "it ends" in (demo_dir / "api.log").read_text()


def test_the_service_waits_for_an_answer_in_progress(demo_dir: Path) -> None:
    demo = ensure_running(demo_dir, 0.4)
    record = recorded(demo_dir)
    process = psutil.Process(record.pid)
    connection = http.client.HTTPConnection("127.0.0.1", record.port, timeout=10)
    body = asking(scenarios.TOUR.prompt_text, stream=True)
    connection.request("POST", "/v1/messages", json.dumps(body))
    response = connection.getresponse()
    demo.release()
    started = time.monotonic()
    while time.monotonic() < started + 1.5:
        assert response.readline()
    response.close()
    connection.close()
    eventually(lambda: has_ended(process), "the process ends after the answer")


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_after_a_crash_the_port_is_the_same(demo_dir: Path, how: signal.Signals) -> None:
    before = ensure_running(demo_dir)
    crashed = recorded(demo_dir)
    process = psutil.Process(crashed.pid)
    process.send_signal(how)
    eventually(lambda: has_ended(process), "the process ends")
    after = ensure_running(demo_dir)
    assert after.base_url == before.base_url
    assert recorded(demo_dir).pid != crashed.pid


def test_a_service_that_hangs_is_replaced_on_its_port(demo_dir: Path) -> None:
    before = ensure_running(demo_dir)
    hanging = recorded(demo_dir)
    process = psutil.Process(hanging.pid)
    process.suspend()
    after = ensure_running(demo_dir)
    assert has_ended(process)
    assert after.base_url == before.base_url


def test_a_stranger_on_the_old_port_is_left_alone(demo_dir: Path) -> None:
    demo_dir.mkdir(parents=True)
    with MessagesApi([Scene("s", "", [Text("mine")])], nonce="another") as stranger:
        Record(stranger.port, os.getpid(), 0.0, "the demo's").save(demo_dir / "api.json")
        demo = ensure_running(demo_dir)
        assert demo.base_url != stranger.url
        assert ask(stranger.url, asking("x"))[1]["content"][0]["text"] == "mine"
    assert recorded(demo_dir).answers()


def test_a_reused_process_id_is_not_killed(demo_dir: Path) -> None:
    demo_dir.mkdir(parents=True)
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as innocent:
        Record(1, innocent.pid, time.time() - 3600, "n").save(demo_dir / "api.json")
        ensure_running(demo_dir)
        assert innocent.poll() is None


def test_a_folder_that_cannot_be_made_is_said_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DemoUnavailableError, match="The demo cannot be set up in"):
        ensure_running(tmp_path / "file" / "demo")


def test_the_environment_takes_out_what_would_lead_elsewhere(demo_dir: Path) -> None:
    demo = ensure_running(demo_dir)
    assert demo.changes["ANTHROPIC_AUTH_TOKEN"] is None
    assert demo.changes["CLAUDE_CODE_USE_BEDROCK"] is None
    assert demo.changes["ANTHROPIC_BASE_URL"] == demo.base_url
    assert demo.changes["CLAUDE_CONFIG_DIR"] == str(demo.config_dir)


def test_a_claude_goes_on_after_the_service_was_killed(demo_dir: Path, talk: Talk) -> None:
    demo = ensure_running(demo_dir)
    claude = talk(demo.base_url, demo.sample_project, {**demo.changes})
    assert answers(claude, scenarios.RUN_TOOL, demo)
    recorded(demo_dir).end_process()
    again = ensure_running(demo_dir)
    assert answers(claude, scenarios.RUN_TOOL, again)
    assert list(demo.config_dir.glob("projects/*/*.jsonl"))


def answers(claude: Conversation, suggestion: Suggestion, demo: DemoEnvironment) -> bool:
    claude.prompt(suggestion.prompt_text)
    claude.allow(claude.asked("Bash"))
    claude.turn()
    report = demo.sample_project / "report.txt"
    made = report.exists()
    report.unlink()
    return made
