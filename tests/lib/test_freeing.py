"""Large values are freed piece by piece, and what is still in use stays whole."""

from __future__ import annotations

import weakref
from typing import Any

import gevent
import pytest

from opcode_htmx.lib.concurrency.cooperative import run_in_thread
from opcode_htmx.lib.concurrency.freeing import PIECE, LargeObject, freed


class Part(dict[str, Any]):
    """One that can be watched."""


def test_all_parts_of_a_large_object_are_freed() -> None:
    part = Part(x=1)
    gone = weakref.ref(part)
    large = LargeObject(type="odd", rows=[{}] * PIECE + [{"deep": [[part] * 3, {"a": part}]}])
    del part, large
    gevent.sleep(0.01)
    assert gone() is None


def test_what_somebody_still_uses_stays_whole() -> None:
    rows = [[{"number": number}] for number in range(3 * PIECE)]
    one = {"deep": rows[5]}
    expected = [[{"number": number}] for number in range(3 * PIECE)]
    large = LargeObject(rows=rows, again=[rows], more=[one])
    copy = {**large}
    del large
    gevent.sleep(0.01)
    assert rows == expected
    assert copy["again"] == [expected]
    assert one == {"deep": [{"number": 5}]}


@pytest.mark.parametrize(
    "large",
    [
        lambda: [{} for _ in range(50 * PIECE)],
        lambda: [{"a": number} for number in range(5 * PIECE)],
        lambda: {str(number): [number] for number in range(5 * PIECE)},
    ],
)
def test_no_step_frees_more_than_a_piece(large: Any) -> None:
    parts = [large()]
    steps = 0
    for _ in freed(parts):
        steps += 1
        assert all(len(each) < 50 * PIECE for each in parts)
    assert not parts
    assert steps >= 5


def test_a_large_object_is_freed_in_a_thread_without_a_hub_too() -> None:
    part = Part(x=1)
    gone = weakref.ref(part)

    def work() -> None:
        nonlocal part
        large = LargeObject(rows=[part])
        del part, large

    run_in_thread(work)
    assert gone() is None


def test_a_large_object_is_a_dict_like_any_other() -> None:
    large = LargeObject({"type": "odd", "x": [{}]})
    assert large == {"type": "odd", "x": [{}]}
    match large:
        case {"type": str(type_)}:
            assert type_ == "odd"
        case _:
            pytest.fail("it does not match")
