"""How far the index is behind the newest history files."""

from __future__ import annotations

import os
import time

import pytest

from opcode_htmx.sessions.index.lag import (
    AVAILABLE,
    LAG_BYTES,
    LAG_SECONDS,
    NEWEST,
    IndexLag,
)
from opcode_htmx.sessions.index.reader import IndexReader
from tests.sessions.index.histories import ONE, TWO, Searchable


@pytest.fixture
def lag(index: Searchable) -> IndexLag:
    return IndexLag(IndexReader(index.database, index.config_dir / "projects"), index.config_dir)


def measured(lag: IndexLag) -> tuple[float, float, float]:
    """Whether there is an index, the bytes and the seconds that it is behind."""
    found = {reading.gauge: reading.value for reading in lag.measure()}
    return found[AVAILABLE], found[LAG_BYTES], found[LAG_SECONDS]


def test_an_index_of_all_files_is_not_behind(index: Searchable, lag: IndexLag) -> None:
    index.session().prompt("words")
    index.update()
    assert measured(lag) == (1, 0, 0)


def test_new_lines_count_until_they_are_indexed(index: Searchable, lag: IndexLag) -> None:
    session = index.session()
    session.prompt("first words")
    index.update()
    before = session.path.stat().st_size
    session.answer("words that are not in the index yet")
    os.utime(session.path, (time.time() - 60, time.time() - 60))
    available, size, seconds = measured(lag)
    assert (available, size) == (1, session.path.stat().st_size - before)
    assert 59 < seconds < 90
    index.update()
    assert measured(lag) == (1, 0, 0)


def test_a_new_file_counts_with_all_of_its_bytes(index: Searchable, lag: IndexLag) -> None:
    index.session(ONE).prompt("words")
    index.update()
    other = index.session(TWO)
    other.prompt("other words")
    assert measured(lag)[1] == other.path.stat().st_size


def test_only_the_newest_files_are_looked_at(index: Searchable, lag: IndexLag) -> None:
    old = index.session(ONE)
    old.prompt("words")
    os.utime(old.path, (1, 1))
    for number in range(NEWEST):
        index.session(f"5e551000-0000-4000-8000-{number:012}").prompt("words")
    index.update()
    old.prompt("more words")
    os.utime(old.path, (2, 2))
    assert measured(lag) == (1, 0, 0)


def test_without_an_index_there_is_no_lag(index: Searchable, lag: IndexLag) -> None:
    index.session().prompt("words")
    index.update()
    index.database.unlink()
    assert {reading.gauge: reading.value for reading in lag.measure()} == {AVAILABLE: 0}
