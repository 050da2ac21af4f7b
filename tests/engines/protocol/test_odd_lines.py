"""A line that is no message, or an odd one, is kept and makes nothing fail."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opcode_htmx.engines import messages as m
from opcode_htmx.engines.claude.files.lineage import Lineage
from opcode_htmx.engines.claude.protocol import json_lines, parser
from opcode_htmx.transcript.fold import Transcript
from tests.engines.protocol.odd_values import HALF, TYPES, objects, odd_values
from tests.support.cli.captured import Captured, capture
from tests.support.fuzzing import examples


@pytest.fixture(scope="session")
def captured(claude: Path) -> Captured:
    return capture(claude)


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"Warning: something on stdout",
        b'{"type":"user"',
        b"[1]",
        b"null",
        b'{"type":7}',
        b"\xff\xfe",
        b"9" * 5000,
        b"[" * 100_000,
        b'{"type":"user","a":' * 20_000,
    ],
)
def test_non_message_line_is_kept_verbatim(line: bytes) -> None:
    message = parser.parse(line)
    assert message == m.Malformed(line.decode("utf-8", "replace"))


def test_excessively_nested_content_is_kept_whole() -> None:
    content: list[Any] = []
    for _ in range(400):
        content = [{"type": "tool_result", "content": content}]
    line = json.dumps({"type": "user", "message": {"content": content}}).encode()
    message = parser.parse(line)
    assert isinstance(message, m.Unknown)
    assert message.type == "user"


def test_excessively_nested_request_is_unanswerable() -> None:
    """It is refused, so that Claude neither waits for ever nor has to be prompted again."""
    request = {"subtype": "can_use_tool", "input": {}}
    line = json.dumps({"type": "control_request", "request_id": "r", "request": request}).encode()
    message = parser.parse(line.replace(b"{}", b'{"a":' * 500 + b"1" + b"}" * 500))
    assert isinstance(message, m.Unknown)
    assert (message.type, message.raw["request_id"]) == ("control_request", "r")


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_non_json_number_becomes_null(number: str) -> None:
    line = f'{{"type":"of_tomorrow","much":[{number}, 1.5]}}'.encode()
    assert parser.parse(line) == m.Unknown(
        "of_tomorrow", {"type": "of_tomorrow", "much": [None, 1.5]}
    )


def test_half_a_surrogate_pair_becomes_a_sign_that_can_be_shown() -> None:
    raw = {"type": HALF, HALF: [HALF, "\U0001f600"]}
    assert parser.parse(json.dumps(raw).encode()) == m.Unknown(
        "\ufffd", {"type": "\ufffd", "\ufffd": ["\ufffd", "\U0001f600"]}
    )


@examples(200)
@given(st.sampled_from(TYPES), objects)
def test_any_object_of_any_type_is_a_message_that_can_be_written_to_a_page(
    type_: str, fields: dict[str, Any]
) -> None:
    message = parser.parse(json.dumps({**fields, "type": type_}).encode())
    assert not isinstance(message, m.Malformed)
    str(message).encode()


def test_no_change_to_a_real_line_makes_reading_fail(captured: Captured) -> None:
    """Odd values in any place of each shape of line, up to five levels down: read and folded.

    Each place gets some of the values in turn; with FUZZ, all of them.
    """
    turn = itertools.count()
    shapes: dict[object, Any] = {}
    for line in captured.stdout + captured.history:
        raw = json.loads(line)
        shapes.setdefault((raw["type"], tuple(path for path, _ in places_in(raw))), raw)
    assert len(shapes) > 40
    for raw in shapes.values():
        for path, holder in places_in(raw):
            kept = holder[path[-1]]
            for odd in odd_values(next(turn)):
                holder[path[-1]] = odd
                read_and_fold(json.dumps(raw).encode())
            holder[path[-1]] = kept


def read_and_fold(line: bytes) -> None:
    message = parser.parse(line)
    for run_id in (None, "r"):
        Transcript("0", run_id=run_id).feed(message, 10)
    found = json_lines.read(line)
    lineage = Lineage()
    lineage.add(found.content if found else {})


def places_in(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """The paths to all places in lists and objects, each with the list or object itself."""
    keys = list(value) if isinstance(value, dict) else range(min(2, len(value)))
    for key in keys:
        yield (*path, key), value
        if isinstance(value[key], dict | list) and len(path) < 4:
            yield from places_in(value[key], (*path, key))


@examples(300)
@given(st.binary())
def test_any_bytes_are_a_message(line: bytes) -> None:
    parser.parse(line)


def test_the_real_cli_prints_no_line_that_is_malformed(captured: Captured) -> None:
    parsed = [parser.parse(line) for line in captured.stdout + captured.history]
    assert not [message for message in parsed if isinstance(message, m.Malformed)]
