"""One line as an object: the same by any reader, and a long line blocks no other greenlet."""

from __future__ import annotations

import json

import gevent
import pytest
from hypothesis import given
from hypothesis import strategies as st

from opcode_htmx.engines.claude.protocol import json_lines
from opcode_htmx.lib.concurrency.freeing import LargeObject
from tests.support.fuzzing import (
    HISTORY,
    RARE,
    STDOUT,
    patient,
    values,
)

pytestmark = patient


def in_python(line: bytes) -> json_lines.Found | None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_lines, "SHORT", 0)
        patch.setattr(json_lines, "MOST_AT_ONCE", -1)
        return json_lines.read(line)


@given(values(), st.sampled_from(["", " ", "]", '{"type": "x"}', "\ud800", "\\ud800"]))
def test_a_dense_line_is_read_like_any_other(value: object, behind: str) -> None:
    words = json.dumps({"type": "x", "content": value}) + behind
    for line in (words.encode("utf-8", "replace"), words[:-3].encode("utf-8", "replace")):
        assert in_python(line) == json_lines.read(line)


def test_the_lines_of_the_cli_are_read_alike() -> None:
    lines = [*HISTORY, *STDOUT, *RARE, b"", b"NaN", b'{"type": "x", "y": NaN}']
    assert [line for line in lines if in_python(line) != json_lines.read(line)] == []


@pytest.mark.parametrize("content", [[{}] * 400_000, ["word " * 40] * 5_000])
def test_other_greenlets_run_while_a_long_line_is_parsed(content: list[object]) -> None:
    line = json.dumps({"type": "x", "content": content}).encode()
    reading = gevent.spawn(json_lines.read, line)
    turns = 0
    while not reading.ready():
        gevent.sleep(0)
        turns += 1
    found = reading.get()
    assert found is not None
    assert found.content["content"] == content
    assert not found.too_deep
    assert turns > 5


def test_object_of_a_dense_line_is_freed_piece_by_piece() -> None:
    found = in_python(b'{"type": "odd", "x": [{}, {}]}')
    assert found is not None
    assert isinstance(found.content, LargeObject)
