"""Background tasks after Claude's turn: read from the lines, and spared by limits."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from opcode_htmx.engines.claude.demo.messages_api import (
    MessagesApi,
    Scene,
    Text,
    ToolUse,
)
from opcode_htmx.engines.claude.protocol import encoder, parser
from opcode_htmx.runs.control.run import Run
from opcode_htmx.runs.model.lifecycle import Event, Phase
from opcode_htmx.runs.model.record import Outcome
from opcode_htmx.runs.model.run_state import RunState
from opcode_htmx.runs.policies.limit_monitor import Limits
from tests.support.cli.captured import line
from tests.support.cli.sessions import Session
from tests.support.cli.supervision import (
    CODEC,
    Supervision,
    idle,
    new_id,
    until,
)
from tests.support.clients.api import get
from tests.support.environment import Sandbox, Server
from tests.support.pages import dom

pytestmark = pytest.mark.timeout(180)

PROMPT, LATER = (f"00000000-0000-4000-8000-00000000000{digit}" for digit in "12")
HOUR = 3600.0


def state_of(*lines: bytes) -> RunState:
    state = RunState(CODEC)
    for each in lines:
        state.apply_output(parser.parse(each))
    return state


def tasks(*named: tuple[str, str]) -> bytes:
    listed = [
        {"task_id": f"id-{name}", "task_type": kind, "description": name} for name, kind in named
    ]
    return line(type="system", subtype="background_tasks_changed", tasks=listed)


def call(name: str, call_id: str = "c", **given: object) -> bytes:
    use = {"type": "tool_use", "id": call_id, "name": name, "input": given}
    return line(type="assistant", uuid="a", message={"id": "m", "content": [use]})


def result(details: object, call_id: str = "c", *, is_error: bool = False) -> bytes:
    content = [{"type": "tool_result", "tool_use_id": call_id, "content": "", "is_error": is_error}]
    return line(type="user", uuid="u", message={"content": content}, tool_use_result=details)


def job(job_id: str, schedule: str = "Every 5 minutes", **more: object) -> dict[str, object]:
    return {"id": job_id, "humanSchedule": schedule, **more}


def in_ms(seconds_from_now: float) -> int:
    return round((time.time() + seconds_from_now) * 1000)


RECURRING = job("j", recurring=True, nextFireAt=in_ms(300))
CREATE = call("CronCreate", prompt="run the tests"), result(RECURRING)
EVERY_5 = [("cron", "Every 5 minutes: run the tests")]
SAYS = line(type="assistant", uuid="b", message={"id": "n", "content": []})
RESULT = line(type="result", subtype="success")
INIT = line(type="system", subtype="init", session_id="s")

RUNNING: dict[str, tuple[tuple[bytes, ...], list[tuple[str, str]]]] = {
    "nothing": ((INIT, RESULT), []),
    "a command": ((tasks(("server", "local_bash")),), [("local_bash", "server")]),
    "the newest list counts": (
        (tasks(("one", "local_bash")), tasks(("two", "local_agent"))),
        [("local_agent", "two")],
    ),
    "an empty list": ((tasks(("one", "local_bash")), tasks()), []),
    "a list that is none": (
        (line(type="system", subtype="background_tasks_changed", tasks="x"),),
        [],
    ),
    "a cron": (CREATE, EVERY_5),
    "a cron beside a command": (
        (*CREATE, tasks(("server", "local_bash"))),
        [("local_bash", "server"), *EVERY_5],
    ),
    "a cron that was refused": (
        (call("CronCreate", prompt="x"), result(RECURRING, is_error=True)),
        [],
    ),
    "a cron that was deleted": ((*CREATE, call("CronDelete", id="j"), result({"id": "j"})), []),
    "another one was deleted": (
        (*CREATE, call("CronDelete", id="k"), result({"id": "k"})),
        EVERY_5,
    ),
    "a list of crons": (
        (*CREATE, call("CronList"), result({"jobs": [job("k", "Daily", recurring=True)]})),
        [("cron", "Daily")],
    ),
    "an empty list of crons": ((*CREATE, call("CronList"), result({"jobs": []})), []),
    "a cron that fires once, and will": (
        (call("CronCreate", prompt="p"), result(job("j", "At 9", nextFireAt=in_ms(HOUR)))),
        [("wakeup", "At 9: p")],
    ),
    "a cron that fires once, and has": (
        (call("CronCreate", prompt="p"), result(job("j", "At 9", nextFireAt=in_ms(-HOUR)))),
        [],
    ),
    "a wake-up": (
        (call("ScheduleWakeup", reason="check"), result({"scheduledFor": in_ms(HOUR)})),
        [("wakeup", "check")],
    ),
    "a wake-up that is over": (
        (call("ScheduleWakeup", reason="check"), result({"scheduledFor": in_ms(-HOUR)})),
        [],
    ),
    "wake-ups that were stopped": (
        (
            *CREATE,
            call("ScheduleWakeup", reason="check"),
            result({"scheduledFor": in_ms(HOUR)}),
            call("ScheduleWakeup", stop=True),
            result({"scheduledFor": 0, "stopped": True}),
        ),
        EVERY_5,
    ),
    "a result that is no object": ((call("CronCreate", prompt="p"), result("ok")), []),
    "a cron that fires nobody knows when": (
        (call("CronCreate", prompt="p"), result(job("j", "At 9"))),
        [],
    ),
}


@pytest.mark.parametrize("case", RUNNING)
def test_background_tasks_are_read_from_the_lines(case: str) -> None:
    lines, expected = RUNNING[case]
    state = state_of(INIT, *lines)
    assert [(task.type, task.description) for task in state.still_running] == expected


def test_nothing_runs_where_there_is_no_process() -> None:
    state = state_of(INIT, tasks(("server", "local_bash")), *CREATE)
    state.step(Event.EXITED)
    assert state.still_running == ()


def test_background_agent_output_opens_no_turn() -> None:
    says = line(type="assistant", uuid="x", parent_tool_use_id="t", message={"content": []})
    state = state_of(INIT, tasks(("look", "local_agent")), RESULT, says)
    assert state.phase is Phase.IDLE
    assert state_of(INIT, RESULT, says).phase is Phase.WORKING, "nothing else would show it"


def test_answered_background_agent_runs_alongside_turns() -> None:
    request = {"subtype": "can_use_tool", "tool_name": "Bash", "input": {}}
    asks = line(type="control_request", request_id="r", request=request)
    state = state_of(INIT, tasks(("look", "local_agent")), asks, RESULT)
    assert state.phase == "waiting"
    state.apply_output(parser.parse(encoder.allow_line("r", {})))
    assert state.phase == "idle"


# --- the end of a turn ---------------------------------------------------------------------------


def lifecycle(prompt_id: str, state: str) -> bytes:
    return line(type="command_lifecycle", command_uuid=prompt_id, state=state)


def ended(*prompt_ids: str) -> bytes:
    return line(type="result", subtype="success", user_message_uuids=prompt_ids)


STARTED, COMPLETED = lifecycle(PROMPT, "started"), lifecycle(PROMPT, "completed")
TURNS: dict[str, tuple[tuple[bytes, ...], int]] = {
    "a result in front of it": ((STARTED, INIT, ended(PROMPT), COMPLETED), 1),
    "a result behind it": ((STARTED, INIT, COMPLETED, ended(PROMPT)), 1),
    "a result that names no prompt": ((STARTED, INIT, RESULT, COMPLETED), 1),
    "no result": ((STARTED, INIT, COMPLETED), 1),
    "nothing but that": ((STARTED, COMPLETED), 1),
    "cancelled": ((STARTED, INIT, lifecycle(PROMPT, "cancelled")), 1),
    "joined by another": (
        (STARTED, INIT, lifecycle(LATER, "started"), lifecycle(LATER, "completed"), COMPLETED),
        1,
    ),
    "followed by another": (
        (STARTED, COMPLETED, lifecycle(LATER, "started"), INIT, lifecycle(LATER, "completed")),
        2,
    ),
}


@pytest.mark.parametrize("case", TURNS)
@pytest.mark.parametrize("sent_is_read", ["first", "last", "in the middle"])
def test_a_turn_ends_once_when_claude_says_completed(case: str, sent_is_read: str) -> None:
    lines, turns = TURNS[case]
    place = {"first": 0, "last": len(lines), "in the middle": len(lines) // 2}[sent_is_read]
    state = RunState(CODEC)
    state.step(Event.LAUNCHED)
    for number, each in enumerate((*lines, b"")):
        if number == place:
            state.apply_input(parser.parse(encoder.prompt_line(PROMPT, "/login page")))
        if each:
            state.apply_output(parser.parse(each))
    assert (state.phase, state.turns, state.waiting) == (Phase.IDLE, turns, {})


def test_a_prompt_that_joins_an_open_turn_does_not_end_it() -> None:
    state = state_of(STARTED, INIT, lifecycle(LATER, "started"), lifecycle(LATER, "completed"))
    assert (state.phase, state.turns) == (Phase.WORKING, 0)


def test_a_prompt_of_an_interrupted_turn_may_be_sent_again() -> None:
    state = RunState(CODEC)
    state.apply_input(parser.parse(encoder.prompt_line(PROMPT, "hello")))
    aborted = json.loads(ended(PROMPT)) | {"terminal_reason": "aborted_streaming"}
    for each in (STARTED, INIT, json.dumps(aborted).encode()):
        state.apply_output(parser.parse(each))
    assert list(state.waiting) == [PROMPT]


# --- with the real CLI ---------------------------------------------------------------------------


def bash(command: str, description: str) -> ToolUse:
    given = {"command": command, "description": description, "run_in_background": True}
    return ToolUse("Bash", given)


AGENT = {
    "description": "Look around",
    "prompt": "subwork",
    "subagent_type": "general-purpose",
    "run_in_background": True,
}
SCENES = (
    Scene("server", "dev server", [bash("until test -e over; do sleep 0.1; done", "Dev server")]),
    Scene("agent", "an agent", [ToolUse("Task", AGENT), Text("It looks.")]),
    Scene("subwork", "subwork", [ToolUse("Bash", {"command": "sleep 5; echo seen"})]),
    Scene(
        "cron",
        "a cron",
        [ToolUse("CronCreate", {"cron": "*/5 * * * *", "prompt": "again", "recurring": True})],
    ),
    Scene("anything", "", [Text("Yes.")]),
)


@pytest.fixture(scope="module")
def api() -> Iterator[MessagesApi]:
    with MessagesApi(SCENES) as api:
        yield api


@pytest.fixture
def supervision(sandbox: Sandbox, claude: Path, api: MessagesApi) -> Iterator[Supervision]:
    supervision = Supervision(sandbox, claude, api.url)
    yield supervision
    supervision.close()


def still_running(run: Run) -> list[str]:
    return [task.description for task in run.state.still_running]


def runs_beside(supervision: Supervision, prompt: str, what: str) -> Run:
    """A run whose turn is over, with something that still runs."""
    run = supervision.prompt(prompt)
    until(lambda: run.phase is Phase.IDLE and still_running(run) == [what], "it runs beside")
    return run


def test_a_background_command_outlives_the_idle_limit_and_then_the_run_ends(
    supervision: Supervision, sandbox: Sandbox
) -> None:
    supervision.restart(limits=Limits(idle_timeout=3.0))
    run = runs_beside(supervision, "the dev server", "Dev server")
    until(lambda: time.time() - run.folder.last_output() > 5, "much more than the limit passes")
    assert (run.phase, still_running(run)) == (Phase.IDLE, ["Dev server"])
    (sandbox.project / "over").touch()
    until(lambda: not run.live, "it ends")
    assert run.record.end
    assert run.record.end.outcome is Outcome.COMPLETED
    assert "idle minutes" in run.record.end.cause
    assert run.state.turns == 2, "Claude was notified of the end, and has answered"


def test_an_agent_in_the_background_outlives_the_idle_limit(supervision: Supervision) -> None:
    supervision.restart(limits=Limits(idle_timeout=3.0))
    run = runs_beside(supervision, "send an agent", "Look around")
    assert run.state.background.agents
    until(lambda: not run.state.background.agents, "the agent is done")
    assert run.live
    until(lambda: not run.live, "it ends")
    assert run.state.turns == 2
    assert "idle minutes" in (run.record.end.cause if run.record.end else "")


def test_a_cron_outlives_the_idle_limit(supervision: Supervision) -> None:
    supervision.restart(limits=Limits(idle_timeout=1.0))
    run = runs_beside(supervision, "set a cron", "Every 5 minutes: again")
    until(lambda: time.time() - run.folder.last_output() > 3, "more than the limit passes")
    assert run.live


def test_eviction_spares_runs_with_background_tasks(supervision: Supervision) -> None:
    supervision.restart(max_runs=2)
    spared = runs_beside(supervision, "the dev server", "Dev server")
    resting = idle(supervision.prompt("hello"))
    next_one = supervision.prompt("hello", new_id())
    until(lambda: next_one.phase is Phase.IDLE, "there is room for it")
    assert (spared.live, resting.live) == (True, False)
    assert still_running(spared) == ["Dev server"]


def test_stop_on_leave_ends_background_tasks(supervision: Supervision) -> None:
    supervision.restart(disconnect_grace=0.5)
    run = runs_beside(supervision, "the dev server", "Dev server")
    supervision.supervisor.options.choose(run.record.session_id, keep_running=False)
    until(lambda: not run.live, "it ends")
    assert run.record.end
    assert "nobody was looking" in run.record.end.cause


def test_pages_and_api_list_background_tasks(
    sandbox: Sandbox, claude: Path, api: MessagesApi, start_server: Callable[..., Server]
) -> None:
    server = start_server(sandbox, claude, api.url)
    session = Session(server, "the <dev server>")
    page = dom.parse(session.page())
    assert (page.find("status") or page).text == "Ready · 1 still running"
    assert "command Dev server" in (page.find("background") or page).text
    assert "command Dev server" in dom.parse(server.get("/runs").text).text
    (running,) = get(server, "/api/sessions/running")
    (task,) = running["background_tasks"]
    assert (task["type"], task["description"]) == ("local_bash", "Dev server")
    (sandbox.project / "over").touch()
    session.answered()
    page = dom.parse(session.page())
    assert (page.find("status") or page).text == "Ready for the next prompt"
    assert (page.find("background") or page).text == ""
