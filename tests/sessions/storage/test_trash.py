"""Deleting moves all files of a session into the trash, and undo restores all of them."""

from __future__ import annotations

import json
import time
from pathlib import Path

import gevent
import pytest

from opcode_htmx.runs.supervisor import StillRunning
from opcode_htmx.sessions.storage.trash import Deletable, NotInTrash, Trash
from tests.support.cli.supervision import (
    Supervision,
    disk_that_waits,
    idle,
    steps,
    texts,
    until,
)
from tests.support.environment import Sandbox, state_dir


@pytest.fixture
def trash(supervision: Supervision, sandbox: Sandbox) -> Trash:
    return Trash(state_dir(sandbox.state), supervision.supervisor)


LAST = ["exit after turn", 0]
ONE = "11111111-1111-4111-8111-111111111111"


def test_a_session_that_is_deleted_twice_at_once_is_deleted_once(
    supervision: Supervision, trash: Trash, sandbox: Sandbox
) -> None:
    run = supervision.prompt(steps(["text", "kept"], LAST))
    assert run.join(20)
    session = run.record.session_id
    with disk_that_waits(sandbox.state / "trash") as go_on:
        tries = [gevent.spawn(trash.put, session, "p", "title", None) for _ in range(2)]
        until(lambda: list((sandbox.state / "trash").glob("*/.trash.json-*")), "one is at it")
        go_on.set()
        gevent.joinall(tries, raise_error=True)
    assert supervision.supervisor.of_session(session) == []
    (full,) = (each.get() for each in tries if each.get().places)
    trash.restore(full.id)
    (back,) = supervision.supervisor.of_session(session)
    assert texts(back) == ["kept"]


def history_of(sandbox: Sandbox) -> Path:
    history = sandbox.config_dir / "projects" / "-p" / f"{ONE}.jsonl"
    history.parent.mkdir(parents=True)
    history.write_text("{}\n")
    return history


def test_what_claude_kept_of_overwritten_files_goes_and_comes_back_with_the_session(
    trash: Trash, sandbox: Sandbox
) -> None:
    history = history_of(sandbox)
    kept = sandbox.config_dir / "file-history" / ONE / "a@v1"
    kept.parent.mkdir(parents=True)
    kept.write_text("before\n")
    deleted = trash.put(ONE, "-p", "title", history)
    assert not kept.parent.exists()
    trash.restore(deleted.id)
    assert kept.read_text() == "before\n"


def test_what_was_deleted_while_the_clock_was_ahead_goes_with_the_trash(
    trash: Trash, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.time()
    monkeypatch.setattr("opcode_htmx.sessions.storage.trash.time.time", lambda: now + 1e6)
    trash.put(ONE, "-p", "title", history_of(sandbox))
    monkeypatch.undo()
    assert trash.empty() == 1
    assert trash.all() == []


@pytest.mark.parametrize("damage", [{"at": "soon"}, {"places": {}}, {"places": "none"}])
def test_damaged_record_loses_no_file_and_stops_no_other_deletion(
    trash: Trash, sandbox: Sandbox, damage: dict[str, object]
) -> None:
    deleted = trash.put(ONE, "-p", "title", history_of(sandbox))
    record = sandbox.state / "trash" / deleted.id / "trash.json"
    record.write_text(json.dumps({**json.loads(record.read_text()), **damage}))
    with pytest.raises(NotInTrash):
        trash.restore(deleted.id)
    (kept,) = record.parent.glob(f"*{ONE}.jsonl")
    assert kept.read_text() == "{}\n"
    trash.purge()
    assert isinstance(trash.all(), list)


def test_session_that_somebody_has_deleted_meanwhile_is_in_no_second_batch(
    trash: Trash, sandbox: Sandbox
) -> None:
    history = history_of(sandbox)
    each = Deletable(ONE, "-p", "title", history)
    first, second = trash.put_all([each]), trash.put_all([each])
    assert (len(first.sessions), second.sessions) == (1, ())
    trash.restore_all(first.id)
    assert history.exists()


def test_session_resumed_during_deletion_is_not_deleted(
    supervision: Supervision, trash: Trash, sandbox: Sandbox
) -> None:
    run = supervision.prompt(steps(["text", "one"], LAST))
    assert run.join(20)
    session = run.record.session_id
    with disk_that_waits(sandbox.state / "trash") as go_on:
        deleting = gevent.spawn(trash.put, session, "p", "title", None)
        until(lambda: list((sandbox.state / "trash").glob("*/.trash.json-*")), "it is being noted")
        again = supervision.prompt("two", session)
        go_on.set()
        with pytest.raises(StillRunning):
            deleting.get()
    idle(again)
    assert len(supervision.supervisor.of_session(session)) == 2
    assert not list((sandbox.state / "trash").iterdir())
