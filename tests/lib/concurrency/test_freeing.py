"""Large values are freed piece by piece, and what is still in use stays whole."""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable
from typing import Any

import gevent
import pytest

from opcode_htmx.lib.concurrency.cooperative import run_in_thread
from opcode_htmx.lib.concurrency.freeing import LIGHT, PIECE, LargeObject, freed
from tests.support.cli.supervision import until

BLOCKS = 4
"""Of memory, at most, of a list or dict with one value: itself, its table, a name and a number."""


class Part(dict[str, Any]):
    """One that can be watched."""


def test_all_parts_of_a_large_object_are_freed() -> None:
    part = Part(x=1)
    gone = weakref.ref(part)
    large = LargeObject(type="odd", rows=[{}] * PIECE + [{"deep": [[part] * 3, {"a": part}]}])
    del part, large
    until(lambda: gone() is None, "it is freed")


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


@pytest.mark.parametrize(
    "large",
    [
        lambda: {"message": {"content": [[] for _ in range(50 * PIECE)]}},
        lambda: [{"message": [{"content": {str(n): [n] for n in range(50 * PIECE)}}]}, [1]],
        lambda: [[[0] for _ in range(PIECE // 2)] for _ in range(100)],
        lambda: [[{"a": [n]}, [{"text": "x"}]] for n in range(10 * PIECE)],
    ],
)
def test_no_step_frees_more_than_a_few_pieces_of_what_is_nested(large: Any) -> None:
    parts = [large()]
    assert _most_freed_in_a_step(parts) <= LIGHT + 2 * PIECE
    assert not parts


@pytest.mark.parametrize(
    "around",
    [lambda inner: [inner], lambda inner: {"a": inner}, lambda inner: [[], inner, {"b": [1]}]],
)
def test_a_deep_chain_is_freed_in_small_steps_and_few_of_them(around: Callable[[Any], Any]) -> None:
    chain: Any = []
    for _ in range(30 * PIECE):
        chain = around(chain)
    parts = [chain]
    del chain
    assert sum(1 for _ in freed(parts)) < 200, "each looks at thousands of its levels"
    assert not parts


def test_small_containers_are_freed_many_at_once() -> None:
    assert sum(1 for _ in freed([{"content": [[0] for _ in range(50 * PIECE)]}])) < 150


@pytest.mark.parametrize("fewer", [-1, 0, 1, 2])
def test_what_is_in_use_stays_whole_however_the_interpreter_counts(
    monkeypatch: pytest.MonkeyPatch, fewer: int
) -> None:
    """Python 3.14 counts no reference for a variable that a call only borrows."""
    count = sys.getrefcount

    def counted(each: object) -> int:
        return count(each) - 1 - fewer

    monkeypatch.setattr(sys, "getrefcount", counted)

    def rows() -> list[list[int]]:
        return [[number] for number in range(LIGHT + PIECE)]

    def named() -> dict[str, list[int]]:
        return {str(number): [number] for number in range(LIGHT + PIECE)}

    in_use = rows(), named(), rows(), named(), [1]
    parts: list[Any] = [{"a": [*in_use[2:]]}, [[] for _ in range(LIGHT + 5 * PIECE)], *in_use[:2]]
    assert _most_freed_in_a_step(parts) <= LIGHT + 2 * PIECE
    assert in_use == (rows(), named(), rows(), named(), [1])


def _most_freed_in_a_step(parts: list[Any]) -> float:
    """In lists and dicts of one number or text, of those that the parts hold.

    By the interpreter's count of blocks, which costs nothing: a list of all objects took minutes
    among those of a long run of tests.
    """
    before, most = sys.getallocatedblocks(), 0
    for _ in freed(parts):
        now = sys.getallocatedblocks()
        most, before = max(most, before - now), now
    return max(most, before - sys.getallocatedblocks()) / BLOCKS


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
