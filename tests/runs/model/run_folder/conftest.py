"""The folder of a run, and a process that copies its input."""

from __future__ import annotations

from pathlib import Path

import pytest

from opcode_htmx.runs.model.run_folder import RunFolder

RUN_ID = "0123456789abcdef" * 2


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder.create(tmp_path / "state" / "runs", RUN_ID)
