"""Times in files that were damaged by hand: what is wrong is left out, and nothing else fails."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from opcode_htmx.features.files.changing import trash as file_trash
from opcode_htmx.lib.files.json_files import JsonFileSchema
from opcode_htmx.lib.identity import SYSTEM
from opcode_htmx.lib.pty import records
from opcode_htmx.sessions.checkpoints import trees
from opcode_htmx.sessions.storage import trash
from opcode_htmx.sessions.storage.session_flags import Flags, SessionFlags
from opcode_htmx.sessions.terminals.model import SCHEMA, Program, TerminalRecord

WRONG = [math.nan, math.inf, -1, "soon", None, [], True, 10**400]
TERMINAL = TerminalRecord("a" * 32, Program.SHELL, "/work", 1.0, SYSTEM).as_json()
DELETED: dict[str, Any] = {
    **dict.fromkeys(("id", "session_id", "project_id", "title", "root", "path", "what"), "x"),
    **{"places": {}, "was_replaced": False, "sessions": [], "at": 1.0},
}


@pytest.mark.parametrize(
    ("schema", "content", "name"),
    [
        (SCHEMA, TERMINAL, "created_at"),
        (SCHEMA, TERMINAL, "history_start"),
        (trash._SCHEMA, DELETED, "at"),
        (trash._BATCH_SCHEMA, DELETED, "at"),
        (file_trash._FILE, DELETED, "at"),
    ],
)
def test_a_file_with_a_time_that_is_none_is_unreadable(
    tmp_path: Path, schema: JsonFileSchema[Any], content: dict[str, Any], name: str
) -> None:
    path = tmp_path / "file.json"
    path.write_text(json.dumps(content))
    assert schema.read(path)
    for wrong in WRONG:
        path.write_text(json.dumps({**content, name: wrong}))
        assert schema.read(path) is None, wrong


@pytest.mark.parametrize("wrong", WRONG)
def test_the_pins_and_tags_that_are_whole_stay(tmp_path: Path, wrong: object) -> None:
    path = tmp_path / "flags.json"
    good = {"pinned": 5.0, "tags": ["plums"]}
    two = {"archived": wrong, "tags": ["figs"]}
    sessions = {"one": good, "two": two, "three": wrong, "four": {"pinned": 7.0, "tags": [wrong]}}
    path.write_text(json.dumps({"version": 1, "sessions": sessions, "missing": {"one": wrong}}))
    damaged, flags = path.read_bytes(), SessionFlags(path)
    expected = {
        "one": Flags(pinned=5.0, tags=("plums",)),
        "two": Flags(tags=("figs",)),
        "four": Flags(pinned=7.0, tags=("soon",) if wrong == "soon" else ()),
    }
    assert flags.all() == expected
    flags.collect(lambda _: False, keep=3600)
    flags.pin(["five"])
    assert flags.all().keys() == {*expected, "five"}
    (kept,) = tmp_path.glob("flags.json.unreadable-*")
    assert kept.read_bytes() == damaged, "once, before it was written over"
    path.write_text(json.dumps({"last": [wrong]}))
    assert trees._TIMES.read(path) is None


@pytest.mark.parametrize("at", [math.nan, math.inf, -1.0, 1e300])
def test_an_end_of_a_terminal_at_no_time_is_one(at: float) -> None:
    exit_ = records.exit_in(records.of_end(3, at))
    assert exit_ and (exit_.status, exit_.at) == (3, 0.0)
    assert records.exit_in(records.of_end(3, 7.0)) == records.Exit(3, 7.0)
