"""The output of an agent's run for programs: the last lines of all its processes."""

from __future__ import annotations

from pathlib import Path

import pytest

from opcode_htmx.features.agents.running.output import last_lines

FIRST, SECOND = b'{"n":1}\n{"n":2}\n', b'{"n":3}\n{"n":4}\n'


@pytest.mark.parametrize(
    ("most", "lines"),
    [
        (100, FIRST + SECOND),
        (32, FIRST + SECOND),
        (31, FIRST[8:] + SECOND),
        (24, FIRST[8:] + SECOND),
        (16, SECOND),
        (15, SECOND[8:]),
        (7, b""),
    ],
)
def test_last_output_begins_with_a_whole_line(tmp_path: Path, most: int, lines: bytes) -> None:
    files = [tmp_path / "first", tmp_path / "second", tmp_path / "missing"]
    files[0].write_bytes(FIRST)
    files[1].write_bytes(SECOND)
    assert last_lines(files, most) == lines


def test_last_output_is_without_a_line_that_is_not_written_wholly(tmp_path: Path) -> None:
    file = tmp_path / "output"
    file.write_bytes(FIRST + b'{"n":')
    assert last_lines([file], 100) == FIRST
