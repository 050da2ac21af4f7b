"""The input lines of one run: whole, one after the other, noted and delivered."""

from __future__ import annotations

import os
import resource
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import gevent
import pytest
from gevent import subprocess

from opcode_htmx.runs.model import run_folder as folder_module
from opcode_htmx.runs.model.run_folder import InputClosed, InputFull, RunFolder
from tests.support.cli.supervision import until
from tests.support.environment import ROOT

PIPE_BUFFER = 64 * 1024

COPY_LINES = "import sys; open(sys.argv[1], 'wb', 0).writelines(sys.stdin.buffer)"
SEND_LINES = """
import sys
from pathlib import Path
from opcode_htmx.runs.model.run_folder import RunFolder
for number in range(int(sys.argv[3])):
    RunFolder(Path(sys.argv[1])).send(f"{sys.argv[2]}-{number} {'x' * 100_000}\\n".encode())
"""


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
