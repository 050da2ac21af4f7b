"""The events of runs are emitted once per machine, through all changes of workers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from opcode_htmx.engines.claude.protocol import encoder
from opcode_htmx.lib.files.disk_space import DiskFull
from opcode_htmx.runs.events import fold, progress, publisher, run_reader
from opcode_htmx.runs.events.bus import EventBus
from opcode_htmx.runs.events.journal import JournalWriter
from opcode_htmx.runs.events.publisher import EventPublisher
from opcode_htmx.runs.events.types import PromptSubmitted, RunEnded, TurnEnded
from opcode_htmx.runs.model import actors
from tests.runs.events.emitted import LIFE, OTHER, emitted, ended, seen_by
from tests.runs.events.listening import Heard, in_journal, names, only
from tests.support.cli.supervision import BY, Supervision, idle, new_id, steps, until


def ask(request_id: str) -> bytes:
    request = {"subtype": "can_use_tool", "tool_name": "Bash", "input": {}}
    line = {"type": "control_request", "request_id": request_id, "request": request}
    return json.dumps(line).encode() + b"\n"


def test_each_event_is_handled_once_and_in_every_worker_that_asks(supervision: Supervision) -> None:
    one, other = Heard(supervision.supervisor.events), Heard(supervision.beside().events)
    run = idle(supervision.prompt("Hello"))
    run.stop(by=BY)
    events = emitted(supervision, *LIFE)
    until(lambda: len(one.everywhere) == len(other.everywhere) == 4, "both workers hear all")
    assert one.everywhere == other.everywhere == one.once == events
    assert other.once == []


def test_concurrent_publishers_of_one_run_emit_each_event_once(supervision: Supervision) -> None:
    others = [EventPublisher(EventBus(supervision.supervisor.events.journal)) for _ in range(2)]
    run = supervision.prompt("one")
    for each in others:
        each.follow(run)
    session_id = idle(run).record.session_id
    for text in ("two", "three"):
        turns = run.state.turns
        supervision.prompt(text, session_id)
        until(lambda turns=turns: run.state.turns > turns, "it is answered")  # type: ignore[misc]
    run.stop(by=BY)
    emitted(supervision, *LIFE, *LIFE[1:3], *LIFE[1:3])
    until(lambda: not any(each._greenlets for each in others), "nobody waits for more")


def test_a_prompt_is_submitted_before_its_turn_ends_however_late_it_was_sent(
    supervision: Supervision, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = idle(supervision.prompt("one"))
    emitted(supervision, *LIFE[:3])
    prompt_id, may_derive = new_id(), fold.may_derive

    def prompt_comes_meanwhile(line: bytes) -> bool:
        if prompt_id.encode() in line and not run.has_sent(prompt_id):
            run.folder.note(encoder.prompt_line(prompt_id, "two"))
        return may_derive(line)

    monkeypatch.setattr(fold, "may_derive", prompt_comes_meanwhile)
    result = {"type": "result", "user_message_uuids": [prompt_id], "subtype": "success"}
    with run.folder.output.open("ab") as file:
        file.write(json.dumps(result).encode() + b"\n")
    *_, submitted, over = emitted(supervision, *LIFE[:3], *LIFE[1:3])
    assert isinstance(submitted, PromptSubmitted)
    assert isinstance(over, TurnEnded)


def test_worker_that_takes_over_emits_only_new_events(supervision: Supervision) -> None:
    supervision.restart()
    other = supervision.beside()
    heard = Heard(other.events)
    run = idle(supervision.prompt("one"))
    emitted(supervision, *LIFE[:3])
    supervision.supervisor.close()
    seen = seen_by(other, run)
    until(lambda: seen.owner, "it is taken over")
    session_id, project = run.record.session_id, supervision.sandbox.project
    other.starts.prompt(session_id, project, new_id(), "two", by=OTHER)
    until(lambda: seen.state.turns == 2, "it is answered")
    seen.stop(by=OTHER)
    events = emitted(supervision, *LIFE, *LIFE[1:3])
    until(lambda: len(heard.everywhere) == 6, "all are delivered")
    assert heard.once == events[3:]


def test_events_without_a_server_are_emitted_by_the_next_one(supervision: Supervision) -> None:
    gate = supervision.sandbox.home / "gate"
    run = supervision.prompt(steps(["wait", str(gate)], ["text", "done"]))
    emitted(supervision, *LIFE[:2])
    supervision.supervisor.close()
    gate.touch()
    until(lambda: b'"result"' in run.folder.output.read_bytes(), "the turn has ended")
    assert names(in_journal(supervision.sandbox.state)) == LIFE[:2]
    supervision.restart()
    emitted(supervision, *LIFE[:3])


def test_event_committed_before_a_crash_is_not_emitted_again(
    supervision: Supervision, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(folder: Path, data: bytes) -> None:
        raise OSError("killed here")

    run = supervision.prompt("Hello")
    with monkeypatch.context() as patched:
        # as if the worker had been killed between the two, each time
        patched.setattr(progress, "store", killed)
        patched.setattr(progress, "remove", killed)
        emitted(supervision, *LIFE[:3])
        supervision.supervisor.close()
    again = supervision.restart().get(run.id)
    idle(again).stop(by=BY)
    emitted(supervision, *LIFE)


def test_unemitted_end_of_a_dead_owner_is_emitted_by_another_worker(
    supervision: Supervision, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publisher, "TAKEOVER_SECONDS", 0.1)
    supervision.beside()
    run = idle(supervision.prompt("Hello"))
    emitted(supervision, *LIFE[:3])
    supervision.supervisor._publisher.close()
    run.stop(by=OTHER)
    event = only(RunEnded, emitted(supervision, *LIFE))
    assert event.by == OTHER
    until(lambda: not (run.folder.path / progress.FILE_NAME).exists(), "all has been emitted")


def test_unemitted_end_is_emitted_by_the_next_server(
    supervision: Supervision, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = idle(supervision.prompt("Hello"))
    emitted(supervision, *LIFE[:3])
    supervision.supervisor._publisher.close()
    run.stop(by=OTHER)
    ended(run)
    monkeypatch.setattr(publisher, "TAKEOVER_SECONDS", 0.1)
    supervision.restart()
    assert only(RunEnded, emitted(supervision, *LIFE)).by == OTHER
    supervision.restart()
    emitted(supervision, *LIFE)


def test_a_run_of_an_earlier_version_is_followed_from_where_it_is(supervision: Supervision) -> None:
    run = idle(supervision.prompt("Hello"))
    emitted(supervision, *LIFE[:3])
    supervision.supervisor.close()
    (run.folder.path / progress.FILE_NAME).unlink()
    (run.folder.path / actors.FILE_NAME).unlink()
    for path in (supervision.sandbox.state / "events").iterdir():
        path.unlink()
    again = supervision.restart().get(run.id)
    until(lambda: (run.folder.path / progress.FILE_NAME).exists(), "it is followed")
    again.stop(by=BY)
    emitted(supervision, "run_ended")


def test_run_ended_in_an_earlier_version_emits_nothing(supervision: Supervision) -> None:
    run = idle(supervision.prompt("Hello"))
    run.stop(by=BY)
    emitted(supervision, *LIFE)
    supervision.restart()
    assert list(supervision.supervisor._publisher._greenlets) == []


def test_on_a_full_disk_the_events_come_later(
    supervision: Supervision, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(publisher, "RETRY_SECONDS", 0.05)

    def full(self: JournalWriter, lines: list[bytes]) -> None:
        raise DiskFull

    with monkeypatch.context() as patched:
        patched.setattr(JournalWriter, "append", full)
        run = idle(supervision.prompt("Hello"))
        until(lambda: "are emitted later" in caplog.text, "it is logged")
        run.stop(by=BY)
        ended(run)
        assert in_journal(supervision.sandbox.state) == []
    assert names(emitted(supervision, *LIFE)) == LIFE


def test_unreadable_progress_skips_earlier_events(
    supervision: Supervision, caplog: pytest.LogCaptureFixture
) -> None:
    run = idle(supervision.prompt("Hello"))
    emitted(supervision, *LIFE[:3])
    supervision.supervisor.close()
    (run.folder.path / progress.FILE_NAME).write_text("{")
    again = supervision.restart().get(run.id)
    until(lambda: "the events begin here" in caplog.text, "it is logged")
    again.stop(by=BY)
    emitted(supervision, *LIFE)


def test_a_flood_of_events_is_emitted_in_batches_each_event_once(supervision: Supervision) -> None:
    run = idle(supervision.prompt("Hello"))
    emitted(supervision, *LIFE[:3])
    count = 3 * run_reader.MOST_AT_ONCE + 1
    with run.folder.output.open("ab") as file:
        file.write(b"".join(ask(f"f{number}") for number in range(count)))
    events = emitted(supervision, *LIFE[:3], *["permission_asked"] * count)
    assert len({event.id for event in events}) == len(events)
    run.stop(by=OTHER)
    assert names(emitted(supervision, *LIFE, *["permission_asked"] * count))[-1] == LIFE[-1]
