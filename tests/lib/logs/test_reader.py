"""Lines are found from the newest backwards, over several files, and page by page."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from opcode_htmx.lib.logs import reader
from opcode_htmx.lib.logs.formats import iso_time
from opcode_htmx.lib.logs.log_files import CURRENT, LogFiles
from opcode_htmx.lib.logs.reader import LogQuery

START = 1_790_000_000.0


def line(number: int, **more: Any) -> bytes:
    entry = {
        "time": iso_time(START + number),
        "level": "info",
        "logger": "opcode_htmx.x",
        "message": f"line {number}",
        "pid": 1,
    }
    return json.dumps({**entry, **more}, separators=(",", ":")).encode()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "logs"


def write(folder: Path, *lines: bytes) -> None:
    files = LogFiles(folder, 0, 0)
    for each in lines:
        files.append(each)
    files.close()


def rotate(folder: Path, number: int) -> None:
    (folder / CURRENT).rename(folder / f"20260101T00000{number}.000000Z.ndjson")


def messages(folder: Path, query: LogQuery = LogQuery(), limit: int = 100) -> list[str]:  # noqa: B008
    return [each.message for each in reader.read(folder, query, limit).entries]


def test_there_is_nothing_without_a_folder(folder: Path) -> None:
    assert reader.read(folder, LogQuery(), 10) == reader.LogPage([], "")


@pytest.mark.parametrize("block", [1, 7, 100, 262144])
def test_pages_together_are_all_lines_of_all_files_once(
    folder: Path, monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    monkeypatch.setattr(reader, "BLOCK", block)
    write(folder, *(line(number) for number in range(5)))
    rotate(folder, 1)
    write(folder, *(line(number) for number in range(5, 12)))
    found: list[str] = []
    cursor = ""
    while True:
        page = reader.read(folder, LogQuery(cursor=cursor), 3)
        found += [each.message for each in page.entries]
        cursor = page.older
        if not cursor:
            break
    assert found == [f"line {number}" for number in range(11, -1, -1)]


def test_a_page_goes_on_at_its_place_when_the_file_was_rotated_meanwhile(folder: Path) -> None:
    write(folder, *(line(number) for number in range(6)))
    cursor = reader.read(folder, LogQuery(), 2).older
    rotate(folder, 1)
    write(folder, line(6))
    assert messages(folder, LogQuery(cursor=cursor)) == ["line 3", "line 2", "line 1", "line 0"]


@pytest.mark.parametrize("cursor", ["1-1", "x", "9" * 30 + "-1", "-", "../../etc-1"])
def test_a_place_that_is_gone_or_made_up_is_said_so(folder: Path, cursor: str) -> None:
    write(folder, line(1))
    assert reader.read(folder, LogQuery(cursor=cursor), 2).is_gone


def test_filters_hold_together(folder: Path) -> None:
    write(
        folder,
        line(0, level="debug"),
        line(1, level="warning", run="a" * 32, message="The DISK is full"),
        line(2, level="error", request="0123456789ab", error="Traceback\nOSError: disk"),
        line(3, message='quoted "level":"error" disk'),
    )
    assert messages(folder, LogQuery(level="info")) == [
        'quoted "level":"error" disk',
        "line 2",
        "The DISK is full",
    ]
    assert messages(folder, LogQuery(level="warning")) == ["line 2", "The DISK is full"]
    assert messages(folder, LogQuery(level="error")) == ["line 2"]
    assert messages(folder, LogQuery(text="disk", level="warning")) == [
        "line 2",
        "The DISK is full",
    ]
    assert messages(folder, LogQuery(request="0123456789ab")) == ["line 2"]
    assert messages(folder, LogQuery(run="a" * 32)) == ["The DISK is full"]
    assert messages(folder, LogQuery(since=START + 1, until=START + 2)) == [
        "line 2",
        "The DISK is full",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("STRASSE", "in der Straße"),
        ("k", "300 \u212a"),
        ('say "hi"', 'they say "Hi"'),
        ("a\\b", "C:\\A\\B"),
        ("grüße", "Grüße"),
        ("a\nb", "a\nb"),
        ("time", "a TIME"),
    ],
)
def test_a_text_is_found_in_any_case_whatever_its_letters_are_in_the_file(
    folder: Path, text: str, message: str
) -> None:
    write(folder, line(1, message="another"), line(2, message=message))
    assert messages(folder, LogQuery(text=text)) == [message]


def test_a_run_is_found_by_what_names_it_in_any_field(folder: Path) -> None:
    write(folder, line(1, message=f"could not follow run {'b' * 32}"), line(2))
    assert messages(folder, LogQuery(run="b" * 32)) == [f"could not follow run {'b' * 32}"]


def test_damaged_lines_are_left_out(folder: Path) -> None:
    write(folder, line(1), b"{", b"[]", b'{"time":"no"}', b"\xff\x00", b"[" * 5000, line(2))
    with (folder / CURRENT).open("ab") as file:
        file.write(line(3))  # whose end is still to be written
    assert messages(folder) == ["line 2", "line 1"]


def test_a_search_that_reads_much_stops_and_goes_on(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "MOST_READ", 1000)
    write(folder, line(0, message="needle"), *(line(number) for number in range(1, 50)))
    query, steps = LogQuery(text="needle"), 0
    page = reader.read(folder, query, 5)
    while not page.entries:
        steps += 1
        page = reader.read(folder, LogQuery(text="needle", cursor=page.older), 5)
    assert steps > 3
    assert page.entries[0].message == "needle"


def test_reading_stops_at_lines_before_the_first_time(folder: Path) -> None:
    write(folder, line(0), line(1000))
    query = LogQuery(since=START + 999)
    assert messages(folder, query) == ["line 1000"]
    os.truncate(folder / CURRENT, 0)
    assert messages(folder, query) == []
