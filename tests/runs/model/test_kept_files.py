"""Files that are kept open between two reads: those used last, and no more than a number."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from opcode_htmx.runs.model.line_reader import KeptFiles


@pytest.fixture
def paths(tmp_path: Path) -> list[str]:
    paths = [tmp_path / name for name in "abc"]
    for path in paths:
        path.write_text(path.name, "utf-8")
    return list(map(str, paths))


def content(file: int) -> bytes:
    return os.pread(file, 10, 0)


def is_open(file: int) -> bool:
    try:
        os.fstat(file)
    except OSError:
        return False
    return True


def test_file_is_opened_once(paths: list[str]) -> None:
    kept = KeptFiles(2)
    file = kept.descriptor(paths[0])
    assert content(file) == b"a"
    assert kept.descriptor(paths[0]) == file
    kept.close(paths[0])


def test_least_recently_used_file_is_closed_beyond_the_limit(paths: list[str]) -> None:
    kept = KeptFiles(2)
    first, second = kept.descriptor(paths[0]), kept.descriptor(paths[1])
    kept.descriptor(paths[0])
    third = os.dup(kept.descriptor(paths[2]))
    try:
        assert len(kept) == 2
        assert content(first) == b"a"
        assert not is_open(second) or content(second) == b"c"  # its number is used again
        assert content(kept.descriptor(paths[1])) == b"b"
    finally:
        os.close(third)
        for path in paths:
            kept.close(path)


def test_closed_file_is_opened_anew(paths: list[str]) -> None:
    kept = KeptFiles(2)
    file = kept.descriptor(paths[0])
    kept.close(paths[0])
    kept.close(paths[0])
    assert not is_open(file)
    Path(paths[0]).unlink()
    Path(paths[0]).write_text("new", "utf-8")
    assert content(kept.descriptor(paths[0])) == b"new"
    kept.close(paths[0])


def test_missing_file_takes_no_place(paths: list[str]) -> None:
    kept = KeptFiles(2)
    with pytest.raises(FileNotFoundError):
        kept.descriptor(f"{paths[0]}.gone")
    assert len(kept) == 0
