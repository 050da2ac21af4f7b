"""What a server says at its end about runs and terminals that go on, beside odd records."""

from __future__ import annotations

import json
import os
from pathlib import Path

import psutil
import pytest

from opcode_htmx.app.operation import left_runs
from opcode_htmx.lib.pty.messages import CONTROL
from opcode_htmx.runs.model.record import RunRecord
from opcode_htmx.runs.model.run_folder import RunFolder

ODD: dict[str, tuple[object, ...]] = {
    "end": ("x", 1, True, []),
    "pid": ("1", -1, [1], 1.5),
    "process_started_at": ("x", [1]),
}
CASES = [(name, value) for name, values in ODD.items() for value in values]


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    """That of a run whose process is this one."""
    made = RunFolder(tmp_path / "runs" / ("a" * 32))
    made.path.mkdir(parents=True)
    record = RunRecord(made.path.name, "2f0e5f62-3a52-4b7a-8f4e-0c6f0a1c9a11", "/", (), 0.0, 0)
    made.store(record.started(os.getpid(), psutil.Process().create_time()))
    return made


def lines(folder: RunFolder) -> list[str]:
    return list(left_runs.lines({"OPCODE_STATE_DIR": str(folder.path.parent.parent)}))


def test_a_run_whose_process_is_alive_goes_on(folder: RunFolder) -> None:
    assert lines(folder)[0] == "One run of Claude goes on; the next start takes it over."


@pytest.mark.parametrize(("name", "value"), CASES)
def test_a_record_that_cannot_be_read_is_no_run(
    folder: RunFolder, name: str, value: object
) -> None:
    record = json.loads(folder.record_path.read_bytes())
    folder.record_path.write_text(json.dumps({**record, name: value}), encoding="utf-8")
    assert lines(folder) == []


def test_a_pipe_in_place_of_a_record_keeps_nobody_waiting(folder: RunFolder) -> None:
    folder.record_path.unlink()
    os.mkfifo(folder.record_path)
    assert lines(folder) == []


def test_a_terminal_goes_on_as_long_as_its_host_reads_its_orders(tmp_path: Path) -> None:
    readers = []
    for name in ("open", "also open", "ended"):
        terminal = tmp_path / "terminals" / name
        terminal.mkdir(parents=True)
        (terminal / "terminal.json").write_text("{}", encoding="utf-8")
        os.mkfifo(terminal / CONTROL)
        if name != "ended":
            readers.append(os.open(terminal / CONTROL, os.O_RDONLY | os.O_NONBLOCK))
    environ = {"OPCODE_STATE_DIR": str(tmp_path)}
    several = "2 terminals go on; after the next start, the page Terminal ends them."
    assert list(left_runs.lines(environ)) == [several]
    os.close(readers.pop())
    one = "One terminal goes on; after the next start, the page Terminal ends it."
    assert list(left_runs.lines(environ)) == [one]
    os.close(readers.pop())
    assert list(left_runs.lines(environ)) == []
