"""Small files are parsed once per content, also where other workers write them."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from opcode_htmx.lib.files.cached_json import CachedJsonFiles
from opcode_htmx.lib.files.json_files import JsonFileSchema


class Files:
    """A cache over files with a number, which counts how often one was parsed."""

    def __init__(self, most: int = 2) -> None:
        self.parsed = 0
        self.cache = CachedJsonFiles(JsonFileSchema(1, self._parse), most)

    def _parse(self, found: dict[str, Any]) -> int:
        self.parsed += 1
        return int(found["number"])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.json"


def test_a_file_is_parsed_again_only_when_it_has_changed(path: Path) -> None:
    files, other = Files(), Files()
    assert files.cache.read(path) is None
    for number in (7, 8):
        other.cache.write(path, {"number": number})
        before = files.parsed
        assert [files.cache.read(path) for _ in range(3)] == [number] * 3
        assert files.parsed == before + 1
    path.unlink()
    assert files.cache.read(path) is None


def test_what_was_written_with_its_value_is_not_parsed(path: Path) -> None:
    files, other = Files(), Files()
    for number in range(3):
        files.cache.write(path, {"number": number}, value=number)
        assert files.cache.read(path) == number
    assert files.parsed == 0
    other.cache.write(path, {"number": 9})
    assert files.cache.read(path) == 9


def test_a_damaged_file_is_kept_before_another_is_written(path: Path) -> None:
    files = Files()
    files.cache.write(path, {"number": 1}, value=1)
    path.write_text("{")
    files.cache.write(path, {"number": 2}, value=2)
    assert json.loads(path.read_text())["number"] == 2
    (kept,) = path.parent.glob("a.json.unreadable-*")
    assert kept.read_text() == "{"


def test_the_files_that_were_used_last_stay_in_memory(tmp_path: Path) -> None:
    files, paths = Files(most=2), [tmp_path / f"{number}.json" for number in range(3)]
    for number, path in enumerate(paths):
        files.cache.write(path, {"number": number}, value=number)
    assert [files.cache.read(path) for path in reversed(paths)] == [2, 1, 0]
    assert files.parsed == 1


def test_files_of_one_tick_of_the_clock_have_times_of_their_own(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The inode of a file may be that of the one before the one that it replaces."""
    tick, write = 1_795_277_175_000_000_000, JsonFileSchema.write

    def write_within_the_tick(
        self: JsonFileSchema[int], target: Path, *args: Any, **kw: Any
    ) -> None:
        write(self, target, *args, **kw)
        os.utime(target, ns=(tick, tick))

    monkeypatch.setattr(JsonFileSchema, "write", write_within_the_tick)
    files, other, times = Files(), Files(), []
    for number in range(4):
        (files if number % 2 else other).cache.write(path, {"number": number}, value=number)
        assert [each.cache.read(path) for each in (files, other)] == [number] * 2
        times.append(path.stat().st_mtime_ns)
    assert times == sorted(set(times))
    assert times[0] == tick
