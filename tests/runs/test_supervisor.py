"""Runs under a supervisor: starting, prompting, steering and every way to end, with a stand-in."""

from __future__ import annotations

import gc
import json
import os
import signal
import time
from functools import partial
from pathlib import Path
from typing import Any

import gevent
import psutil
import pytest
from gevent.event import Event

from opcode_htmx.engines.claude.protocol import argv
from opcode_htmx.lib.files.disk_space import DiskFull
from opcode_htmx.runs import supervisor as supervisor_module
from opcode_htmx.runs.control import launcher
from opcode_htmx.runs.control.launcher import CannotStart
from opcode_htmx.runs.control.prompt_queue import (
    PromptNotFound,
    PromptTaken,
    queue,
    take_back,
)
from opcode_htmx.runs.control.run import AlreadyAnswered, Run, RunNotLive
from opcode_htmx.runs.model import run_folder as folder_module
from opcode_htmx.runs.model.lifecycle import Phase
from opcode_htmx.runs.model.record import Outcome, RunRecord
from opcode_htmx.runs.policies import limit_monitor as limits_module
from opcode_htmx.runs.policies.limit_monitor import Limits
from opcode_htmx.runs.processes import claude_process as process_module
from opcode_htmx.runs.supervisor import RunNotFound
from tests.support.cli.supervision import (
    BY,
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

FOREVER = ["wait", "/no/such/file"]
BUSY = 4.0
"""The allowance of a busy machine on top of a deadline; without one these runs would not end."""


def ended(run: Run) -> tuple[Outcome, str]:
    """How a run ended, once it has; on disk it says the same."""
    assert run.join(20), f"the run is still {run.phase}"
    end = run.record.end
    assert end is not None
    assert run.phase is Phase.ENDED
    on_disk = record_on_disk(run)["end"]
    assert (on_disk["outcome"], on_disk["cause"]) == (end.outcome.value, end.cause)
    assert on_disk["exit_status"] == end.exit_status
    return end.outcome, end.cause


def asked(run: Run) -> str:
    """The id of the request that is open."""
    return until(lambda: next(iter(run.state.asks), ""), "Claude asks")


def pid_of(run: Run) -> int:
    assert run.record.pid is not None
    return run.record.pid


# Starting ------------------------------------------------------------------------------------


def test_a_prompt_starts_claude_which_answers(supervision: Supervision) -> None:
    run = idle(supervision.prompt("Hello"))
    assert texts(run) == ["Hello"]
    assert run.state.turns == 1
    assert supervision.supervisor.get(run.id) is run
    assert supervision.supervisor.live() == [run]


def test_record_has_pid_and_start_time(supervision: Supervision) -> None:
    run = supervision.prompt("Hello")
    record = record_on_disk(run)
    process = psutil.Process(pid_of(run))
    assert record["pid"] == process.pid
    assert record["process_started_at"] == process.create_time()
    assert record["project_path"] == str(supervision.sandbox.project)
    assert record["end"] is None
    assert record["id"] == run.folder.path.name


def test_claude_is_started_with_the_expected_folder_umask_and_environment(
    supervision: Supervision,
) -> None:
    umask = os.umask(0o077)
    os.umask(umask)
    run = idle(supervision.prompt(steps(["report"])))
    report: dict[str, Any] = json.loads(texts(run)[0])
    assert report["folder"] == str(supervision.sandbox.project)
    assert report["umask"] == umask
    environment = report["environment"]
    assert environment.pop("OPCODE_RUN_ID") == run.id
    assert environment.pop("OPCODE_RUN_FOLDER") == str(run.folder.path)
    environment.pop("LC_CTYPE", None)  # CPython's own
    assert environment.pop("PWD") == str(supervision.sandbox.project)
    own = {**argv.FORWARD_SUBAGENT_ENV, **argv.REWIND_ENV}
    assert environment == {**own, **supervision.sandbox.environment()}


def test_a_prompt_is_in_no_argument(supervision: Supervision) -> None:
    run = idle(supervision.prompt("A secret prompt"))
    arguments = " ".join(psutil.Process(pid_of(run)).cmdline())
    assert run.record.session_id in arguments
    assert "secret" not in arguments


def test_an_unknown_run_is_not_found(supervision: Supervision) -> None:
    with pytest.raises(RunNotFound, match="no such run"):
        supervision.supervisor.get("0" * 32)


def test_a_project_that_is_gone_is_named(supervision: Supervision) -> None:
    supervision.sandbox.project.rmdir()
    with pytest.raises(CannotStart, match=f"{supervision.sandbox.project} does not exist any more"):
        supervision.prompt("Hello")
    assert_nothing_is_left(supervision)


def test_non_executable_claude_is_reported(supervision: Supervision, stand_in: Path) -> None:
    stand_in.chmod(0o644)
    with pytest.raises(CannotStart, match=r"could not be started: Permission denied\."):
        supervision.prompt("Hello")
    assert_nothing_is_left(supervision)


def test_invalid_claude_binary_is_reported(supervision: Supervision, stand_in: Path) -> None:
    stand_in.write_bytes(b"\x7fELF, but not really")
    with pytest.raises(CannotStart, match=r"could not be started: Exec format error\."):
        supervision.prompt("Hello")
    assert_nothing_is_left(supervision)


def test_uncreatable_runs_folder_is_reported(supervision: Supervision) -> None:
    supervision.sandbox.state.mkdir()
    supervision.runs_dir.write_text("not a folder")
    with pytest.raises(CannotStart, match="could not be started"):
        supervision.prompt("Hello")


def test_claude_that_exits_before_reading_is_reported_with_its_stderr(
    supervision: Supervision, stand_in: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go = stand_in.with_name("go")  # else a busy machine would see it end before its start is over
    wait = f"until test -e {go}; do sleep 0.01; done"
    stand_in.write_text(f"#!/bin/sh\n{wait}\necho 'no licence' >&2\nexit 7\n")
    spawn = process_module.spawn

    def spawn_and_see_it_end(*arguments: Any) -> process_module.ClaudeProcess:
        started = spawn(*arguments)
        go.touch()
        started.wait()
        return started

    monkeypatch.setattr(process_module, "spawn", spawn_and_see_it_end)
    with pytest.raises(CannotStart, match=r"ended with exit status 7\. no licence"):
        supervision.prompt("Hello")


def test_a_record_that_cannot_be_written_leaves_no_process_behind(
    supervision: Supervision, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = folder_module.RunFolder.store

    def full_disk(folder: folder_module.RunFolder, record: RunRecord) -> None:
        if record.pid is not None:
            raise OSError(28, "No space left on device")
        store(folder, record)

    monkeypatch.setattr(folder_module.RunFolder, "store", full_disk)
    with pytest.raises(DiskFull, match="disk is full"):
        supervision.prompt("Hello")
    assert_nothing_is_left(supervision)


def assert_nothing_is_left(supervision: Supervision) -> None:
    assert supervision.supervisor.live() == []
    assert not supervision.runs_dir.exists() or list(supervision.runs_dir.iterdir()) == []
    until(lambda: not supervision.marked_processes(), "no process is left")


# Prompts -------------------------------------------------------------------------------------


def test_a_follow_up_goes_to_the_same_process(supervision: Supervision) -> None:
    session = new_id()
    run = idle(supervision.prompt("one", session))
    assert supervision.prompt("two", session) is run
    until(lambda: run.state.turns == 2, "both are answered")
    assert texts(run) == ["one", "two"]


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
    run = supervision.prompt(steps(["lines", 10_000]), session)
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


def test_non_reading_claude_is_reported_as_hanging(
    supervision: Supervision, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder_module, "WRITE_SECONDS", 0.1)
    monkeypatch.setattr(supervisor_module, "END_GRACE_SECONDS", 0.1)
    session = new_id()
    run = supervision.prompt(steps(FOREVER), session)
    until(lambda: run.phase is Phase.WORKING, "it works")
    with pytest.raises(RunNotLive, match="seems to hang"):
        supervision.prompt("x" * 1_000_000, session)


def test_prompt_blocked_by_a_full_pipe_counts_as_unsent(
    supervision: Supervision, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder_module, "WRITE_SECONDS", 0.1)
    monkeypatch.setattr(supervisor_module, "END_GRACE_SECONDS", 0.1)
    session, prompt = new_id(), new_id()
    run = supervision.prompt(steps(FOREVER), session)
    until(lambda: run.phase is Phase.WORKING, "it works")
    with pytest.raises(RunNotLive):
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
            steps(*[["text", f"{word} {n}"] for n in range(300)]), sessions[word]
        )
        for word in words
    }
    for number in range(5):
        for word in words:
            supervision.prompt(f"{word} again {number}", sessions[word])
    for word, run in runs.items():
        all_answered(run, 6)
        assert texts(run) == [
            *(f"{word} {n}" for n in range(300)),
            *(f"{word} again {n}" for n in range(5)),
        ]
        assert {text.split()[0] for text in list(run.state.sent.values())[1:]} == {word}
        said = lines(run.folder.output)
        assert {line["session_id"] for line in said if "session_id" in line} == {sessions[word]}
    assert runs["left"].record.pid != runs["right"].record.pid


def all_answered(run: Run, turns: int) -> None:
    until(lambda: run.state.turns == turns and run.phase is Phase.IDLE, "all is answered")


# Claude's output ----------------------------------------------------------------------------


def test_flood_arrives_complete_and_delays_no_other_run(supervision: Supervision) -> None:
    run = supervision.prompt(steps(["lines", 20_000]))
    longest, before = 0.0, time.thread_time()
    while run.phase is not Phase.IDLE:
        gevent.sleep(0.001)
        longest, before = max(longest, time.thread_time() - before), time.thread_time()
    assert texts(run) == [f"line {number}" for number in range(20_000)]
    assert (run.state.turns, run.state.waiting) == (1, {})
    assert longest < 1.0  # no other run has waited for the end of the flood


def test_a_line_in_two_halves_is_one_line(supervision: Supervision) -> None:
    run = idle(supervision.prompt(steps(["half", "all of it", 0.2])))
    assert texts(run) == ["all of it"]
    assert run.state.turns == 1


def test_a_line_of_five_megabytes_arrives_whole(supervision: Supervision) -> None:
    run = idle(supervision.prompt(steps(["big", 5_000_000])))
    assert [len(text) for text in texts(run)] == [5_000_000]
    assert run.state.turns == 1


def test_last_line_without_a_newline_is_read(supervision: Supervision) -> None:
    result = json.dumps({"type": "result", "subtype": "success"})
    run = supervision.prompt(steps(["raw", result], ["exit", 0]))
    assert ended(run)[0] is Outcome.COMPLETED
    assert run.state.turns == 1


def test_lines_that_are_no_messages_disturb_nothing(supervision: Supervision) -> None:
    run = idle(supervision.prompt(steps(["raw", "no json\n\n{\n"], ["text", "well"])))
    assert run.state.turns == 1


def test_waiter_is_woken_by_a_new_line(supervision: Supervision, tmp_path: Path) -> None:
    session, go_on = new_id(), tmp_path / "go-on"
    run = supervision.prompt(steps(["wait", str(go_on)]), session)
    until(lambda: run.phase is Phase.WORKING, "it works")
    gevent.sleep(0.1)
    seen = supervision.supervisor.changes(session).version
    go_on.touch()
    assert run.changed.wait(seen, timeout=PATIENCE) > seen


def test_stderr_is_kept_and_reported(supervision: Supervision) -> None:
    run = supervision.prompt(steps(["stderr", "careful"], FOREVER))
    until(lambda: run.folder.error_lines(5) == ["careful"], "stderr is kept")


# Requests ------------------------------------------------------------------------------------


def test_a_request_that_is_allowed_lets_claude_go_on(supervision: Supervision) -> None:
    run = supervision.prompt(steps(["ask", "r1"], ["text", "done"]))
    assert asked(run) == "r1"
    assert run.phase is Phase.WAITING
    run.allow("r1", {"command": "false"}, by=BY)
    idle(run)
    answer = sent(run)[-1]["response"]["response"]
    assert answer == {"behavior": "allow", "updatedInput": {"command": "false"}}


def test_a_request_that_is_denied_lets_claude_go_on(supervision: Supervision) -> None:
    run = supervision.prompt(steps(["ask", "r1"]))
    run.deny(asked(run), "Not here.", by=BY)
    idle(run)
    answer = sent(run)[-1]["response"]["response"]
    assert answer == {"behavior": "deny", "message": "Not here."}


def test_a_request_is_answered_once(supervision: Supervision) -> None:
    run = supervision.prompt(steps(["ask", "r1"], FOREVER))
    run.allow(asked(run), by=BY)
    for answer in (partial(run.allow, "r1"), partial(run.deny, "r1", "no")):
        with pytest.raises(AlreadyAnswered, match=r"answered already at \d\d:\d\d: allowed"):
            answer(by=BY)
    assert len(sent(run)) == 2


def test_request_on_a_page_is_open_before_the_run_has_folded_it(
    supervision: Supervision,
) -> None:
    run = supervision.prompt(steps(["ask", "r1"], FOREVER))
    run.detach()  # no greenlet folds the lines
    until(lambda: b'"can_use_tool"' in run.folder.output.read_bytes(), "Claude asks")
    assert run.open_ask("r1").tool_name == "Bash"


def test_two_phones_that_answer_at_once_answer_once(supervision: Supervision) -> None:
    run = supervision.prompt(steps(["ask", "r1"], FOREVER))
    asked(run)
    with run.folder.writing():  # both have looked before either can speak
        phones: list[gevent.Greenlet[..., None]] = [
            gevent.spawn(run.allow, "r1", by=BY),
            gevent.spawn(run.deny, "r1", "no", by=BY),
        ]
        gevent.sleep(0.05)
    for phone in phones:
        phone.join(timeout=PATIENCE)
    # either may be first
    assert {type(phone.exception) for phone in phones} == {type(None), AlreadyAnswered}
    assert len(sent(run)) == 2


def test_a_request_that_was_never_made_cannot_be_answered(supervision: Supervision) -> None:
    run = idle(supervision.prompt("Hello"))
    with pytest.raises(AlreadyAnswered):
        run.allow("no-such-request", by=BY)


def test_a_request_of_an_unknown_kind_is_answered_with_an_error(supervision: Supervision) -> None:
    run = idle(supervision.prompt(steps(["request", "x1", "of_a_later_release"])))
    response = json.loads(texts(run)[0])["response"]
    assert (response["subtype"], response["request_id"]) == ("error", "x1")
    assert not run.state.unsupported


def test_an_ended_run_takes_no_answer_and_no_stop(supervision: Supervision) -> None:
    run = supervision.prompt(steps(["ask", "r1"]))
    asked(run)
    psutil.Process(pid_of(run)).kill()
    ended(run)
    with pytest.raises(RunNotLive, match="has ended"):
        run.allow("r1", by=BY)
    with pytest.raises(RunNotLive, match="has ended"):
        run.prompt(new_id(), "Hello", by=BY)
    with pytest.raises(RunNotLive, match="ended already"):
        run.stop(by=BY)


# The end -------------------------------------------------------------------------------------


def test_a_claude_that_ends_after_its_turn_has_completed(supervision: Supervision) -> None:
    run = supervision.prompt(steps(["text", "done"], ["exit after turn", 0]))
    assert ended(run) == (Outcome.COMPLETED, "Claude ended.")
    assert supervision.supervisor.live() == []


def test_failed_claude_is_recorded_with_its_status_and_stderr(supervision: Supervision) -> None:
    run = supervision.prompt(steps(["stderr", "first"], ["stderr", "no credit left"], ["exit", 3]))
    assert ended(run) == (Outcome.FAILED, "Claude ended with exit status 3.")
    assert record_on_disk(run)["end"]["exit_status"] == 3
    assert run.folder.error_lines(20) == ["first", "no credit left"]


def test_a_claude_that_ends_in_mid_turn_is_interrupted(supervision: Supervision) -> None:
    run = supervision.prompt(steps(["text", "I will"], ["exit", 0]))
    assert ended(run) == (
        Outcome.INTERRUPTED,
        "Claude ended before its answer was complete.",
    )


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP])
def test_a_claude_that_is_killed_from_outside_is_interrupted(
    supervision: Supervision, number: signal.Signals
) -> None:
    run = idle(supervision.prompt("Hello"))
    psutil.Process(pid_of(run)).send_signal(number)
    assert ended(run) == (Outcome.INTERRUPTED, f"Claude was ended from outside by {number.name}.")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_claude_that_exits_as_shells_do_when_signalled_is_interrupted(
    supervision: Supervision, number: signal.Signals
) -> None:
    run = supervision.prompt(steps(["exit", 128 + number]))
    assert ended(run) == (Outcome.INTERRUPTED, f"Claude was ended from outside by {number.name}.")


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT])
def test_a_claude_that_crashes_has_failed(supervision: Supervision, number: signal.Signals) -> None:
    run = supervision.prompt(steps(["signal", number]))
    assert ended(run) == (Outcome.FAILED, f"Claude crashed with {number.name}.")


