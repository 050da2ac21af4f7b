"""A state folder with a run, a pipe, a lock and half a line."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture
def state(tmp_path: Path) -> Path:
    state = tmp_path / "state"
    (state / "runs" / "one").mkdir(parents=True)
    (state / "marks.json").write_text("{}")
    (state / "runs" / "one" / "run.json").write_text('{"id": "one"}')
    (state / "runs" / "one" / "out.ndjson").write_bytes(b'{"a": 1}\n{"a": 2}\n{"a"')
    os.mkfifo(state / "runs" / "one" / "in")
    (state / "runs" / "one" / "owner").touch()
    return state
