"""A history file has gone on when it has new messages, and not when Claude notes its own state."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from opcode_htmx.engines.claude.files import history, lineage

MODE = {"type": "mode", "mode": "normal", "sessionId": "s"}
LATCH = {"type": "atis-latch", "atis": "", "sessionId": "s"}
LAST_PROMPT = {"type": "last-prompt", "lastPrompt": "Hello", "leafUuid": "1", "sessionId": "s"}
CUT = {"type": "last-prompt", "rewound": True, "cutUuid": "1", "leafUuid": None, "sessionId": "s"}
MESSAGE = {"type": "user", "uuid": "1", "parentUuid": None, "message": {"content": "Hello"}}


def lines(*entries: object) -> bytes:
    return b"".join(json.dumps(each).encode() + b"\n" for each in entries)


@pytest.mark.parametrize(
    ("added", "gone_on"),
    [
        (b"", False),
        (lines(MODE), False),
        (lines(MODE, LATCH), False),
        (lines(MESSAGE), True),
        (lines(MODE, MESSAGE, LATCH), True),
        (lines(MESSAGE)[:-30], True),
        (lines("text"), True),
        (lines({"type": "user", "message": {"content": "Hello"}}), True),
        (lines(*[MODE] * 2000), True),
        (lines(MODE, LAST_PROMPT), False),
        (lines(MODE, CUT), True),
        (lineage.checkpoint_line("s", "1"), True),
    ],
    ids=[
        "nothing",
        "mode",
        "states",
        "message",
        "between",
        "half a line",
        "no entry",
        "no uuid",
        "much",
        "last prompt",
        "rewound",
        "rewound by us",
    ],
)
def test_new_messages_count_and_states_do_not(tmp_path: Path, added: bytes, gone_on: bool) -> None:
    file = tmp_path / "history.jsonl"
    file.write_bytes(lines(MESSAGE))
    since = history.size(file)
    with file.open("ab") as more:
        more.write(added)
    assert history.has_gone_on(file, since) is gone_on


def test_file_that_is_shorter_or_not_there_has_gone_on_unless_there_was_none(
    tmp_path: Path,
) -> None:
    file = tmp_path / "history.jsonl"
    file.write_bytes(lines(MESSAGE))
    assert history.has_gone_on(file, 1000)
    assert history.has_gone_on(file, 0), "a session without a history has one now"
    assert history.has_gone_on(None, 10)
    assert not history.has_gone_on(None, 0)
