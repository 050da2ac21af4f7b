"""Prompts under a supervisor: each is sent once, in turn, and to a process that lives."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gevent
import psutil
import pytest
from gevent.event import Event

from opcode_htmx.runs import supervisor as supervisor_module
from opcode_htmx.runs.control import launcher
from opcode_htmx.runs.control.prompt_queue import PromptNotFound, PromptTaken, queue, take_back
from opcode_htmx.runs.control.run import RunNotLive
from opcode_htmx.runs.model import run_folder as folder_module
from opcode_htmx.runs.model.lifecycle import Phase
from opcode_htmx.runs.model.record import Outcome
from tests.runs.supervisor.watching import all_answered, ended, pid_of
from tests.support.cli.supervision import (
    BY,
    FOREVER,
    Supervision,
    idle,
    lines,
    new_id,
    record_on_disk,
    sent,
    steps,
    texts,
    until,
)
from tests.support.environment import PATIENCE


def test_a_follow_up_while_it_works_waits_its_turn_in_the_same_process(
    supervision: Supervision, tmp_path: Path
) -> None:
    session, go_on = new_id(), tmp_path / "go-on"
    run = supervision.prompt(steps(["wait", str(go_on)], ["text", "first"]), session)
    until(lambda: run.phase is Phase.WORKING, "it works")
    assert supervision.prompt("second", session) is run
    assert list(run.state.waiting.values()) == ["second"]
    go_on.touch()
    all_answered(run, 2)
    assert texts(run) == ["first", "second"]
    assert run.state.waiting == {}


def test_a_prompt_in_the_middle_of_a_flood_leaves_the_run_idle_in_the_end(
    supervision: Supervision,
) -> None:
    session = new_id()
    run = supervision.prompt(steps(["lines", 3_000]), session)
    for number in range(5):
        supervision.prompt(f"follow-up {number}", session)
        gevent.sleep(0.02)
    all_answered(run, 6)
    assert run.state.waiting == {}


def test_a_prompt_is_sent_once(supervision: Supervision) -> None:
    session, prompt_id = new_id(), new_id()
    run = idle(supervision.prompt("Hello", session, prompt_id))
    assert supervision.prompt("Hello", session, prompt_id) is run
    assert len(sent(run)) == 1


def test_a_prompt_sent_twice_at_once_starts_one_process_and_is_sent_once(
    supervision: Supervision,
) -> None:
    session, prompt_id = new_id(), new_id()
    supervision.restart()
    greenlets = [gevent.spawn(supervision.prompt, "Hello", session, prompt_id) for _ in range(8)]
    runs = [greenlet.get(timeout=PATIENCE) for greenlet in greenlets]
    assert {run.id for run in runs} == {runs[0].id}
    assert len(list(supervision.runs_dir.iterdir())) == 1
    assert len(sent(runs[0])) == 1


@pytest.mark.parametrize("elsewhere", [False, True], ids=["one worker", "two workers"])
def test_prompt_delivery_is_reported_once_known(
    supervision: Supervision, monkeypatch: pytest.MonkeyPatch, elsewhere: bool
) -> None:
    session, prompt_id = new_id(), new_id()
    here = supervision.restart()
    asked = supervision.beside() if elsewhere else here
    launch, go_on = launcher.launch, Event()

    def slow(*arguments: Any) -> Any:
        assert go_on.wait(PATIENCE)
        return launch(*arguments)

    monkeypatch.setattr(launcher, "launch", slow)
    prompting = gevent.spawn(supervision.prompt, "Hello", session, prompt_id)
    until(lambda: asked.of_session(session), "the run has begun")
    asking = gevent.spawn(asked.starts.has_sent, session, prompt_id)
    gevent.sleep(0.05)
    assert not asking.ready()
    go_on.set()
    assert asking.get(timeout=PATIENCE)
    assert len(sent(prompting.get())) == 1


def test_a_prompt_that_an_earlier_server_sent_is_not_sent_again(supervision: Supervision) -> None:
    session, prompt_id = new_id(), new_id()
    run = supervision.prompt(steps(["text", "done"], ["exit after turn", 0]), session, prompt_id)
    ended(run)
    supervision.restart()
    assert supervision.prompt("Hello", session, prompt_id).id == run.id
    assert len(list(supervision.runs_dir.iterdir())) == 1


def test_an_ended_session_goes_on_in_a_new_process(supervision: Supervision) -> None:
    session = new_id()
    first = supervision.prompt(steps(["exit after turn", 0]), session)
    ended(first)
    second = idle(supervision.prompt("again", session))
    assert second is not first
    assert supervision.supervisor.of_session(session) == [first, second]


def test_prompt_during_the_death_of_claude_is_answered_by_a_new_process(
    supervision: Supervision,
) -> None:
    session = new_id()
    first = idle(supervision.prompt("one", session))
    psutil.Process(pid_of(first)).kill()
    while psutil.Process(pid_of(first)).status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.001)  # the server must not see its end before the prompt comes
    assert first.live
    second = idle(supervision.prompt("two", session))
    assert texts(second) == ["two"]
    assert ended(first)[0] is Outcome.INTERRUPTED


def test_a_prompt_while_the_run_is_stopped_waits_and_goes_on_in_a_new_process(
    supervision: Supervision,
) -> None:
    supervision.restart(stop_deadline=0.5)
    session = new_id()
    first = supervision.prompt(steps(["deaf"], FOREVER), session)
    until(lambda: first.phase is Phase.WORKING, "it works")
    first.stop(by=BY)
    second = idle(supervision.prompt("go on", session))
    assert ended(first)[0] is Outcome.CANCELLED
    assert texts(second) == ["go on"]
    assert second.record.created_at >= record_on_disk(first)["end"]["at"]


def test_stopping_a_session_delays_no_other(supervision: Supervision) -> None:
    supervision.restart(stop_deadline=1.0)
    session = new_id()
    slow = supervision.prompt(steps(["deaf"], FOREVER), session)
    until(lambda: slow.phase is Phase.WORKING, "it works")
    slow.stop(by=BY)
    held_up = gevent.spawn(supervision.prompt, "go on", session)
    gevent.sleep(0)
    other = supervision.prompt("Hello")
    assert slow.phase is Phase.STOPPING
    idle(other)
    idle(held_up.get(timeout=PATIENCE))


def test_prompt_to_a_claude_that_does_not_read_is_refused_as_it_hangs_and_counts_as_unsent(
    supervision: Supervision, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder_module, "WRITE_SECONDS", 0.1)
    monkeypatch.setattr(supervisor_module, "END_GRACE_SECONDS", 0.1)
    session, prompt = new_id(), new_id()
    run = supervision.prompt(steps(FOREVER), session)
    until(lambda: run.phase is Phase.WORKING, "it works")
    with pytest.raises(RunNotLive, match="seems to hang"):
        supervision.prompt("x" * 1_000_000, session, prompt)
    assert list(run.state.waiting) == []
    assert not supervision.supervisor.starts.has_sent(session, prompt)
    run.stop(by=BY)
    ended(run)
    assert queue(supervision.supervisor.of_session(session)) == []
    assert texts(idle(supervision.prompt("short now", session, prompt))) == ["short now"]


def test_a_prompt_that_a_run_left_is_withdrawn_for_good(supervision: Supervision) -> None:
    session = new_id()
    run = supervision.prompt(steps(FOREVER), session)
    until(lambda: run.phase is Phase.WORKING, "it works")
    for words in ("first", "second"):
        supervision.prompt(words, session)
    run.stop(by=BY)
    ended(run)
    first, second = queue(supervision.supervisor.of_session(session))
    assert (first.text, first.left, second.text, second.left) == ("first", True, "second", True)
    take_back(run, first.prompt_id, by=BY)
    with pytest.raises(PromptTaken):
        take_back(run, first.prompt_id, by=BY)
    with pytest.raises(PromptNotFound):
        take_back(run, new_id(), by=BY)
    supervision.restart()
    (again,) = supervision.supervisor.of_session(session)
    again.fold_new_lines(last=True)
    assert queue([again]) == [second]


def test_a_prompt_that_was_left_and_sent_again_is_no_longer_left(supervision: Supervision) -> None:
    session, prompt = new_id(), new_id()
    run = supervision.prompt(steps(FOREVER), session)
    until(lambda: run.phase is Phase.WORKING, "it works")
    supervision.prompt("again", session, prompt)
    run.stop(by=BY)
    ended(run)
    assert len(queue([run])) == 1
    idle(supervision.prompt("again", session, prompt))
    assert queue(supervision.supervisor.of_session(session)) == []


def test_two_sessions_side_by_side_never_mix(supervision: Supervision) -> None:
    words = ("left", "right")
    sessions = {word: new_id() for word in words}
    runs = {
        word: supervision.prompt(
            steps(*[["text", f"{word} {n}"] for n in range(100)]), sessions[word]
        )
        for word in words
    }
    for number in range(5):
        for word in words:
            supervision.prompt(f"{word} again {number}", sessions[word])
    for word, run in runs.items():
        all_answered(run, 6)
        assert texts(run) == [
            *(f"{word} {n}" for n in range(100)),
            *(f"{word} again {n}" for n in range(5)),
        ]
        assert {text.split()[0] for text in list(run.state.sent.values())[1:]} == {word}
        said = lines(run.folder.output)
        assert {line["session_id"] for line in said if "session_id" in line} == {sessions[word]}
    assert runs["left"].record.pid != runs["right"].record.pid


def test_a_prompt_that_went_to_a_run_of_another_session_is_not_sent_again_after_its_end(
    supervision: Supervision,
) -> None:
    session, after_clear, prompt_id = new_id(), new_id(), new_id()
    init = {"type": "system", "subtype": "init", "session_id": after_clear}
    run = supervision.prompt(steps(["say", init], ["text", "cleared"]), session)
    until(lambda: run.phase is Phase.IDLE and run.state.session_id == after_clear, "it is there")
    text = steps(["text", "done"], ["exit after turn", 0])
    assert supervision.prompt(text, after_clear, prompt_id) is run
    ended(run)
    assert supervision.prompt(text, after_clear, prompt_id) is run
    assert len(sent(run)) == 2
    assert supervision.prompt(text, after_clear) is not run, "another one"


def test_a_prompt_of_a_cleared_session_is_sent_once_by_the_next_server_too(
    supervision: Supervision,
) -> None:
    session, after_clear, prompt_id = new_id(), new_id(), new_id()

    def cleared(into: str, *more: Sequence[object]) -> str:
        return steps(["say", {"type": "system", "subtype": "init", "session_id": into}], *more)

    run = supervision.prompt(cleared(after_clear, ["text", "cleared"]), session)
    until(lambda: run.phase is Phase.IDLE and run.state.session_id == after_clear, "it is there")
    again = cleared(new_id(), ["text", "cleared again"], ["exit after turn", 0])
    assert supervision.prompt(again, after_clear, prompt_id) is run
    ended(run)
    count = len(sent(run))
    for each in (supervision.supervisor, supervision.restart()):
        assert each.starts.run_with(after_clear, prompt_id), "it was sent in that session"
    assert supervision.prompt(again, after_clear, prompt_id).id == run.id
    assert len(sent(run)) == count
    assert not supervision.supervisor.starts.run_with(new_id(), prompt_id), "in no other one"
    assert not supervision.supervisor.starts.run_with(after_clear, new_id())