def test_a_signal_without_a_name_ends_a_run_like_any_other(supervision: Supervision) -> None:
    number = signal.SIGRTMIN + 1
    run = supervision.prompt(steps(["signal", number]))
    assert ended(run) == (Outcome.FAILED, f"Claude crashed with signal {number}.")


def test_a_stop_cancels_the_run(supervision: Supervision) -> None:
    run = supervision.prompt(steps(["text", "I will"], FOREVER))
    until(lambda: run.phase is Phase.WORKING, "it works")
    run.stop(by=BY)
    assert run.phase is Phase.STOPPING
    run.stop(by=BY)  # a second tap
    assert ended(run) == (Outcome.CANCELLED, "Stopped by you.")
    requests = [line for line in sent(run) if line["type"] == "control_request"]
    assert [request["request"] for request in requests] == [
        {"subtype": "interrupt", "cancel_queued": True}
    ]


def test_a_run_that_is_being_stopped_takes_no_answer(supervision: Supervision) -> None:
    run = supervision.prompt(steps(["deaf"], ["ask", "r1"], FOREVER))
    asked(run)
    run.stop(by=BY)
    with pytest.raises(RunNotLive):
        run.allow("r1", by=BY)


def test_an_idle_run_is_stopped_without_an_interrupt(supervision: Supervision) -> None:
    run = idle(supervision.prompt("Hello"))
    run.stop(by=BY)
    assert ended(run)[0] is Outcome.CANCELLED
    assert [line["type"] for line in sent(run)] == ["user"]


