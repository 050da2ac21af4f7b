"""How far a clone is, read from git's stderr however it is cut into pieces."""

from __future__ import annotations

import pytest

from opcode_htmx.lib.git.clones.progress import Progress, ProgressReader

OUTPUT = (
    b"Cloning into bare repository 'x'...\n"
    b"remote: Enumerating objects: 5, done.        \n"
    b"remote: Compressing objects:  50% (1/2)        \r"
    b"Receiving objects:  42% (420/1000), 1.20 MiB | 2.00 MiB/s\r"
    b"remote: <b>Receiving objects: 99% (1/1)</b>\n"
    b"Receiving objects: 100% (1000/1000), 3.00 MiB | 2.00 MiB/s, done.\n"
    b"Resolving deltas:  10% (1/10)\r"
)


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_progress_is_the_newest_step_and_holds_no_text_of_the_remote(size: int) -> None:
    reader, seen = ProgressReader(), []
    for start in range(0, len(OUTPUT), size):
        reader.feed(OUTPUT[start : start + size])
        if reader.newest not in seen:
            seen.append(reader.newest)
    assert seen[-1] == Progress("Putting together", 10, "3.00 MiB")
    if size == 1:
        assert seen[1:3] == [
            Progress("Preparing at the other end", 50),
            Progress("Receiving", 42, "1.20 MiB"),
        ]


def test_a_line_without_an_end_takes_no_memory() -> None:
    reader = ProgressReader()
    for _ in range(1000):
        reader.feed(b"x" * 1000)
    assert len(reader._rest) < 1000
