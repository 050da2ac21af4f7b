"""On a busy machine a request waits for the outcome of its act, however long that takes."""

from __future__ import annotations

import pytest

from opcode_htmx.features.commits import acts


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(acts, "PATIENCE", 60.0)
