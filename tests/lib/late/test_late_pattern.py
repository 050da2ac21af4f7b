"""A pattern that is compiled when it is used first is the pattern that `re.compile` gives."""

from __future__ import annotations

import re

import pytest

from opcode_htmx.lib.late.patterns import LatePattern

pytestmark = pytest.mark.unit


def test_nothing_is_compiled_before_the_first_use_and_then_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    compiled: list[str] = []

    def count(pattern: str, flags: int) -> re.Pattern[str]:
        compiled.append(pattern)
        return real(pattern, flags)

    real = re.compile
    monkeypatch.setattr(re, "compile", count)
    word = LatePattern(r"(?P<first>[a-z])\w*", re.IGNORECASE)
    assert compiled == []
    assert word.fullmatch("Apple")["first"] == "A"
    assert word.sub("-", "one two") == "- -"
    assert word.fullmatch("1") is None
    assert (word.pattern, word.groups) == (r"(?P<first>[a-z])\w*", 1)
    assert word.compiled() is word.compiled()
    assert compiled == [r"(?P<first>[a-z])\w*"]


def test_bytes_are_matched_as_bytes() -> None:
    assert LatePattern(rb"\d+").findall(b"1 22") == [b"1", b"22"]


def test_a_wrong_pattern_fails_at_its_first_use() -> None:
    wrong = LatePattern("(")
    with pytest.raises(re.error):
        wrong.search("")
