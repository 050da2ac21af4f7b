"""What ends or replaces a run that was started while a prompt is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from opcode_htmx.runs.control.run import Run
from opcode_htmx.runs.model.lifecycle import Phase
from opcode_htmx.runs.policies import warm_rules
from opcode_htmx.runs.policies.project_trust import TrustNeeded
from opcode_htmx.runs.supervisor import StillRunning
from tests.runs.policies.warm_starts.writer import OVER, Writer, has_left_nothing, hook
from tests.support.cli.supervision import BY, Supervision, idle, steps, texts, until
from tests.support.environment import has_ended


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
