"""The files of one run: permissions, the record, and the last lines of stderr."""

from __future__ import annotations

import json
import os
import stat
from contextlib import closing
from pathlib import Path

import pytest

from opcode_htmx.runs.model.record import Outcome, RunEnd, RunRecord
from opcode_htmx.runs.model.run_folder import RunFolder
from tests.runs.model.run_folder.conftest import RUN_ID

RECORD = RunRecord(
    id=RUN_ID,
    session_id="11111111-1111-4111-8111-111111111111",
    project_path="/srv/ein Garten",
    argv=("claude", "-p", "--verbose"),
    created_at=1_700_000_000.5,
    history_start=17,
)
ENDED = RECORD.started(4711, 1_700_000_001.25).ended(
    RunEnd(Outcome.FAILED, 1_700_000_099.0, "Claude ended with exit status 3.", 3, 4242)
)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


# --- Access permissions ---------------------------------------------------------------------


def test_only_its_owner_can_look_into_the_folder(folder: RunFolder) -> None:
    folder.store(RECORD)
    assert mode(folder.path) == 0o700
    assert mode(folder.path.parent) == 0o700
    assert {path.name: mode(path) for path in folder.path.iterdir()} == dict.fromkeys(
        ["run.json", "in", "in.ndjson", "out.ndjson", "err.log"], 0o600
    )


def test_permissive_umask_keeps_the_folder_private(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        folder = RunFolder.create(tmp_path / "runs", RUN_ID)
        folder.store(RECORD)
    finally:
        os.umask(before)
    assert mode(folder.path) == 0o700
    assert {mode(path) for path in folder.path.iterdir()} == {0o600}


def test_the_input_is_a_fifo(folder: RunFolder) -> None:
    assert stat.S_ISFIFO(folder.input_pipe.stat().st_mode)


def test_no_folder_is_made_twice(folder: RunFolder) -> None:
    with pytest.raises(FileExistsError):
        RunFolder.create(folder.path.parent, RUN_ID)


# --- The record -----------------------------------------------------------------------------


@pytest.mark.parametrize("record", [RECORD, RECORD.started(4711, 1.5), ENDED])
def test_record_round_trips(folder: RunFolder, record: RunRecord) -> None:
    folder.store(record)
    assert folder.load() == record


@pytest.mark.parametrize("outcome", Outcome)
def test_every_outcome_can_be_stored(folder: RunFolder, outcome: Outcome) -> None:
    record = RECORD.ended(RunEnd(outcome, 1.0, "Why.", None, 0))
    folder.store(record)
    assert folder.load() == record


def test_a_crash_before_the_rename_leaves_the_old_record(folder: RunFolder) -> None:
    folder.store(RECORD)
    (folder.path / ".run.json-0123456789abcdef").write_text('{"version": 1, "id": "0123')
    assert folder.load() == RECORD
    folder.store(ENDED)
    assert folder.load() == ENDED


def test_a_record_of_another_version_is_refused(folder: RunFolder) -> None:
    folder.store(RECORD)
    data = {**json.loads(folder.record_path.read_bytes()), "version": 3}
    folder.record_path.write_text(json.dumps(data))
    with pytest.raises(ValueError, match="another version"):
        folder.load()


@pytest.mark.parametrize(
    "content", ["", "{", "null", "5", "[]", "{}", '{"version": 1}', '{"version": 1, "end": null}']
)
def test_invalid_record_raises_a_documented_error(folder: RunFolder, content: str) -> None:
    folder.record_path.write_text(content)
    with pytest.raises((ValueError, KeyError, TypeError)):
        folder.load()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("config_dir", None), ("session_id", 5), ("argv", "claude"), ("created_at", "now")),
        *(("session_id", "a\0"), ("session_id", "\ud800"), ("id", "../" * 8)),
        *(("project_path", "/a\0"), ("project_path", "/\ud800"), ("config_dir", "\0")),
        *(("created_at", 2**53), ("process_started_at", 2**53)),
    ],
)
def test_record_with_a_field_that_no_run_has_is_refused(
    folder: RunFolder, field: str, value: object
) -> None:
    folder.store(RECORD)
    data = {**json.loads(folder.record_path.read_bytes()), field: value}
    folder.record_path.write_text(json.dumps(data))
    with pytest.raises((ValueError, TypeError)):
        folder.load()


@pytest.mark.parametrize(
    ("field", "value"),
    [("at", "x"), ("at", 2**53), ("at", None), ("cause", 5), ("exit_status", "z"), ("stderr", [1])],
)
def test_record_with_an_end_that_no_run_has_is_refused(
    folder: RunFolder, field: str, value: object
) -> None:
    folder.store(ENDED)
    data = json.loads(folder.record_path.read_bytes())
    data["end"][field] = value
    folder.record_path.write_text(json.dumps(data))
    with pytest.raises((ValueError, TypeError)):
        folder.load()


def test_end_by_a_signal_is_read(folder: RunFolder) -> None:
    folder.store(RECORD.ended(RunEnd(Outcome.FAILED, 7.0, "", -9, 0)))
    assert folder.load().end == RunEnd(Outcome.FAILED, 7.0, "", -9, 0)


# --- Claude's stderr ------------------------------------------------------------------------


def test_the_last_lines_of_stderr_are_given(folder: RunFolder) -> None:
    folder.errors.write_text("".join(f"line {number}\n" for number in range(50)) + "\n")
    assert folder.error_lines(3) == ["line 47", "line 48", "line 49"]


def test_a_silent_process_has_no_error_lines(folder: RunFolder) -> None:
    assert folder.error_lines(20) == []


def test_stderr_of_any_size_and_content_can_be_read(folder: RunFolder) -> None:
    with closing(folder.errors.open("wb")) as file:
        file.write(b"x" * 1_000_000 + b"\n\xff\xfe\nlast")
    assert folder.error_lines(2) == ["\ufffd\ufffd", "last"]
