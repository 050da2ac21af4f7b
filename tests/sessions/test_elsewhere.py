"""The notice on the page of a session that is also used at the computer."""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from opcode_htmx.engines.claude.files.process_registry import LiveSession
from opcode_htmx.runs.control.run import Run
from opcode_htmx.runs.model.lifecycle import Phase
from opcode_htmx.sessions.elsewhere import Registry, elsewhere

KNOWN = "Also used at the computer; this Claude does not know that yet."
PRICE = " To begin again takes back what you said here meanwhile."


def run_in(phase: Phase, pid: int = 0) -> Run:
    return cast(Run, SimpleNamespace(phase=phase, record=SimpleNamespace(pid=pid)))


def other(status: str, *, in_terminal: bool = True) -> LiveSession:
    return LiveSession(1, "s", in_terminal, status)


@pytest.mark.parametrize(
    ("phase", "others", "state", "sentence", "can_begin_again"),
    [
        (Phase.IDLE, [], {"is_behind": False}, "", False),
        (Phase.IDLE, [], {"is_behind": True}, KNOWN, True),
        (Phase.WORKING, [], {"is_behind": True}, KNOWN, False),
        (Phase.IDLE, [], {"is_behind": True, "takes_back": True}, KNOWN + PRICE, True),
        (
            None,
            [other("busy")],
            {"is_behind": False},
            "Also open in a terminal, which is at work. What is sent here, it does not see.",
            False,
        ),
        (
            Phase.IDLE,
            [other("idle", in_terminal=False)],
            {"is_behind": False},
            "Also open in another program. What is sent here, it does not see.",
            False,
        ),
    ],
)
def test_notice_states_the_other_driver(
    phase: Phase | None,
    others: list[LiveSession],
    state: dict[str, Any],
    sentence: str,
    can_begin_again: bool,
) -> None:
    notice = elsewhere(run_in(phase) if phase else None, others, **state)
    assert (notice.sentence, notice.can_begin_again) == (sentence, can_begin_again)


def test_process_of_our_run_is_not_another_driver(tmp_path: Path) -> None:
    folder = tmp_path / "sessions"
    folder.mkdir()
    entry = {"pid": os.getpid(), "sessionId": "s", "entrypoint": "cli", "status": "idle"}
    (folder / f"{os.getpid()}.json").write_text(json.dumps(entry))
    registry = Registry(tmp_path)
    assert [each.pid for each in registry.others("s", [])] == [os.getpid()]
    assert registry.others("s", [run_in(Phase.IDLE, os.getpid())]) == []
    assert registry.others("another", []) == []
