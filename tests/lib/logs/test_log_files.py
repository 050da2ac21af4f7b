"""The files of the log: several processes append and rotate them, and no line is lost or cut."""

from __future__ import annotations

import json
import logging
import os
import resource
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from opcode_htmx.lib.logs.log_files import CURRENT, LogFiles, LogFilesHandler, parts

WRITER = """
import sys
from pathlib import Path
from opcode_htmx.lib.logs.log_files import LogFiles
files = LogFiles(Path(sys.argv[1]), 0, 0)
files._part = 20_000
for number in range(int(sys.argv[3])):
    files.append(b'%s %d %s' % (sys.argv[2].encode(), number, b'x' * (number % 300)))
"""
DAY = 86400


def lines_of(folder: Path) -> list[bytes]:
    return [line for path in reversed(parts(folder)) for line in path.read_bytes().splitlines()]


def test_lines_of_several_processes_neither_mix_nor_get_lost_when_files_are_rotated(
    tmp_path: Path,
) -> None:
    folder, count, names = tmp_path / "logs", 1500, ("a", "b", "c")
    command = [sys.executable, "-c", WRITER, str(folder)]
    writers = [subprocess.Popen([*command, name, str(count)]) for name in names]
    assert [each.wait(60) for each in writers] == [0, 0, 0]
    assert len(parts(folder)) > 10
    found: dict[bytes, list[int]] = {}
    for line in lines_of(folder):
        name, number, rest = line.split(b" ")
        assert rest == b"x" * (int(number) % 300)
        found.setdefault(name, []).append(int(number))
    expected = list(range(count))
    assert {name: sorted(numbers) for name, numbers in found.items()} == {
        name.encode(): expected for name in names
    }


def test_the_files_take_no_more_than_their_space_and_the_oldest_go(tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    files = LogFiles(folder, 1_500_000, 0)
    for number in range(3000):
        files.append(f"{number} {'x' * 1000}".encode())
    assert sum(path.stat().st_size for path in parts(folder)) < 1_800_000
    numbers = [int(line.split()[0]) for line in lines_of(folder)]
    assert numbers == list(range(numbers[0], 3000))


def test_what_was_written_on_an_earlier_day_is_closed_and_removed_when_it_is_old(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "logs"
    files = LogFiles(folder, 0, 14 * DAY)
    files.append(b"yesterday")
    yesterday = time.time() - DAY
    os.utime(folder / CURRENT, (yesterday, yesterday))
    files.append(b"today")
    assert (folder / CURRENT).read_bytes() == b"today\n"
    (rotated,) = parts(folder)[1:]
    assert rotated.read_bytes() == b"yesterday\n"
    long_ago = time.time() - 15 * DAY
    os.utime(rotated, (long_ago, long_ago))
    os.utime(folder / CURRENT, (long_ago, long_ago))
    files.collect()
    assert parts(folder) == [folder / CURRENT]


def test_a_file_that_another_process_has_rotated_is_left(tmp_path: Path) -> None:
    one, two = LogFiles(tmp_path / "logs", 0, 0), LogFiles(tmp_path / "logs", 0, 0)
    one.append(b"1")
    two.append(b"2")
    (tmp_path / "logs" / CURRENT).rename(tmp_path / "logs" / "20260101T000000.000000Z.ndjson")
    one.append(b"3")
    two.append(b"4")
    assert (tmp_path / "logs" / CURRENT).read_bytes() == b"3\n4\n"
    assert lines_of(tmp_path / "logs") == [b"1", b"2", b"3", b"4"]


def test_files_and_folder_are_private_and_a_link_is_not_followed(tmp_path: Path) -> None:
    folder, elsewhere = tmp_path / "logs", tmp_path / "elsewhere"
    LogFiles(folder, 0, 0).append(b"line")
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / CURRENT).stat().st_mode) == 0o600
    (folder / CURRENT).unlink()
    (folder / CURRENT).symlink_to(elsewhere)
    with pytest.raises(OSError, match=r".*"):
        LogFiles(folder, 0, 0).append(b"line")
    assert not elsewhere.exists()


def test_a_line_that_a_full_disk_has_cut_does_not_spoil_the_next_one(tmp_path: Path) -> None:
    script = f"""
import resource, signal
from pathlib import Path
from opcode_htmx.lib.logs.log_files import LogFiles
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
files = LogFiles(Path({str(tmp_path / "logs")!r}), 0, 0)
files.append(b"whole")
resource.setrlimit(resource.RLIMIT_FSIZE, (10, resource.RLIM_INFINITY))
files.append(b"cut" * 10)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
files.append(b"whole again")
"""
    assert resource.RLIMIT_FSIZE
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
    assert lines_of(tmp_path / "logs") == [b"whole", b"cutc", b"whole again"]


def test_a_folder_that_cannot_be_written_stops_nobody(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "logs").write_text("no folder")
    handler = LogFilesHandler(LogFiles(tmp_path / "logs", 0, 0))
    handler.handle(logging.LogRecord("x", logging.ERROR, "", 0, "lost", None, None))
    assert capsys.readouterr().err == ""


def test_a_record_is_one_line_of_json(tmp_path: Path) -> None:
    handler = LogFilesHandler(LogFiles(tmp_path / "logs", 0, 0))
    odd = 'a\nb\u2028c"\x00\ud800'
    handler.handle(logging.LogRecord("x", logging.WARNING, "", 0, "%s", (odd,), None))
    handler.close()
    (line,) = (tmp_path / "logs" / CURRENT).read_bytes().splitlines()
    found = json.loads(line)
    assert (found["message"], found["level"], found["pid"]) == (odd, "warning", os.getpid())


def test_names_of_rotated_files_are_not_taken_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Clocks stand still and go back."""
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now)
    files = LogFiles(tmp_path / "logs", 0, 0)
    files._part = 1
    for number in range(5):
        files.append(b"%d" % number)
    assert lines_of(tmp_path / "logs") == [b"0", b"1", b"2", b"3", b"4"]
