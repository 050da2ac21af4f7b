"""Background tasks after Claude's turn are read from the lines; the end of a turn."""

from __future__ import annotations

import json
import time

import pytest

from opcode_htmx.engines.claude.protocol import encoder, parser
from opcode_htmx.runs.model.lifecycle import Event, Phase
from opcode_htmx.runs.model.run_state import RunState
from tests.support.cli.captured import line
from tests.support.cli.supervision import CODEC

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


# --- the end of a turn ----------------------------------------------------------------------


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


@pytest.mark.parametrize("sent_is_read", ["first", "last", "in the middle"])
def test_a_turn_ends_once_when_claude_says_completed(sent_is_read: str) -> None:
    for case, (lines, turns) in TURNS.items():
        place = {"first": 0, "last": len(lines), "in the middle": len(lines) // 2}[sent_is_read]
        state = RunState(CODEC)
        state.step(Event.LAUNCHED)
        for number, each in enumerate((*lines, b"")):
            if number == place:
                state.apply_input(parser.parse(encoder.prompt_line(PROMPT, "/login page")))
            if each:
                state.apply_output(parser.parse(each))
        assert (state.phase, state.turns, state.waiting) == (Phase.IDLE, turns, {}), case


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
