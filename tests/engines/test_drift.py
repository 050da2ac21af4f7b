"""The drift check: known names are read or were reviewed, and new names are reported."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest

from drift import (
    job,
    known,
    newest,
    report,
)
from drift.names import (
    BLOCK,
    HISTORY,
    REQUEST,
    STDOUT,
    SYSTEM,
    TOOL,
    Name,
    names_in,
    names_in_tools,
)
from tests.generated.sessions import played
from tests.support.environment import ROOT


def strings_in(path: Path) -> set[str]:
    return {
        node.value
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


def new_in(kind: str, **line: object) -> list[Name]:
    return known.unknown(names_in(json.loads(json.dumps(line)), kind))


def test_names_listed_as_read_occur_in_the_package() -> None:
    paths = [path for path in (ROOT / "opcode_htmx").rglob("*.py") if "demo" not in path.parts]
    missing = {name.name for name in known.read()}
    for path in sorted(paths, key=lambda path: "engines" not in path.parts):
        if missing:
            missing -= strings_in(path)
    assert missing == set()


def test_ignored_names_are_not_listed_as_read() -> None:
    assert known.read() & known.ignored() == set()


def test_each_ignored_name_has_one_reason() -> None:
    tables = [known.names(table) for table in known.IGNORED.values()]
    assert sum(map(len, tables)) == len(known.ignored())
    assert all(reason.strip() for reason in known.IGNORED)


def test_every_line_type_that_is_read_has_its_fields() -> None:
    types = {name.name for name in known.read() if name.kind in (STDOUT, HISTORY)}
    assert {f"field of {each}" for each in types - {"system"}} <= set(known.READ)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ({"type": "telepathy", "depth": 3}, [Name(STDOUT, "telepathy")]),
        ({"type": "system", "subtype": "dream", "text": ""}, [Name(SYSTEM, "dream")]),
        ({"type": "command_lifecycle", "mood": 1}, [Name("field of command_lifecycle", "mood")]),
        (
            {"type": "control_request", "request": {"subtype": "can_sing", "song": ""}},
            [Name(REQUEST, "can_sing")],
        ),
        (
            {"type": "control_request", "request": {"subtype": "can_use_tool", "song": ""}},
            [Name("field of control_request/can_use_tool", "song")],
        ),
        (
            {"type": "assistant", "message": {"content": [{"type": "smell", "of": "roses"}]}},
            [Name(BLOCK, "smell")],
        ),
        (
            {"type": "user", "message": {"content": [{"type": "text", "text": "", "loud": 1}]}},
            [Name("field of block/text", "loud")],
        ),
        (
            {"type": "assistant", "message": {"content": [{"type": "tool_use", "name": "Fly"}]}},
            [Name(TOOL, "Fly")],
        ),
        ({"type": "system", "subtype": "init", "tools": ["Bash", "Fly"]}, [Name(TOOL, "Fly")]),
        ({"type": "result", "usage": {"sweets": 1}}, [Name("field of usage", "sweets")]),
        (
            {"type": "stream_event", "event": {"type": "pause", "for": 1}},
            [Name("stream event", "pause")],
        ),
        ({"type": "user", "uuid": "u", "session_id": "s", "message": {"content": "hi"}}, []),
        ({"type": "a/b", "message": 7}, [Name(STDOUT, "a/b")]),
        ({"type": "stream_event", "event": "x"}, [Name("stream event", "None")]),
    ],
)
def test_new_names_in_a_line_are_reported(line: dict[str, object], expected: list[Name]) -> None:
    assert new_in(STDOUT, **line) == expected


def test_fields_of_unread_lines_are_not_reported() -> None:
    assert new_in(HISTORY, type="queue-operation", whatever=1) == []
    assert new_in(HISTORY, type="attachment", attachment={"type": "date", "century": 21}) == []


def test_inputs_of_a_tool_with_a_card_are_watched() -> None:
    tools = [
        {"name": "Bash", "input_schema": {"properties": {"command": {}, "cloud": {}}}},
        {"name": "Monitor", "input_schema": {"properties": {"cloud": {}}}},
    ]
    found = known.unknown(names_in_tools({"tools": tools}))
    assert found == [Name("input of Bash", "cloud")]


def test_the_tests_claude_does_the_job_and_has_nothing_new(claude: Path, tmp_path: Path) -> None:
    capture = played(claude, job.JOB)
    found = job.names_in_job(capture) | job.names_offered(claude, tmp_path)
    assert known.unknown(found) == []


def test_claude_that_does_not_start_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(newest.NotRun):
        newest.version_of(tmp_path / "claude")


def test_report_lists_new_names_by_kind() -> None:
    text = report.report("2.2.0", [Name(STDOUT, "telepathy"), Name("field of user", "mood")])
    assert "2.2.0" in text
    assert "stdout line: telepathy" in text
    assert "field of user: mood" in text


def test_the_report_of_nothing_new_says_so() -> None:
    assert report.report("2.2.0", []) == "Claude 2.2.0: nothing new.\n"


def test_a_version_has_one_row_in_the_document() -> None:
    first = report.with_row("# T\n\n" + report.HEAD, "2.2.0", "2026-12-01", "x", [])
    again = report.with_row(first, "2.2.0", "2026-12-02", "x", [Name(STDOUT, "telepathy")])
    newer = report.with_row(again, "2.10.0", "2026-12-03", "y", [])
    rows = [line for line in newer.splitlines() if line.startswith("| 2.")]
    assert rows == [
        "| 2.10.0 | y | 2026-12-03 | nothing new |",
        "| 2.2.0 | x | 2026-12-02 | 1 new: stdout line `telepathy` |",
    ]
    assert newer.startswith("# T\n")
