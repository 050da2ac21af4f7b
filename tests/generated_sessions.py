"""Play a plan against the real CLI: what its processes printed and noted, and where it goes on.

The stage of the differential tests: see `generated_plans` for the steps.
"""

from __future__ import annotations

import atexit
import json
import shutil
import subprocess
import tempfile
import threading
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from opcode_htmx.claude import command, history, json_lines, outgoing
from opcode_htmx.demo.messages_api import MessagesApi

from . import generated_plans as plans
from .generated_plans import Plan, Script, Step
from .support import Sandbox, until

TIMEOUT = 40.0


@dataclass(frozen=True)
class Run:
    """One process of the CLI. `sent` and `stdout` are its lines; the sizes are those of the history
    file of `session_id`, in bytes, when it started and when it had ended.

    session_id: the session that its argv names. session_ids: all in which it was; `/clear` begins
    another one.
    """

    driver: str
    session_id: str
    session_ids: frozenset[str]
    argv: tuple[str, ...]
    sent: tuple[bytes, ...] = field(repr=False)
    stdout: bytes = field(repr=False)
    history_start: int
    history_end: int


@dataclass(frozen=True)
class Session:
    """One session: its history file, and the words from which the CLI goes on.

    goes_on_from: the words of prompts, answers and summaries in the request that a resumed CLI
    sends, oldest first; None if it does not resume the session. all_words_sent: with those of tools
    and agents.
    """

    id: str
    path: Path
    history: bytes = field(repr=False)
    agents: Mapping[str, bytes] = field(repr=False)
    """The files of its `subagents` folder, by name."""
    runs: tuple[Run, ...]
    goes_on_from: tuple[str, ...] | None
    all_words_sent: tuple[str, ...]

    @property
    def lines(self) -> tuple[bytes, ...]:
        return tuple(self.history.splitlines(keepends=True))

    @property
    def words(self) -> tuple[str, ...]:
        """The words of prompts, answers and summaries in the order of the file."""
        return spoken_in(self.history)

    @property
    def cut(self) -> tuple[str, ...]:
        """Those words of the file from which the CLI does not go on."""
        return tuple(word for word in self.words if word not in set(self.goes_on_from or ()))


@dataclass(frozen=True)
class Capture:
    """What came of a plan.

    prompts: the uuids of the prompts by their words (KIWI17). refused: the steps that the CLI
    refused, with its reason. sandbox: its folders, as the CLI left them.
    """

    plan: Plan
    sandbox: Sandbox
    prompts: Mapping[str, str]
    refused: Mapping[int, str]
    sessions: tuple[Session, ...]
    """In the order in which they began."""
    last_id: str
    """The session that a process which starts now would resume."""

    @property
    def session(self) -> Session:
        """The one in which the plan ended."""
        return next(each for each in self.sessions if each.id == self.last_id)


def spoken_in(lines: bytes) -> tuple[str, ...]:
    """The words that lines of a history file, or of stdout, say in messages; each once."""
    found = list[str]()
    for line in lines.splitlines():
        read = json_lines.read(line)
        if read is None:
            continue
        raw = read.content
        message = raw.get("message")
        prompt = (raw.get("attachment") or {}).get("prompt")
        if raw["type"] in ("user", "assistant") and isinstance(message, dict):
            found += plans.words_of(message.get("content"))
        elif prompt:
            found += plans.words_of(prompt)
    return tuple(dict.fromkeys(plans.spoken(found)))


