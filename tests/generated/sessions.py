"""Play a plan against the real CLI, and capture its output, its history and the resumed entries.

The stage of the differential tests: see `generated_plans` for the steps.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
import uuid
from functools import cache
from pathlib import Path

from opcode_htmx.engines.claude.demo.messages_api import MessagesApi
from opcode_htmx.engines.claude.files import history
from opcode_htmx.engines.claude.protocol import argv, encoder, json_lines
from tests.generated import plans
from tests.generated import script as scripts
from tests.generated.captures import Capture, Run, Session
from tests.generated.driver import TIMEOUT, Driver
from tests.generated.plans import Plan, Step
from tests.generated.script import Script
from tests.support.environment import Sandbox, until
from tests.support.suite.shared import recorded

__all__ = ["Capture", "Run", "Session", "play", "played"]

NOT_YET = ("commands queued", "prompt pending", "turn running", "state changed")
"""Why the CLI refuses a rewind just after a turn: on a busy machine it ends it after its result."""


@cache
def played(binary: Path, plan: Plan) -> Capture:
    """The capture of a plan, played once for all tests; its files are gone."""
    return recorded((binary, plan), lambda: _play_apart(binary, plan))


def _play_apart(binary: Path, plan: Plan) -> Capture:
    with tempfile.TemporaryDirectory(prefix="generated-session-") as folder:
        return play(binary, plan, Path(folder))


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
            tools = next((each["tools"] for each in api.requests[::-1] if each.get("tools")), ())
            return Capture(
                plan,
                sandbox,
                stage.prompts,
                stage.refused,
                sessions,
                tuple(tools),
                stage.session_id,
            )
        finally:
            script.never.set()
            stage.kill_all()


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
        driver.send(encoder.prompt_line(prompt_id, self.script.prompt(index)))
        driver.last_prompt = prompt_id

    def _command(self, index: int, name: str, text: str) -> None:
        driver = self.driver(name)
        results = driver.count("result")
        driver.send(encoder.prompt_line(str(uuid.uuid4()), text))
        driver.wait("result", results + 1)
        last = [each for each in driver.messages if each["type"] == "result"][-1]
        if last.get("is_error"):
            self.refused[index] = str(last.get("result"))

    def _rewind(self, index: int, name: str, to: int) -> None:
        driver = self.driver(name)
        # without the second id, the CLI refuses to cut more than its newest prompt: "stale target"
        uuids = {
            "target_message_uuid": self.prompts[f"KIWI{to}"],
            "last_seen_user_message_uuid": driver.last_prompt,
        }
        answers = list[str]()

        def is_decided() -> bool:
            request_id = f"rewind-{index}-{len(answers)}"
            driver.send(encoder.control_line(request_id, "rewind_conversation", **uuids))
            answer = driver.answer(request_id)
            is_rewound = (answer.get("response") or {}).get("rewound")
            answers.append("" if is_rewound else json.dumps(answer))
            return not any(each in answers[-1] for each in NOT_YET)

        until(is_decided, "the turn before is over for the CLI, too", TIMEOUT)
        if answers[-1]:
            self.refused[index] = answers[-1]

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
            driver.send(encoder.control_line(f"interrupt-{index}", "interrupt"))
            driver.wait("result", results + 1)
            self._flushed(driver)

    def _flushed(self, driver: Driver) -> None:
        """The CLI writes its file a little later; another process shall find all of it."""
        path = self.file(driver.sessions[-1])
        said = [each for each in driver.messages if each["type"] == "assistant"]
        said = [each for each in said if not each.get("parent_tool_use_id")]
        if path and said and said[-1].get("uuid"):
            uuid_ = str(said[-1]["uuid"]).encode()
            until(lambda: uuid_ in path.read_bytes(), f"{driver.name} has noted it", TIMEOUT)

    def _fork(self, index: int) -> None:
        old, self.session_id = self.session_id, str(uuid.uuid4())
        self.end_all()
        arguments = argv.build(self.binary, self.session_id, resume=False)
        self._launch(plans.PHONE, (*arguments, "--resume", old, "--fork-session"))
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
        return self._launch(name, argv.build(self.binary, self.session_id, resume=resume))

    def _launch(self, name: str, arguments: tuple[str, ...]) -> Driver:
        size = self.size(self.session_id)
        driver = self.drivers[name] = Driver(name, arguments, self.sandbox, self.api.url)
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
                driver.arguments,
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
            None if sent is None else scripts.spoken(sent),
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
                input=scripts.PROBE.encode(),
                cwd=self.sandbox.project,
                env=environment,
                capture_output=True,
                timeout=TIMEOUT,
                check=False,
            )
        for body in reversed(self.api.requests):
            if body.get("tools") and scripts.PROBE in json.dumps(body["messages"]):
                return scripts.words_of(body["messages"])
        return None


def _session_id(driver: Driver) -> str:
    for option in ("--session-id", "--resume"):
        if value := argv.option(driver.arguments, option):
            return value
    raise AssertionError(driver.arguments)


def _first_time(path: Path) -> str:
    for line in path.read_bytes().splitlines():
        read = json_lines.read(line)
        if read and isinstance(time := read.content.get("timestamp"), str):
            return time
    return ""
