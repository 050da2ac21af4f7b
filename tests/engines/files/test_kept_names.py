"""The name of a session in lists holds, however much Claude writes after it."""

from __future__ import annotations

from pathlib import Path

import pytest

from opcode_htmx.engines.claude.files import session_summary, titles
from opcode_htmx.engines.claude.files.lists.newest_version import MOST_KEPT
from opcode_htmx.engines.claude.files.session_summary import NAMES_TAIL, summarize
from tests.support.clients import api

SESSION = "5e551000-0000-4000-8000-000000000001"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "projects" / "-work" / f"{SESSION}.jsonl"
    path.parent.mkdir(parents=True)
    path.write_text(api.prompt("How is the orchard?", tmp_path))
    return path


def grow(file: Path, size: int) -> None:
    with file.open("a") as history:
        history.write(api.line({"type": "attachment", "text": "x" * size}))


def name_of(file: Path) -> str | None:
    status = file.stat()
    return summarize(file, status.st_size, status.st_mtime_ns).name


def test_a_name_is_found_before_large_lines(file: Path) -> None:
    titles.set_title(file, SESSION, "Renamed")
    grow(file, NAMES_TAIL // 2)
    assert name_of(file) == "Renamed"


def test_a_name_that_was_read_holds_however_long_the_file_becomes(file: Path) -> None:
    titles.set_title(file, SESSION, "Renamed")
    assert name_of(file) == "Renamed"
    for _ in range(3):
        grow(file, 2 * NAMES_TAIL)
    assert name_of(file) == "Renamed"
    titles.set_title(file, SESSION, "Again")
    grow(file, 2 * NAMES_TAIL)
    assert name_of(file) == "Again"


def test_a_name_that_is_taken_away_is_gone(file: Path) -> None:
    titles.set_title(file, SESSION, "Renamed")
    assert name_of(file) == "Renamed"
    titles.set_title(file, SESSION, "")
    grow(file, 2 * NAMES_TAIL)
    assert name_of(file) is None


def test_half_a_line_that_was_read_counts_when_it_is_whole(file: Path) -> None:
    line = titles.line(SESSION, "Renamed")
    with file.open("ab") as history:
        history.write(line[:40])
        history.flush()
        assert name_of(file) is None
        history.write(line[40:])
    grow(file, 2 * NAMES_TAIL)
    assert name_of(file) == "Renamed"


def test_another_file_in_its_place_has_its_own_name(file: Path, tmp_path: Path) -> None:
    titles.set_title(file, SESSION, "Renamed")
    assert name_of(file) == "Renamed"
    other = tmp_path / "other"
    other.write_text(api.prompt("Something else", tmp_path))
    grow(other, 2 * NAMES_TAIL)
    other.replace(file)
    assert name_of(file) is None
    assert len(session_summary._names_known) <= MOST_KEPT
