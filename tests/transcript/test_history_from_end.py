"""A long history that is read from its end shows the same blocks as the whole file."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.cli.long_history import EVENTS, USUAL, HistoryWriter
from tests.support.fuzzing import examples, patient
from tests.support.history_parts import compare, small_parts

pytestmark = patient


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with TemporaryDirectory() as name:
        yield Path(name)


def written(folder: Path, events: list[tuple[str, int]], torn: int = 0) -> Path:
    writer = HistoryWriter(folder / f"{random.randrange(10**12)}.jsonl")  # noqa: S311
    for name, number in events:
        writer.play(name, number)
    return writer.save(torn)


EVENT = st.tuples(st.sampled_from(USUAL * 5 + EVENTS), st.integers(0, 7))


@examples(80)
@given(st.lists(EVENT, min_size=15, max_size=60), st.sampled_from((0, 0, 1, 9)))
def test_end_and_earlier_parts_are_those_of_the_whole(
    folder: Path, events: list[tuple[str, int]], torn: int
) -> None:
    with small_parts():
        compare(written(folder, events, torn))
