"""The elements around the transcript: status, queued prompts, stderr, the Stop button."""

from __future__ import annotations

import os
import shutil
import uuid
from pathlib import Path

import pytest

from opcode_htmx.engines.claude.protocol import encoder
from opcode_htmx.runs.budgets.figures import Scope, Standing
from opcode_htmx.runs.control.run import Run
from opcode_htmx.runs.following.followed_run import ERROR_LINES
from opcode_htmx.runs.model.lifecycle import Event, Phase
from opcode_htmx.runs.model.record import Outcome, RunRecord
from opcode_htmx.runs.model.run_folder import RunFolder
from opcode_htmx.sessions.status_panel import StatusPanel, status_text
from opcode_htmx.transcript.blocks import ToolBlock
from opcode_htmx.transcript.fold import Transcript
from opcode_htmx.transcript.todos import Todo
from tests.support.cli.captured import line, templates
from tests.support.cli.supervision import finish, owned, to_stop
from tests.support.pages import dom

HOSTILE = "\"'><script>alert(1)</script><img src=x onerror=alert(1)>"


@pytest.fixture
def run(tmp_path: Path) -> Run:
    run_id = uuid.uuid4().hex
    folder = RunFolder.create(tmp_path, run_id)
    record = RunRecord(run_id, "s", "/p", ("claude",), 0.0, history_start=0)
    return owned(folder, record)


def parts(run: Run | None) -> dict[str, dom.Node]:
    """The elements by id; each is one element that replaces the one of its id."""
    shown = {}
    for name, html in StatusPanel(templates()).parts(run).items():
        (element,) = dom.parse(html).elements
        assert element.id == name
        assert element.attributes["hx-swap-oob"] == "true"
        shown[name] = element
    return shown


def sent(run: Run, text: str) -> None:
    with run.folder.input_log.open("ab") as file:
        file.write(encoder.prompt_line(text, text))
    run.fold_new_lines()


def said(run: Run, *lines: bytes) -> None:
    with run.folder.output.open("ab") as file:
        file.write(b"".join(lines))
    run.fold_new_lines()


def buttons(element: dom.Node) -> list[dom.Node]:
    return [node for node in element.walk() if node.tag == "button"]


def queued(run: Run) -> list[str]:
    """The prompts in the queue with their notes, without their buttons."""
    items = [node for node in parts(run)["queue"].walk() if node.tag == "li"]
    return [item.text.partition("\n")[0] for item in items]


ASK = line(
    type="control_request",
    request_id="r",
    request={"subtype": "can_use_tool", "tool_name": "Bash", "input": {}},
)
RESULT = line(type="result", subtype="success")


def test_session_without_a_run_has_every_panel_element_and_no_stop() -> None:
    shown = parts(None)
    assert shown["status"].attributes["data-phase"] == "ended"
    assert shown["status"].text == "Not running. Ask to continue."
    assert [shown[name].text for name in ("queue", "errors", "stop")] == ["", "", ""]


def test_the_status_follows_the_run(run: Run) -> None:
    def status() -> tuple[str | None, str]:
        element = parts(run)["status"]
        return element.attributes["data-phase"], element.text

    sent(run, "one")
    assert status() == ("starting", "Starting Claude…")
    said(run, line(type="system", subtype="init"))
    assert status() == ("working", "Working…")
    said(run, ASK)
    assert status() == ("waiting", "Waiting for your answer")
    said(run, encoder.allow_line("r", {}))
    assert status() == ("working", "Working…")
    said(run, line(type="user", uuid="one", isReplay=True, message={"content": "one"}), RESULT)
    assert status() == ("idle", "Ready for the next prompt")
    run.state.step(Event.STOPPED)
    assert status() == ("stopping", "Stopping…")


def since(run: Run, transcript: Transcript, panel: StatusPanel) -> float:
    """The beginning of the time that the page counts, as a Unix time."""
    shown = panel.parts(run, transcript.current, transcript.context_usage)
    (time,) = [node for node in dom.parse(shown["since"]).walk() if node.tag == "time"]
    return float(time.attributes["data-since"] or 0)