def test_claude_that_ignores_sigterm_is_killed_with_its_descendants(
    supervision: Supervision,
) -> None:
    supervision.restart(stop_deadline=1.0)
    run = supervision.prompt(steps(["deaf"], ["grandchild"], ["text", "ready"], FOREVER))
    until(lambda: len(supervision.marked_processes()) == 2, "the grandchild lives")
    until(lambda: texts(run) == ["ready"], "it ignores SIGTERM")
    began = time.monotonic()
    run.stop(by=BY)
    assert ended(run)[0] is Outcome.CANCELLED
    assert time.monotonic() - began < 1.0 + BUSY  # a sweep takes 0.7 s at most
    until(lambda: not supervision.marked_processes(), "nothing is left")


def test_a_claude_that_does_not_read_is_stopped_in_time(supervision: Supervision) -> None:
    supervision.restart(stop_deadline=1.0)
    run = supervision.prompt(steps(["deaf"], ["text", "ready"], FOREVER))
    until(lambda: texts(run) == ["ready"], "it ignores SIGTERM")
    stuck = gevent.spawn(run.prompt, new_id(), "x" * 1_000_000, by=BY)
    gevent.sleep(0.05)
    began = time.monotonic()
    run.stop(by=BY)
    assert ended(run)[0] is Outcome.CANCELLED
    assert time.monotonic() - began < 1.0 + BUSY
    gevent.joinall([stuck], timeout=PATIENCE)
    assert isinstance(stuck.exception, RunNotLive)


