"""The files of one run: permissions, the record, and the input lines."""

from __future__ import annotations

import json
import os
import resource
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import gevent
import pytest
from gevent import subprocess

from opcode_htmx.runs.model import run_folder as folder_module
from opcode_htmx.runs.model.record import Outcome, RunEnd, RunRecord
from opcode_htmx.runs.model.run_folder import InputClosed, InputFull, RunFolder
from tests.support.cli.supervision import until
from tests.support.environment import ROOT

RUN_ID = "0123456789abcdef" * 2
PIPE_BUFFER = 64 * 1024

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

COPY_LINES = "import sys; open(sys.argv[1], 'wb', 0).writelines(sys.stdin.buffer)"
SEND_LINES = """
import sys
from pathlib import Path
from opcode_htmx.runs.model.run_folder import RunFolder
for number in range(int(sys.argv[3])):
    RunFolder(Path(sys.argv[1])).send(f"{sys.argv[2]}-{number} {'x' * 100_000}\\n".encode())
"""


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder.create(tmp_path / "state" / "runs", RUN_ID)


@contextmanager
def reading(folder: RunFolder, *argv: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process that holds the input open as Claude does, for as long as the block lasts."""
    stdin = os.open(folder.input_pipe, os.O_RDWR)
    process = subprocess.Popen(argv, stdin=stdin)
    os.close(stdin)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def copied(folder: RunFolder, tmp_path: Path) -> Iterator[Path]:
    """A file that receives the bytes read from the input."""
    copy = tmp_path / "copy"
    copy.touch()
    with reading(folder, sys.executable, "-c", COPY_LINES, str(copy)):
        yield copy


def logged(folder: RunFolder) -> bytes:
    return folder.input_log.read_bytes()


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


# Access permissions --------------------------------------------------------------------------


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


# The record ----------------------------------------------------------------------------------


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


# Input ---------------------------------------------------------------------------------------


def test_a_line_is_noted_and_delivered(folder: RunFolder, copied: Path) -> None:
    folder.send(b'{"one": 1}\n')
    folder.send(b'{"two": 2}\n')
    until(lambda: copied.read_bytes() == b'{"one": 1}\n{"two": 2}\n', "both lines arrive")
    assert logged(folder) == copied.read_bytes()


def test_a_line_larger_than_the_pipe_is_delivered_whole(folder: RunFolder, copied: Path) -> None:
    line = b"x" * (20 * PIPE_BUFFER) + b"\n"
    folder.send(line)
    until(lambda: copied.read_bytes() == line, "the line arrives")


def test_many_senders_never_mix_their_lines(folder: RunFolder, copied: Path) -> None:
    lines = [f"{number} {'x' * number * 3000}\n".encode() for number in range(60)]
    gevent.joinall([gevent.spawn(folder.send, line) for line in lines], raise_error=True)
    until(lambda: copied.stat().st_size == sum(map(len, lines)), "every line arrives")
    arrived = copied.read_bytes()
    assert sorted(arrived.splitlines(keepends=True)) == sorted(lines)
    assert logged(folder) == arrived


def test_two_servers_never_mix_their_lines(folder: RunFolder, copied: Path) -> None:
    count = 25
    senders = [
        subprocess.Popen(
            [sys.executable, "-c", SEND_LINES, str(folder.path), name, str(count)], cwd=ROOT
        )
        for name in ("left", "right")
    ]
    assert [sender.wait() for sender in senders] == [0, 0]
    until(lambda: copied.read_bytes() == logged(folder), "every line arrives")
    words = [line.split()[0].decode() for line in copied.read_bytes().splitlines()]
    assert [word for word in words if word[0] == "l"] == [f"left-{n}" for n in range(count)]
    assert [word for word in words if word[0] == "r"] == [f"right-{n}" for n in range(count)]


def test_sends_wait_for_the_writing_lock(folder: RunFolder, copied: Path) -> None:
    with folder.writing() as writer:
        other = gevent.spawn(folder.send, b"second\n")
        gevent.sleep(0.1)
        assert logged(folder) == b""
        writer.send(b"first\n")
    other.get(timeout=20)
    assert logged(folder) == b"first\nsecond\n"


def test_a_process_that_has_ended_takes_no_input_and_nothing_is_noted(folder: RunFolder) -> None:
    with reading(folder, "true") as process:
        process.wait()
        with pytest.raises(InputClosed, match="Claude has ended"):
            folder.send(b"line\n")
    assert logged(folder) == b""


def test_a_process_that_ends_in_the_middle_of_a_line_takes_no_input(folder: RunFolder) -> None:
    with reading(folder, "sleep", "600") as process:
        sending = gevent.spawn(folder.send, b"x" * (20 * PIPE_BUFFER) + b"\n")
        until(lambda: logged(folder), "the line is under way")
        process.kill()
        with pytest.raises(InputClosed, match="Claude has ended"):
            sending.get(timeout=20)


def test_non_reading_process_is_reported_as_hanging(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder_module, "WRITE_SECONDS", 0.1)
    with reading(folder, "sleep", "600"), pytest.raises(InputClosed, match="seems to hang"):
        folder.send(b"x" * (20 * PIPE_BUFFER) + b"\n")


def test_pipe_with_a_partial_line_accepts_no_other(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder_module, "WRITE_SECONDS", 0.1)
    with reading(folder, "sleep", "600"):
        with pytest.raises(InputFull):
            folder.send(b"x" * (20 * PIPE_BUFFER) + b"\n")
        before = logged(folder)
        with pytest.raises(InputClosed, match="seems to hang"):
            folder.send(b"next\n")
        assert logged(folder) == before


def test_a_full_pipe_takes_lines_again_once_it_is_read(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder_module, "WRITE_SECONDS", 0.1)
    with reading(folder, "sleep", "600"):
        pipe = os.open(folder.input_pipe, os.O_RDWR | os.O_NONBLOCK)
        try:
            with suppress(BlockingIOError):
                while True:
                    os.write(pipe, b"x" * 4096)
            with pytest.raises(InputFull):
                folder.send(b"refused\n")
            with suppress(BlockingIOError):
                while True:
                    os.read(pipe, PIPE_BUFFER)
            folder.send(b"taken\n")
            assert os.read(pipe, PIPE_BUFFER) == b"taken\n"
        finally:
            os.close(pipe)


def test_a_note_goes_into_the_log_only(folder: RunFolder, copied: Path) -> None:
    folder.note(b"note\n")
    folder.send(b"line\n")
    until(lambda: copied.read_bytes() == b"line\n", "the line arrives")
    assert logged(folder) == b"note\nline\n"


def test_a_folder_that_was_removed_takes_no_input(folder: RunFolder) -> None:
    folder.input_log.unlink()
    with pytest.raises(InputClosed, match="has been removed"):
        folder.send(b"line\n")


def test_a_full_disk_leaves_no_half_line_and_sends_nothing(folder: RunFolder, copied: Path) -> None:
    folder.send(b"before\n")
    with file_size_limit(100), pytest.raises(OSError, match="disk is full"):
        folder.send(b"x" * 200 + b"\n")
    folder.send(b"after\n")
    until(lambda: copied.read_bytes() == b"before\nafter\n", "the other lines arrive")
    assert logged(folder) == b"before\nafter\n"


@contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    """The nearest thing to a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_sending_leaves_no_descriptor_open(
    folder: RunFolder, copied: Path, open_descriptors: Callable[[], int]
) -> None:
    folder.send(b"line\n")
    before = open_descriptors()
    for _ in range(20):
        folder.send(b"line\n")
    assert open_descriptors() == before


@pytest.fixture
def open_descriptors() -> Callable[[], int]:
    return lambda: len(os.listdir("/dev/fd"))  # noqa: PTH208 - Path.iterdir is no list


# Claude's stderr -----------------------------------------------------------------------------


def test_the_last_lines_of_stderr_are_given(folder: RunFolder) -> None:
    folder.errors.write_text("".join(f"line {number}\n" for number in range(50)) + "\n")
    assert folder.error_lines(3) == ["line 47", "line 48", "line 49"]


def test_a_silent_process_has_no_error_lines(folder: RunFolder) -> None:
    assert folder.error_lines(20) == []


def test_stderr_of_any_size_and_content_can_be_read(folder: RunFolder) -> None:
    with closing(folder.errors.open("wb")) as file:
        file.write(b"x" * 1_000_000 + b"\n\xff\xfe\nlast")
    assert folder.error_lines(2) == ["\ufffd\ufffd", "last"]