def test_the_clock_of_a_turn_goes_on_after_a_restart_of_the_server(run: Run) -> None:
    at, message = "2026-11-21T16:06:15Z", {"content": "one"}
    start = {"type": "content_block_start", "index": 0, "content_block": {"type": "text"}}
    delta = {"type": "content_block_delta", "index": 0, "delta": {"text": "On and on"}}
    events = ({"type": "message_start", "message": {"id": "m"}}, start, delta, delta)
    lines = [
        line(type="user", uuid="one", isReplay=True, message=message, timestamp=at),
        *(line(type="stream_event", event=each, api_message_id="m") for each in events),
    ]
    sent(run, "one")
    transcript, panel, end = Transcript("1", run_id=run.id), StatusPanel(templates()), 0
    for number, each in enumerate(lines):
        said(run, each)
        transcript.feed(run.codec.parse(each), end := end + len(each))
        os.utime(run.folder.output, (0, 1795277175 + number))
        for server in (panel, StatusPanel(templates())):
            assert since(run, transcript, server) == 1795277175
    assert status_text(run, transcript.current) == "Writing…"


def test_a_turn_does_not_begin_with_the_end_of_the_one_before(run: Run) -> None:
    sent(run, "one")
    said(run, line(type="user", uuid="one", isReplay=True, message={"content": "one"}), RESULT)
    os.utime(run.folder.output, (0, 1795277175))
    sent(run, "two")
    os.utime(run.folder.input_log, (0, 1795280775))
    assert status_text(run) == "Working…"
    for panel in (StatusPanel(templates()), StatusPanel(templates())):
        assert since(run, Transcript("1", run_id=run.id), panel) == 1795280775


@pytest.mark.parametrize("is_seen_at_work", [False, True])
def test_the_wait_for_a_prompt_is_counted_from_the_newest_answer(
    run: Run, is_seen_at_work: bool
) -> None:
    def echo(name: str, at: str) -> bytes:
        message = {"content": name}
        return line(type="user", uuid=name, isReplay=True, message=message, timestamp=at)

    transcript, panel, end = Transcript("1", run_id=run.id), StatusPanel(templates()), 0

    def follows(at: int, *lines: bytes) -> None:
        nonlocal end
        said(run, *lines)
        for each in lines:
            transcript.feed(run.codec.parse(each), end := end + len(each))
        os.utime(run.folder.output, (0, at))

    sent(run, "one")
    follows(1795277175, echo("one", "2026-11-21T16:06:15Z"), RESULT)
    assert since(run, transcript, panel) == 1795277175
    sent(run, "two")
    follows(1795280775, echo("two", "2026-11-21T17:06:15Z"))
    if is_seen_at_work:
        assert since(run, transcript, panel) == 1795280775
    follows(1795280777, RESULT)
    assert status_text(run, transcript.current) == "Ready for the next prompt"
    assert since(run, transcript, panel) == 1795280777


@pytest.mark.parametrize("of_tool", [False, True])
def test_the_clock_of_a_turn_counts_from_no_time_to_come(run: Run, of_tool: bool) -> None:
    call = {"type": "tool_use", "id": "t", "name": "Bash", "input": {"command": "ls"}}
    answer = {"id": "m", "content": [call if of_tool else {"type": "text", "text": "x"}]}
    lines = [
        line(type="user", uuid="one", isReplay=True, message={"content": "one"}),
        line(type="assistant", uuid="a", message=answer, timestamp="2199-01-01T00:00:00Z"),
    ]
    sent(run, "one")
    os.utime(run.folder.input_log, (0, 1795277100))
    transcript, end = Transcript("1", run_id=run.id), 0
    for each in lines:
        said(run, each)
        transcript.feed(run.codec.parse(each), end := end + len(each))
    os.utime(run.folder.output, (0, 1795277175))
    assert isinstance(transcript.current, ToolBlock) is of_tool
    assert since(run, transcript, StatusPanel(templates())) == 1795277175


def test_every_state_has_a_label(run: Run) -> None:
    for phase in set(Phase) - {Phase.ENDED}:
        run.state.phase = phase
        assert status_text(run)


@pytest.mark.parametrize(
    ("ending", "text"),
    [
        (
            (Outcome.COMPLETED, "Claude ended."),
            "Claude ended. Ask to continue.",
        ),
        ((Outcome.CANCELLED, "Stopped by you."), "Stopped by you."),
        ((Outcome.FAILED, "It broke."), "It broke."),
    ],
)
def test_ended_run_shows_its_outcome(run: Run, ending: tuple[Outcome, str], text: str) -> None:
    to_stop(run, *ending)
    finish(run, 0)
    shown = parts(run)
    assert (shown["status"].attributes["data-phase"], shown["status"].text) == ("ended", text)
    assert buttons(shown["stop"]) == []


@pytest.mark.parametrize(
    ("stop", "text"),
    [
        ("The $0.30 for the day is used up.", "The $0.30 for the day is used up."),
        ("", "Paused by a budget. Your next prompt continues."),
        (None, "Paused: the $0.05 for this run is used up."),
    ],
)
def test_a_run_that_a_budget_has_paused_says_what_stops_it_now(
    run: Run, stop: str | None, text: str
) -> None:
    used = Standing(Scope.RUN, 0.06, 0.05)
    to_stop(run, Outcome.INTERRUPTED, used.cause)
    finish(run, 0)
    assert status_text(run, stop=stop) == text


