"""Processes that an ended run has left are found and ended."""

from __future__ import annotations

import json
import signal
import time
import uuid
from pathlib import Path
from typing import Any

import pytest

from opcode_htmx.runs.model.run_folder import RunFolder
from opcode_htmx.runs.processes import process_reaper, process_table
from opcode_htmx.runs.processes.orphans import NoOrphans, Orphans
from opcode_htmx.runs.processes.process_monitor import ProcessMonitor
from opcode_htmx.runs.processes.process_table import Row
from tests.runs.processes.monitor.processes import RUN, Stray
from tests.support.cli.supervision import until


@pytest.fixture
def runs_dir(tmp_path: Path) -> Path:
    return tmp_path / "state" / "runs"


def ended(folder: RunFolder) -> dict[str, Any]:
    return {"outcome": "completed", "at": 1.0, "cause": "", "exit_status": 0, "history_end": 0}


def recorded(runs_dir: Path, run_id: str, **changes: object) -> RunFolder:
    """A run folder whose record says that it has ended."""
    folder = RunFolder.create(runs_dir, run_id)
    record = {
        "version": 1,
        "id": run_id,
        "session_id": "00000000-0000-4000-8000-000000000001",
        "project_path": "/",
        "argv": [],
        "created_at": 1.0,
        "history_start": 0,
        "end": ended(folder),
        **changes,
    }
    folder.record_path.write_text(json.dumps(record))
    return folder


def marks_of(folder: RunFolder, run_id: str = "") -> dict[str, str]:
    return {
        process_table.MARK: run_id or folder.path.name,
        process_table.FOLDER_MARK: str(folder.path),
    }


def test_leftovers_of_an_ended_run_are_found_and_ended(
    monitor: ProcessMonitor, runs_dir: Path, stray: Stray
) -> None:
    child = stray(**marks_of(recorded(runs_dir, RUN)))
    orphans = Orphans(monitor, runs_dir, tuple)
    until(lambda: [o.command for left in orphans.found() for o in left.processes], "it is found")
    (left,) = until(orphans.found, "it is found")
    assert (left.run_id, [orphan.pid for orphan in left.processes]) == (RUN, [child.pid])
    assert abs(left.at - time.time()) < 30
    orphans.end(RUN)
    assert child.wait() == -signal.SIGTERM
    with pytest.raises(NoOrphans):
        orphans.end(RUN)


@pytest.mark.parametrize("late", [1.1 * process_reaper.GRACE_SHARE, 0.9, 1.1])
def test_process_found_late_gets_sigterm_before_sigkill(
    monitor: ProcessMonitor,
    runs_dir: Path,
    stray: Stray,
    monkeypatch: pytest.MonkeyPatch,
    late: float,
) -> None:
    child = stray(**marks_of(recorded(runs_dir, RUN)))
    until(lambda: monitor.family(RUN), "it is found")
    look = monitor.family

    def slow(*arguments: Any) -> list[Row]:
        time.sleep(late)  # of the second that the sweep has
        return look(*arguments)

    monkeypatch.setattr(monitor, "family", slow)
    monitor.sweep(RUN, 1.0)
    assert child.wait() == -signal.SIGTERM


def test_leftovers_of_a_removed_run_are_found(
    monitor: ProcessMonitor, runs_dir: Path, stray: Stray
) -> None:
    stray(**marks_of(RunFolder(runs_dir / RUN)))
    assert until(Orphans(monitor, runs_dir, tuple).found, "it is found")


def test_only_runs_ended_by_this_server_have_orphans(
    monitor: ProcessMonitor, runs_dir: Path, tmp_path: Path, stray: Stray
) -> None:
    ended, elsewhere, lives, begun, newer, one, another, lost = (uuid.uuid4().hex for _ in range(8))
    here = stray(**marks_of(recorded(runs_dir, ended)))
    others = {
        "of another state folder": marks_of(recorded(tmp_path / "other" / "runs", elsewhere)),
        "of a run that lives": marks_of(recorded(runs_dir, lives)),
        "of a run that another worker has begun": marks_of(recorded(runs_dir, begun, end=None)),
        "of a run whose record is not readable": marks_of(recorded(runs_dir, newer, version=99)),
        "of one that says two things": marks_of(recorded(runs_dir, one), another),
        "of nobody who says where": {process_table.MARK: lost},
    }
    strangers = {what: stray(**marks) for what, marks in others.items()}
    orphans = Orphans(monitor, runs_dir, lambda: {lives})
    until(
        lambda: (
            {child.pid for child in (here, *strangers.values())}
            <= {row.pid for family in monitor.families(0.0).values() for row in family.rows}
        ),
        "all are there",
    )
    assert [left.run_id for left in orphans.found()] == [ended]
    orphans.end_all()
    assert here.wait() == -signal.SIGTERM
    assert [what for what, child in strangers.items() if child.poll() is not None] == []
