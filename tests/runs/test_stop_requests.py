"""Who wants a run to be stopped is noted once, and carried out whatever the note is like."""

from __future__ import annotations

from pathlib import Path

import pytest

from opcode_htmx.lib.files.disk_space import DiskFull
from opcode_htmx.runs.model.record import Outcome, StopRequest
from opcode_htmx.runs.model.run_folder import RunFolder
from tests.runs.ends import end_of
from tests.support.cli.supervision import (
    BY,
    FOREVER,
    Supervision,
    record_on_disk,
    steps,
    texts,
    until,
)


def request() -> StopRequest:
    return StopRequest(Outcome.TIMED_OUT, "Its time was up.", 1.0)


def test_stop_request_round_trips(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path, "run")
    assert folder.asked_to_stop() is None
    assert folder.ask_to_stop(request()) == request()
    assert folder.asked_to_stop() == request()


def test_first_stop_request_wins(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path, "run")
    folder.ask_to_stop(request())
    later = StopRequest(Outcome.CANCELLED, "Stopped by you.", 2.0)
    assert folder.ask_to_stop(later) == folder.asked_to_stop() == request()
    assert [path.name for path in tmp_path.glob("run/.*")] == []


@pytest.mark.parametrize("content", ["", "{", "[]", "7", '{"outcome": "exploded"}'])
def test_unreadable_stop_request_still_ends_the_run(tmp_path: Path, content: str) -> None:
    folder = RunFolder.create(tmp_path, "run")
    folder.stop_request.write_text(content)
    found = folder.asked_to_stop()
    assert found is not None
    assert (found.outcome, found.cause) == (Outcome.CANCELLED, "Stopped by you.")


def test_a_run_can_be_stopped_while_the_disk_is_full(
    supervision: Supervision, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = supervision.prompt(steps(["text", "so far"], FOREVER))
    until(lambda: texts(run) == ["so far"], "it has begun")

    def full(*_: object, **__: object) -> None:
        raise DiskFull

    with monkeypatch.context() as patched:
        patched.setattr("opcode_htmx.lib.files.atomic_files.write", full)
        run.stop(by=BY)
        assert run.join(20)
    assert run.record.end is not None
    assert run.record.end.cause == "Stopped by you."
    # that could not be recorded, but the next server finds out
    assert record_on_disk(run)["end"] is None
    assert end_of(supervision.restart().get(run.id)) == (Outcome.CANCELLED, "Stopped by you.")