def test_prompts_wait_until_claude_takes_them_up(run: Run) -> None:
    sent(run, "one")
    sent(run, "two")
    first = ["Claude starts with this one", "Waits its turn two"]
    assert queued(run) == first
    said(run, line(type="system", subtype="init"))
    assert queued(run) == first
    said(run, line(type="user", uuid="one", isReplay=True, message={"content": "one"}))
    assert queued(run) == ["Waits its turn two"]
    assert [button.text for button in buttons(parts(run)["queue"])] == ["Edit", "Remove"]
    finish(run, 0)
    assert queued(run) == ["Was not taken up two"]
    names = [button.text for button in buttons(parts(run)["queue"])]
    assert names == ["Send again", "Edit", "Remove"]


def test_stop_is_there_as_long_as_there_is_something_to_stop(run: Run) -> None:
    (button,) = buttons(parts(run)["stop"])
    assert (button.text, button.attributes["hx-post"]) == ("Stop", f"/runs/{run.id}/stop")
    assert "disabled" not in button.attributes
    run.state.step(Event.STOPPED)
    (button,) = buttons(parts(run)["stop"])
    assert "disabled" in button.attributes
    finish(run, 0)
    assert buttons(parts(run)["stop"]) == []


def test_an_idle_process_is_ended_from_the_menu_and_has_no_stop(run: Run) -> None:
    sent(run, "one")
    said(run, line(type="system", subtype="init"))
    stops = [buttons(parts(run)[name]) for name in ("stop", "stop-line", "end-claude")]
    assert [[button.text for button in each] for each in stops] == [["Stop"]] * 3
    said(run, line(type="user", uuid="one", isReplay=True, message={"content": "one"}), RESULT)
    shown = parts(run)
    assert buttons(shown["stop"]) == buttons(shown["stop-line"]) == []
    (button,) = buttons(shown["end-claude"])
    assert (button.text, button.attributes["hx-post"]) == ("End Claude", f"/runs/{run.id}/stop")


def test_stderr_is_shown_while_the_run_lives_and_its_last_lines_only(run: Run) -> None:
    assert parts(run)["errors"].children == []
    run.folder.errors.write_text("".join(f"line {n}\n\n" for n in range(ERROR_LINES + 3)))
    (pre,) = [node for node in parts(run)["errors"].walk() if node.tag == "pre"]
    assert pre.text.split("\n") == [f"line {n}" for n in range(3, ERROR_LINES + 3)]
    finish(run, 1)  # now the transcript says it
    assert parts(run)["errors"].children == []


def test_status_panel_tolerates_a_removed_run_folder(run: Run) -> None:
    shutil.rmtree(run.folder.path)
    assert parts(run)["errors"].children == []


def test_hostile_text_in_the_status_panel_is_escaped(run: Run) -> None:
    sent(run, HOSTILE)
    run.folder.errors.write_text(HOSTILE)
    shown = parts(run)
    assert queued(run) == [f"Claude starts with this {HOSTILE}"]
    assert HOSTILE in shown["errors"].text
    to_stop(run, Outcome.FAILED, HOSTILE)
    finish(run, 1)
    assert parts(run)["status"].text == HOSTILE
    tags = {node.tag for element in shown.values() for node in element.walk()}
    texts = {"p", "ol", "li", "span", "div", "details", "summary", "pre", "button", "a", "b"}
    assert tags == {*texts, "dl", "svg", "path"}


def test_todo_list_states_its_progress() -> None:
    noted = [
        Todo("1", "Dig", "Digging", "done"),
        Todo("2", "Sow <b>", "Sowing <b>", "now"),
        Todo("3", "Wait", "", "open"),
    ]
    todos = dom.parse(StatusPanel(templates()).parts(None, noted=noted)["todos"])
    assert todos.text.startswith("1 of 3 done Sowing <b>")
    items = [node for node in todos.walk() if node.tag == "li"]
    assert [item.attributes["class"] for item in items] == ["todo-done", "todo-now", "todo-open"]
    assert [item.text.strip() for item in items] == ["Done: Dig", "Now: Sow <b>", "Wait"]


def test_missing_status_leaves_an_empty_placeholder() -> None:
    todos = dom.parse(StatusPanel(templates()).parts(None)["todos"])
    assert (todos.elements[0].id, todos.text) == ("todos", "")
