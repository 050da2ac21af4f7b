"""Fields of damaged JSON are refused by their types, and numbers by their range."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest

from opcode_htmx.lib.files.json_fields import MOST, fields_of, number


@dataclass
class Tree:
    name: str
    height: float = 1.0
    rings: int | None = None
    is_old: bool = False
    notes: tuple[str, ...] = ()


def test_known_fields_are_taken_and_others_left_out() -> None:
    found = {"name": "Oak", "height": 3, "is_old": True, "rings": None, "notes": [1], "color": 1}
    wanted = {key: value for key, value in found.items() if key != "color"}
    assert fields_of(Tree, found) == wanted


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": None},
        {"name": 5},
        {"height": "3"},
        {"height": True},
        {"height": None},
        {"height": -1},
        {"rings": 1.5},
        {"rings": 2**54},
        {"is_old": 1},
        {"is_old": "yes"},
    ],
)
def test_a_value_of_another_type_or_range_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises((TypeError, ValueError)):
        fields_of(Tree, {"name": "Oak", **wrong})


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-1", "1e300", "true", '"5"', "null", "[]"])
def test_what_is_no_number_of_ours_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="a number is from 0"):
        number(json.loads(text))


def test_numbers_up_to_a_limit_are_taken() -> None:
    assert [number(each) for each in (0, 2.5, MOST)] == [0.0, 2.5, MOST]
    with pytest.raises(ValueError, match="from 0 to 10"):
        number(11, 10)
