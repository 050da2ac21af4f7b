"""Claude is started while a prompt is written, where that takes nothing from anybody."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import gevent
import pytest

from opcode_htmx.runs.control.run import Run
from opcode_htmx.runs.model.lifecycle import Phase
from opcode_htmx.runs.model.record import Outcome
from opcode_htmx.runs.policies import warm_rules, warm_starts
from opcode_htmx.runs.policies.project_trust import TrustNeeded
from opcode_htmx.runs.supervisor import StillRunning, Supervisor
from tests.support.cli.supervision import (
    BY,
    Supervision,
    idle,
    new_id,
    steps,
    texts,
    until,
)
from tests.support.environment import has_ended

OVER = ["exit after turn", 0]


@pytest.fixture
def supervision(supervision: Supervision, monkeypatch: pytest.MonkeyPatch) -> Iterator[Supervision]:
    monkeypatch.setattr(warm_starts, "CHECK_SECONDS", 0.02)
    monkeypatch.setattr(warm_rules, "LEAST_MEMORY", 0)
    supervision.restart(warm_timeout=60.0)
    yield supervision


class Writer:
    """Somebody who has the page of a session open, whose run is over, and writes there."""

    def __init__(self, supervision: Supervision) -> None:
        self.supervision = supervision
        self.session = new_id()
        assert supervision.prompt(steps(["text", "before"], OVER), self.session).join(20)
        self.looks()

    @property
    def supervisor(self) -> Supervisor:
        return self.supervision.supervisor

    def looks(self) -> None:
        self._page = self.supervisor.viewers.viewing(self.session)
        self._page.__enter__()

    def leaves(self) -> None:
        self._page.__exit__(None, None, None)

    def writes(self, supervisor: Supervisor | None = None) -> Run | None:
        """The run that has no prompt yet, once it is started or refused."""
        supervisor = supervisor or self.supervisor
        supervisor.warm_starts.want(self.session, self.supervision.sandbox.project, by=BY)
        until(lambda: not supervisor.warm_starts.starting, "it is decided")
        return supervisor.unused_of(self.session)

    def warm(self) -> Run:
        run = self.writes()
        assert run is not None
        return run

    def sends(self, text: str = "Hello") -> Run:
        return self.supervision.prompt(text, self.session)


@pytest.fixture
def writer(supervision: Supervision) -> Writer:
    return Writer(supervision)


def has_left_nothing(supervision: Supervision, run: Run) -> bool:
    """Whether a run has gone without a trace: only the first run of the session is there."""
    kept = [path.name for path in supervision.runs_dir.iterdir()]
    return not run.live and not supervision.marked_processes() and len(kept) == 1


def journal(supervision: Supervision) -> str:
    folder = supervision.sandbox.state / "events"
    return "".join(path.read_text() for path in folder.rglob("*") if path.is_file())


def test_prompt_goes_to_the_process_that_was_started_while_it_was_written(writer: Writer) -> None:
    run = writer.warm()
    pid = run.record.pid
    assert writer.writes() is run, "further writing starts no other one"
    assert writer.sends() is run
    idle(run)
    assert (run.record.pid, texts(run)) == (pid, ["Hello"])
    assert writer.supervisor.of_session(writer.session)[-1] is run
    until(lambda: f'"{run.id}.run_started"' in journal(writer.supervision), "it is an event")
    run.stop(by=BY)
    assert run.join(20)
    assert run.folder.path.exists()
    assert not (run.folder.path / "warm").exists()


def test_run_without_a_prompt_is_in_no_list_and_emits_nothing(writer: Writer) -> None:
    run = writer.warm()
    supervisor = writer.supervisor
    before = [each.id for each in supervisor.ended()]
    assert supervisor.live() == []
    assert [each.id for each in supervisor.newest()] == before
    assert [each.id for each in supervisor.of_session(writer.session)] == before
    assert supervisor.unused() == [run]
    run.stop_unused("Over.")
    until(lambda: has_left_nothing(writer.supervision, run), "it leaves nothing")
    assert [each.id for each in supervisor.ended()] == before
    assert run.id not in journal(writer.supervision)


def test_run_ends_when_nothing_is_sent_for_long(writer: Writer) -> None:
    run = writer.warm()
    long_ago = time.time() - 61
    os.utime(run.folder.path / "warm", (long_ago, long_ago))
    until(lambda: has_left_nothing(writer.supervision, run), "it ends by itself")
    assert writer.writes() is not None, "a person who writes again gets another one"


def test_run_ends_soon_after_its_page_was_left(
    writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(warm_rules, "LEFT_SECONDS", 0.2)
    run = writer.warm()
    gevent.sleep(0.5)
    assert run.live
    writer.leaves()
    until(lambda: has_left_nothing(writer.supervision, run), "it ends")


# --- what is not started ----------------------------------------------------------------------


def test_nothing_starts_where_nobody_looks(writer: Writer) -> None:
    writer.leaves()
    assert writer.writes() is None


@pytest.mark.parametrize(
    "settings", [{"warm_timeout": 0.0}, {"max_runs": 1}, {"min_free": 1 << 60}], ids=str
)
def test_nothing_starts_without_the_setting_or_in_the_last_place(
    writer: Writer, settings: dict[str, object]
) -> None:
    writer.supervision.restart(**settings)
    writer.looks()
    assert writer.writes() is None
    assert len(list(writer.supervision.runs_dir.iterdir())) == 1


def test_nothing_starts_with_too_little_memory(
    writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(warm_rules, "LEAST_MEMORY", 1 << 60)
    assert writer.writes() is None


def test_nothing_starts_in_a_session_that_is_open_elsewhere(writer: Writer) -> None:
    registry = writer.supervision.sandbox.config_dir / "sessions"
    registry.mkdir()
    entry = {"pid": os.getpid(), "sessionId": writer.session}
    (registry / f"{os.getpid()}.json").write_text(json.dumps(entry))
    assert writer.writes() is None


def hook(project: Path, command: str) -> None:
    """Files of the project that run something."""
    (project / ".claude").mkdir(exist_ok=True)
    hooks = {"SessionStart": [{"hooks": [{"type": "command", "command": command}]}]}
    (project / ".claude" / "settings.json").write_text(json.dumps({"hooks": hooks}))


def test_nothing_starts_in_an_untrusted_project(writer: Writer) -> None:
    hook(writer.supervision.sandbox.project, "true")
    assert writer.writes() is None


def test_nothing_starts_in_a_session_that_was_deleted(writer: Writer) -> None:
    for run in writer.supervisor.of_session(writer.session):
        writer.supervisor.forget_run(run)
    assert writer.writes() is None


# --- what ends one ----------------------------------------------------------------------------


def test_prompt_of_another_session_has_the_place(writer: Writer, tmp_path: Path) -> None:
    supervision, gate = writer.supervision, tmp_path / "gate"
    supervision.restart(max_runs=2)
    writer.looks()
    run = writer.warm()
    first = supervision.prompt(steps(["wait", str(gate)], OVER))
    assert first.phase is not Phase.QUEUED
    assert idle(supervision.prompt("second")).phase is Phase.IDLE
    assert not run.live
    gate.touch()
    assert first.join(20)


def test_run_is_replaced_when_the_options_change(writer: Writer) -> None:
    run = writer.warm()
    writer.supervisor.options.choose(writer.session, model="opus")

    def successor() -> Run | None:
        found = writer.supervisor.unused_of(writer.session)
        return found if found is not run and found and "opus" in found.record.argv else None

    after = until(successor, "another one with the model is started")
    assert writer.sends() is after
    assert not run.live


def test_prompt_right_after_a_change_of_options_has_a_process_with_them(writer: Writer) -> None:
    run = writer.warm()
    writer.supervisor.options.choose(writer.session, model="opus")
    sent = writer.sends()
    assert sent is not run
    assert "opus" in sent.record.argv


def test_run_ends_when_its_project_is_no_longer_trusted(
    writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = writer.warm()
    hook(writer.supervision.sandbox.project, "true")
    with pytest.raises(TrustNeeded):
        writer.sends()
    until(lambda: has_left_nothing(writer.supervision, run), "it has ended")
    (writer.supervision.sandbox.project / ".claude" / "settings.json").unlink()
    monkeypatch.setattr(warm_rules, "TRUST_SECONDS", 0.0)
    run = writer.warm()
    hook(writer.supervision.sandbox.project, "false")
    until(lambda: has_left_nothing(writer.supervision, run), "it ends by itself")


def test_writing_while_the_last_run_is_being_stopped_starts_claude_after_it(
    supervision: Supervision,
) -> None:
    writer = Writer(supervision)
    last = idle(writer.sends())
    last.stop(by=BY)
    assert last.phase is Phase.STOPPING
    assert writer.warm() is not last


def test_stop_ends_it_and_writing_on_starts_no_other_one(writer: Writer) -> None:
    run = writer.warm()
    run.stop(by=BY)
    until(lambda: has_left_nothing(writer.supervision, run), "it ends")
    assert writer.writes() is None
    assert idle(writer.sends()).live


def test_deleting_the_session_ends_it(writer: Writer) -> None:
    run = writer.warm()
    writer.supervisor.check_over(writer.session)
    assert has_left_nothing(writer.supervision, run)
    used = writer.sends()
    with pytest.raises(StillRunning):
        writer.supervisor.check_over(writer.session)
    assert used.live


def test_third_one_ends_the_first(supervision: Supervision) -> None:
    runs = [Writer(supervision).warm() for _ in range(3)]
    until(lambda: [run.live for run in runs] == [False, True, True], "two are left")


def test_claude_that_crashes_at_the_start_is_left_alone_until_a_prompt(
    writer: Writer, tmp_path: Path
) -> None:
    crashing = tmp_path / "crashing"
    crashing.write_text("#!/bin/sh\nexit 3\n")
    crashing.chmod(0o700)
    supervision = writer.supervision
    stand_in = supervision.restart(binary=crashing)
    writer.looks()
    writer.writes()
    until(lambda: not stand_in.unused(), "it has crashed")
    assert len(list(supervision.runs_dir.iterdir())) == 1
    assert writer.writes() is None
    assert len(list(supervision.runs_dir.iterdir())) == 1


def test_prompt_after_a_crash_starts_claude_anew(writer: Writer) -> None:
    run = writer.warm()
    [process] = writer.supervision.marked_processes()
    process.kill()
    until(lambda: has_ended(process), "it is dead")
    sent = writer.sends()
    assert sent is not run
    assert texts(idle(sent)) == ["Hello"]
    assert len(list(writer.supervision.runs_dir.iterdir())) == 2


def test_claude_that_hangs_at_the_start_is_ended(
    writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = writer.warm()  # the stand-in never says that it is ready
    monkeypatch.setattr(warm_rules, "READY_SECONDS", 0.0)
    sent = writer.sends()
    assert sent is not run
    sent.stop(by=BY)
    assert sent.join(20)
    monkeypatch.setattr(warm_rules, "READY_SECONDS", 60.0)
    run = writer.warm()
    monkeypatch.setattr(warm_rules, "READY_SECONDS", 0.0)
    until(lambda: not run.live, "it ends")
    assert writer.writes() is None


def test_session_that_went_on_elsewhere_has_a_process_that_knows_it(writer: Writer) -> None:
    run = writer.warm()
    folder = writer.supervision.sandbox.config_dir / "projects" / "-somewhere"
    folder.mkdir(parents=True)
    (folder / f"{writer.session}.jsonl").write_text('{"type":"user"}\n')
    sent = writer.sends()
    assert sent is not run
    assert "--resume" in sent.record.argv


# --- several workers, and servers one after the other -----------------------------------------


def test_two_workers_start_one(writer: Writer) -> None:
    supervision, other = writer.supervision, writer.supervision.beside()
    both = [
        gevent.spawn(each.warm_starts.want, writer.session, supervision.sandbox.project, by=BY)
        for each in (supervision.supervisor, other)
    ]
    gevent.joinall(both, raise_error=True)
    for each in (supervision.supervisor, other):
        until(lambda each=each: not each.warm_starts.starting, "it is decided")  # type: ignore[misc]
        until(lambda each=each: len(each.unused()) == 1, "each worker knows one")  # type: ignore[misc]
    assert len(supervision.marked_processes()) == 1


def test_any_worker_sends_to_it_replaces_it_and_learns_of_its_end(writer: Writer) -> None:
    supervision, other = writer.supervision, writer.supervision.beside()
    project = supervision.sandbox.project
    run = writer.warm()
    sent = other.starts.prompt(writer.session, project, new_id(), "from the other", by=BY)
    assert sent.id == run.id
    assert writer.supervisor.of_session(writer.session)[-1] is run
    idle(run).stop(by=BY)
    assert run.join(20)
    run = writer.warm()
    until(lambda: other.unused_of(writer.session), "the other one knows it")
    other.options.choose(writer.session, model="opus")
    sent = other.starts.prompt(writer.session, project, new_id(), "again", by=BY)
    assert (sent.id == run.id, "opus" in sent.record.argv) == (False, True)


def test_prompt_and_the_end_at_the_same_time_lose_no_prompt(writer: Writer) -> None:
    other = writer.supervision.beside()
    project, session = writer.supervision.sandbox.project, writer.session
    for number in range(6):
        run = writer.warm()
        twin = until(lambda: other.unused_of(session), "the other worker knows it")
        assert twin is not None
        ends = (run, twin)[number % 2]
        sends = (other, writer.supervisor)[number // 2 % 2]
        end = gevent.spawn(ends.stop_unused, "Over.")
        sent = sends.starts.prompt(session, project, new_id(), f"number {number}", by=BY)
        end.join()
        assert texts(idle(sent)) == [f"number {number}"]
        sent.stop(by=BY)
        assert sent.join(20)
        until(lambda: not writer.supervision.marked_processes(), "nothing runs")
        until(lambda: not writer.supervisor.live(), "this worker knows")


def test_next_server_goes_on_with_it_or_ends_it(writer: Writer) -> None:
    supervision = writer.supervision
    run = writer.warm()
    pid = run.record.pid
    supervision.supervisor.registry.close()  # as a server that is killed
    after = supervision.beside()
    found = until(lambda: after.unused_of(writer.session), "the next one adopts it")
    assert found is not None
    assert (found.id, found.record.pid, found.owner is None) == (run.id, pid, False)
    after.registry.close()
    supervision.beside(warm_timeout=0.0)
    until(
        lambda: (
            not supervision.marked_processes() and len(list(supervision.runs_dir.iterdir())) == 1
        ),
        "one that may not have it ends it",
    )


def test_server_that_is_stopped_ends_it(writer: Writer) -> None:
    run = writer.warm()
    writer.supervisor.close()
    assert has_left_nothing(writer.supervision, run)


def test_run_with_a_prompt_that_outlives_its_server_is_kept(writer: Writer) -> None:
    run = writer.warm()
    idle(writer.sends())
    supervision = writer.supervision
    supervision.restart()
    found = supervision.supervisor.get(run.id)
    assert not found.is_unused
    found.stop(by=BY)
    assert found.join(20)
    assert found.record.end is not None
    assert found.record.end.outcome is Outcome.CANCELLED
    again = supervision.restart()
    assert [each.id for each in again.of_session(writer.session)][-1] == run.id