def test_leftover_processes_end_with_claude(supervision: Supervision) -> None:
    run = supervision.prompt(steps(["grandchild"], ["exit after turn", 0]))
    assert ended(run)[0] is Outcome.COMPLETED
    until(lambda: not supervision.marked_processes(), "the grandchild has ended")


def test_an_idle_run_ends_after_its_time_and_says_how_long_that_was(
    supervision: Supervision, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits_module, "CHECK_SECONDS", 0.05)
    supervision.restart(limits=Limits(idle_timeout=0.6))
    busy = supervision.prompt(steps(FOREVER))
    run = idle(supervision.prompt("Hello"))
    assert ended(run) == (
        Outcome.COMPLETED,
        "Ended after 0.01 idle minutes; a prompt resumes it.",
    )
    assert busy.live


def test_a_run_whose_folder_was_removed_ends_all_the_same(
    supervision: Supervision, caplog: pytest.LogCaptureFixture
) -> None:
    run = idle(supervision.prompt("Hello"))
    for path in run.folder.path.iterdir():
        path.unlink()
    run.folder.path.rmdir()
    with pytest.raises(RunNotLive, match="has been removed"):
        run.prompt(new_id(), "Hello", by=BY)
    run.stop(by=BY)
    assert run.join(30)
    assert run.phase is Phase.ENDED
    assert "could not record the end of run" in caplog.text


def test_many_runs_leak_no_descriptor_and_no_process(supervision: Supervision) -> None:
    def run_once() -> None:
        ended(supervision.prompt(steps(["exit after turn", 0])))

    run_once()
    gc.collect()
    before = psutil.Process().num_fds()
    for _ in range(10):
        gevent.joinall([gevent.spawn(run_once) for _ in range(5)], raise_error=True)
    gc.collect()
    until(lambda: psutil.Process().num_fds() <= before, "what waits for the disk is done")
    until(lambda: not supervision.marked_processes(), "no process is left")
    assert len(list(supervision.runs_dir.iterdir())) == 51
