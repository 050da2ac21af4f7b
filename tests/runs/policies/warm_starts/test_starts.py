"""Claude is started while a prompt is written, where that takes nothing from anybody."""

from __future__ import annotations

import json
import os
import time

import gevent
import pytest

from opcode_htmx.runs.policies import warm_rules
from tests.runs.policies.warm_starts.writer import Writer, has_left_nothing, hook
from tests.support.cli.supervision import BY, Supervision, idle, texts, until


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


# --- what is not started --------------------------------------------------------------------


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


def test_nothing_starts_in_an_untrusted_project(writer: Writer) -> None:
    hook(writer.supervision.sandbox.project, "true")
    assert writer.writes() is None


def test_nothing_starts_in_a_session_that_was_deleted(writer: Writer) -> None:
    for run in writer.supervisor.of_session(writer.session):
        writer.supervisor.forget_run(run)
    assert writer.writes() is None
