"""The spans that follow from the events and messages of a run."""

from __future__ import annotations

from typing import Any

from opcode_htmx.engines.contents import TextContent, ToolResult, ToolUse
from opcode_htmx.engines.messages import Assistant, TurnResult, User
from opcode_htmx.features.tracing.run_trace import RunTrace, root_id
from opcode_htmx.features.tracing.tracer import claude_variables
from opcode_htmx.lib.identity import owner
from opcode_htmx.lib.tracing.spans import Span
from opcode_htmx.runs.events.types import (
    PermissionAnswered,
    PermissionAsked,
    PromptSubmitted,
    RunEnded,
    TurnEnded,
    Usage,
)
from opcode_htmx.runs.model.record import Outcome, RunRecord

RUN = "0123456789abcdef" * 2
RECORD = RunRecord(
    id=RUN,
    session_id="a-session",
    project_path="/work/orchard",
    argv=(),
    created_at=100.0,
    history_start=0,
    config_dir="",
    pid=1,
    process_started_at=103.0,
)
USAGE = Usage(10, 20, 300, 40, 0.25, 0.5, "some-model", 1500)


def common(at: float, **content: object) -> dict[str, Any]:
    return {
        "id": f"{RUN}.{at}",
        "at": at,
        "run_id": RUN,
        "session_id": "a-session",
        "project_path": "/work/orchard",
        "by": owner("me"),
        **content,
    }


def prompted(at: float) -> PromptSubmitted:
    return PromptSubmitted(**common(at, prompt_id=f"p{at}", characters=3, images=0))


def turn_ended(at: float, *prompt_ids: str, **more: object) -> TurnEnded:
    content = {"is_error": False, "reason": "completed", "usage": USAGE, **more}
    return TurnEnded(**common(at, prompt_ids=prompt_ids, **content))


def run_ended(at: float, outcome: Outcome = Outcome.COMPLETED) -> RunEnded:
    return RunEnded(**common(at, outcome=outcome, cause="", exit_status=0))


def calls(*tools: str, parent: str | None = None) -> Assistant:
    content = tuple(ToolUse(each, f"Tool{each}", {"secret": "input"}) for each in tools)
    return Assistant("m", "u", parent, content, None)


def results(*tools: str, is_error: bool = False) -> User:
    content = tuple(ToolResult(each, is_error, (TextContent("secret"),)) for each in tools)
    return User("u", None, content, is_replay=False, is_meta=False, tool_result=None)


RESULT = TurnResult("u", "success", False, 1500, 0.25, 350, 20, 1, "", "completed")


def by_name(spans: list[Span]) -> dict[str, Span]:
    assert len({span.name for span in spans}) == len(spans)
    return {span.name: span for span in spans}


def test_tools_and_permissions_are_below_their_turn_and_this_below_the_run() -> None:
    trace = RunTrace(RECORD)
    assert not list(trace.event(prompted(104)))
    trace.message(calls("a", "b"), 105)
    assert not list(trace.event(PermissionAsked(**common(106, request_id="r", tool_name="Toolb"))))
    answer = PermissionAnswered(**common(108, request_id="r", tool_name="Toolb", allowed=True))
    assert not list(trace.event(answer))
    trace.message(results("a"), 107)
    trace.message(results("b", is_error=True), 109)
    trace.message(RESULT, 110)
    found = by_name(list(trace.event(turn_ended(111, "p104"))))
    assert set(found) == {"turn", "tool Toola", "tool Toolb", "permission Toolb"}
    turn = found.pop("turn")
    assert {each.parent_id for each in found.values()} == {turn.span_id}
    assert turn.parent_id == root_id(RUN)
    assert (turn.start, turn.end) == (104, 110)
    assert (found["tool Toola"].start, found["tool Toola"].end) == (105, 107)
    assert (found["tool Toola"].error, found["tool Toolb"].error) == ("", "failed")
    assert (found["permission Toolb"].start, found["permission Toolb"].end) == (106, 108)
    assert "secret" not in str([turn, *found.values()])
    root = by_name(list(trace.event(run_ended(120))))
    assert set(root) == {"run", "start"}
    assert (root["run"].span_id, root["run"].parent_id) == (root_id(RUN), "")
    assert (root["run"].start, root["run"].end) == (100, 120)
    assert (root["start"].start, root["start"].end) == (100, 103)


def test_tools_of_a_subagent_are_below_the_tool_that_has_started_it() -> None:
    trace = RunTrace(RECORD)
    trace.message(calls("agent"), 105)
    trace.message(calls("inner", parent="agent"), 106)
    trace.message(results("inner"), 107)
    trace.message(results("agent"), 108)
    trace.message(RESULT, 109)
    found = by_name(list(trace.event(turn_ended(109))))
    assert found["tool Toolinner"].parent_id == found["tool Toolagent"].span_id
    assert found["tool Toolagent"].parent_id == found["turn"].span_id


def test_what_was_read_of_the_next_turn_is_not_in_this_one() -> None:
    trace = RunTrace(RECORD)
    for number, tool in enumerate("ab"):
        trace.event(prompted(104))
        trace.message(calls(tool), 105 + 10 * number)
        trace.message(results(tool), 106 + 10 * number)
        trace.message(RESULT, 107 + 10 * number)
    first = by_name(list(trace.event(turn_ended(130, "p1"))))
    second = by_name(list(trace.event(turn_ended(131, "p2"))))
    assert set(first) == {"turn", "tool Toola"}
    assert set(second) == {"turn", "tool Toolb"}
    assert (first["turn"].start, first["turn"].end) == (104, 107)
    assert (second["turn"].start, second["turn"].end) == (107, 117), "it has waited for the first"


def test_a_worker_that_takes_over_knows_how_long_the_turn_took() -> None:
    found = by_name(list(RunTrace(RECORD).event(turn_ended(110, "of the other worker"))))
    assert (found["turn"].start, found["turn"].end) == (108.5, 110)


def test_a_run_that_ends_within_a_turn_ends_its_tools() -> None:
    trace = RunTrace(RECORD)
    trace.event(prompted(104))
    trace.message(calls("a"), 105)
    found = by_name(list(trace.event(run_ended(110, Outcome.FAILED))))
    assert set(found) == {"turn", "tool Toola", "start", "run"}
    assert found["tool Toola"].error == "the run has ended"
    assert found["turn"].error
    assert found["run"].error == "failed"


def test_a_turn_of_very_many_tools_is_bounded() -> None:
    trace = RunTrace(RECORD)
    for number in range(5000):
        trace.message(calls(str(number)), 105)
        trace.message(results(str(number)), 105)
    trace.message(RESULT, 107)
    assert 1000 < len(list(trace.event(turn_ended(108)))) <= 2001


def test_claude_is_told_the_span_of_its_run() -> None:
    variables = claude_variables(RUN)
    assert variables["TRACEPARENT"] == f"00-{RUN}-{root_id(RUN)}-01"
    assert len(variables["TRACEPARENT"]) == 55