@cache
def played(binary: Path, plan: Plan) -> Capture:
    """The capture of a plan, played once for all tests of a process."""
    folder = Path(tempfile.mkdtemp(prefix="generated-session-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return play(binary, plan, folder)


def play(binary: Path, plan: Plan, folder: Path) -> Capture:
    """Play the plan in `folder`, which must be empty. Raises AssertionError if Claude hangs."""
    sandbox = Sandbox(folder / "home").make()
    script = Script(plan, sandbox.project)
    with MessagesApi(script.scenes()) as api:
        stage = _Stage(binary, sandbox, api, script)
        try:
            for index, step in enumerate(plan):
                stage.play(index, step)
            stage.end_all()
            sessions = tuple(map(stage.session, stage.found_ids()))
            return Capture(plan, sandbox, stage.prompts, stage.refused, sessions, stage.session_id)
        finally:
            script.never.set()
            stage.kill_all()


class Driver:
    """A process of the CLI with the argv of the app, at the other end of pipes.

    It allows whatever Claude asks for."""

    def __init__(self, name: str, argv: tuple[str, ...], sandbox: Sandbox, url: str) -> None:
        self.name, self.argv = name, argv
        self.sent: list[bytes] = []
        self.lines: list[bytes] = []
        self.messages: list[dict[str, Any]] = []
        self.history_start = 0
        self.last_prompt = ""
        self._lock = threading.Lock()
        self._process = subprocess.Popen(
            argv,
            cwd=sandbox.project,
            env=command.environment(sandbox.environment(url), command.TELL_MORE),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def send(self, line: bytes) -> None:
        assert self._process.stdin is not None
        with self._lock:
            self.sent.append(line)
            self._process.stdin.write(line)
            self._process.stdin.flush()

    def count(self, type_: str) -> int:
        return sum(message["type"] == type_ for message in list(self.messages))

    def wait(self, what: str, count: int = 1) -> None:
        """Wait until there are so many lines of this type, or the process has ended."""
        until(lambda: self.count(what) >= count or self.ended, f"{self.name}: {what}", TIMEOUT)
        assert self.count(what) >= count, f"{self.name} ended without {what}"

    def answer(self, request_id: str) -> dict[str, Any]:
        """The answer to one of our own requests."""

        def found() -> dict[str, Any]:
            for message in list(self.messages):
                response = message.get("response") or {}
                if message["type"] == "control_response" and (
                    response.get("request_id") == request_id
                ):
                    return dict(response)
            return {}

        return until(found, f"{self.name}: the answer to {request_id}", TIMEOUT)

    @property
    def sessions(self) -> list[str]:
        """The ids of the sessions in which it was, oldest first."""
        ids = [str(each["session_id"]) for each in list(self.messages) if each.get("session_id")]
        return list(dict.fromkeys(ids))

    @property
    def is_quiet(self) -> bool:
        """Whether no task in the background is left, nor a turn that its end begins."""
        tasks, open_ = list[object](), False
        for message in list(self.messages):
            match message:
                case {"type": "system", "subtype": "background_tasks_changed", "tasks": list(now)}:
                    tasks = now
                case {"type": "system", "subtype": "task_notification"}:
                    open_ = True
                case {"type": "result"}:
                    open_ = False
        return not tasks and not open_

    @property
    def ended(self) -> bool:
        return self._process.poll() is not None and not self._reader.is_alive()

    def end(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(TIMEOUT)
        self._reader.join(TIMEOUT)

    def kill(self) -> None:
        self._process.kill()
        self.end()

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as stdout:
            for line in stdout:
                self._take(line)

    def _take(self, line: bytes) -> None:
        self.lines.append(line)
        read = json_lines.read(line)
        if read is None:
            return
        self.messages.append(read.content)
        match read.content:
            case {
                "type": "control_request",
                "request_id": str(request_id),
                "request": {"subtype": "can_use_tool", "input": dict(wanted)},
            }:
                self.send(outgoing.allow_line(request_id, {**wanted, **_answers(wanted)}))


class _Stage:
    """The processes and sessions while a plan is played."""

    def __init__(self, binary: Path, sandbox: Sandbox, api: MessagesApi, script: Script) -> None:
        self.binary, self.sandbox, self.api, self.script = binary, sandbox, api, script
        self.session_id = str(uuid.uuid4())
        self.prompts: dict[str, str] = {}
        self.refused: dict[int, str] = {}
        self.drivers: dict[str, Driver] = {}
        self.runs: list[Run] = []

    def found_ids(self) -> list[str]:
        """All sessions that the CLI noted, by the time of their first line."""
        found = (self.sandbox.config_dir / "projects").glob("*/*.jsonl")
        return [path.stem for path in sorted(found, key=_first_time)]

    def file(self, session_id: str) -> Path | None:
        return history.find(self.sandbox.config_dir, session_id)

    def size(self, session_id: str) -> int:
        path = self.file(session_id)
        return path.stat().st_size if path else 0

    # --- steps

    def play(self, index: int, step: Step) -> None:
        match step:
            case plans.Restart():
                self.end(step.driver)
            case plans.Torn(size=size):
                self._tear(size)
            case plans.Rewind(to=to):
                self._rewind(index, step.driver, to)
            case plans.Compact():
                self._command(index, step.driver, "/compact")
            case plans.Clear(follow=follow):
                self._command(index, step.driver, "/clear")
                if follow:
                    self.session_id = self.drivers[step.driver].sessions[-1]
            case plans.Fork():
                self._fork(index)
            case plans.Interrupt() | plans.InterruptTool() | plans.Kill():
                self._break_off(index, step)
            case plans.Desk():
                self._turn(index, self.start(f"{step.driver}-{index}"))
                self.end(f"{step.driver}-{index}")
            case _:
                self._turn(index, self.driver(step.driver))

    def _turn(self, index: int, driver: Driver) -> None:
        results = driver.count("result")
        self._prompt(index, driver)
        driver.wait("result", results + 1)
        until(lambda: driver.is_quiet or driver.ended, f"{driver.name} is quiet", TIMEOUT)
        self._flushed(driver)

    def _prompt(self, index: int, driver: Driver) -> None:
        prompt_id = self.prompts[f"KIWI{index}"] = str(uuid.uuid4())
        driver.send(outgoing.prompt_line(prompt_id, self.script.prompt(index)))
        driver.last_prompt = prompt_id

    def _command(self, index: int, name: str, text: str) -> None:
        driver = self.driver(name)
        results = driver.count("result")
        driver.send(outgoing.prompt_line(str(uuid.uuid4()), text))
        driver.wait("result", results + 1)
        last = [each for each in driver.messages if each["type"] == "result"][-1]
        if last.get("is_error"):
            self.refused[index] = str(last.get("result"))

    def _rewind(self, index: int, name: str, to: int) -> None:
        driver, request_id = self.driver(name), f"rewind-{index}"
        # without the second id, the CLI refuses to cut more than its newest prompt: "stale target"
        uuids = {
            "target_message_uuid": self.prompts[f"KIWI{to}"],
            "last_seen_user_message_uuid": driver.last_prompt,
        }
        driver.send(outgoing.control_line(request_id, "rewind_conversation", **uuids))
        answer = driver.answer(request_id)
        if not (answer.get("response") or {}).get("rewound"):
            self.refused[index] = json.dumps(answer)

    def _break_off(self, index: int, step: Step) -> None:
        driver = self.driver(step.driver)
        results, events = driver.count("result"), driver.count("stream_event")
        self._prompt(index, driver)
        if isinstance(step, plans.InterruptTool):
            until((self.sandbox.project / f"started{index}").exists, "the command runs", TIMEOUT)
        else:
            driver.wait("stream_event", events + 6)
        if isinstance(step, plans.Kill):
            driver.kill()
            self.end(step.driver)
        else:
            driver.send(outgoing.control_line(f"interrupt-{index}", "interrupt"))
            driver.wait("result", results + 1)
            self._flushed(driver)

    def _flushed(self, driver: Driver) -> None:
        """The CLI writes its file a little later; another process shall find all of it."""
        path = self.file(driver.sessions[-1])
        said = [each for each in driver.messages if each["type"] == "assistant"]
        if path and said and said[-1].get("uuid"):
            uuid_ = str(said[-1]["uuid"]).encode()
            until(lambda: uuid_ in path.read_bytes(), f"{driver.name} has noted it", TIMEOUT)

    def _fork(self, index: int) -> None:
        old, self.session_id = self.session_id, str(uuid.uuid4())
        self.end_all()
        argv = command.build(self.binary, self.session_id, resume=False)
        self._launch(plans.PHONE, (*argv, "--resume", old, "--fork-session"))
        self._turn(index, self.drivers[plans.PHONE])

    def _tear(self, size: int) -> None:
        self.end_all()
        path = self.file(self.session_id)
        assert path is not None
        path.write_bytes(path.read_bytes()[:-size])

    # --- processes

    def driver(self, name: str) -> Driver:
        known = self.drivers.get(name)
        return known if known and not known.ended else self.start(name)

    def start(self, name: str) -> Driver:
        resume = self.file(self.session_id) is not None
        return self._launch(name, command.build(self.binary, self.session_id, resume=resume))

    def _launch(self, name: str, argv: tuple[str, ...]) -> Driver:
        size = self.size(self.session_id)
        driver = self.drivers[name] = Driver(name, argv, self.sandbox, self.api.url)
        driver.history_start = size
        return driver

    def end(self, name: str) -> None:
        driver = self.drivers.pop(name, None)
        if driver is None:
            return
        driver.end()
        session_id = _session_id(driver)
        self.runs.append(
            Run(
                name,
                session_id,
                frozenset({session_id, *driver.sessions}),
                driver.argv,
                tuple(driver.sent),
                b"".join(driver.lines),
                driver.history_start,
                self.size(session_id),
            )
        )

    def end_all(self) -> None:
        for name in list(self.drivers):
            self.end(name)

    def kill_all(self) -> None:
        for driver in self.drivers.values():
            driver.kill()

    # --- results

    def session(self, session_id: str) -> Session:
        path = self.file(session_id)
        assert path is not None
        beside = sorted((path.with_suffix("") / "subagents").glob("*"))
        sent = self._probe(session_id)
        return Session(
            session_id,
            path,
            path.read_bytes(),
            {each.name: each.read_bytes() for each in beside if each.is_file()},
            tuple(run for run in self.runs if session_id in run.session_ids),
            None if sent is None else plans.spoken(sent),
            sent or (),
        )

    def _probe(self, session_id: str) -> tuple[str, ...] | None:
        """The words that a CLI sends that resumes the session, on a copy of all it knows."""
        with tempfile.TemporaryDirectory() as folder:
            copy = Sandbox(Path(folder))
            shutil.copytree(self.sandbox.config_dir, copy.config_dir)
            environment = {
                **self.sandbox.environment(self.api.url),
                "CLAUDE_CONFIG_DIR": str(copy.config_dir),
            }
            subprocess.run(
                [str(self.binary), "-p", "--resume", session_id],
                input=plans.PROBE.encode(),
                cwd=self.sandbox.project,
                env=environment,
                capture_output=True,
                timeout=TIMEOUT,
                check=False,
            )
        for body in reversed(self.api.requests):
            if body.get("tools") and plans.PROBE in json.dumps(body["messages"]):
                return plans.words_of(body["messages"])
        return None


def _answers(wanted: Mapping[str, Any]) -> dict[str, Any]:
    """What the person adds to the input of a tool: the first option of each question."""
    if "questions" not in wanted:
        return {}
    chosen = {each["question"]: each["options"][0]["label"] for each in wanted["questions"]}
    return {"answers": chosen}


def _session_id(driver: Driver) -> str:
    for option in ("--session-id", "--resume"):
        if value := command.option(driver.argv, option):
            return value
    raise AssertionError(driver.argv)


def _first_time(path: Path) -> str:
    for line in path.read_bytes().splitlines():
        read = json_lines.read(line)
        if read and isinstance(time := read.content.get("timestamp"), str):
            return time
    return ""
