"""Somebody who writes in a session whose run is over."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from opcode_htmx.runs.policies import warm_rules, warm_starts
from tests.runs.policies.warm_starts.writer import Writer
from tests.support.cli.supervision import Supervision


@pytest.fixture
def supervision(supervision: Supervision, monkeypatch: pytest.MonkeyPatch) -> Iterator[Supervision]:
    monkeypatch.setattr(warm_starts, "CHECK_SECONDS", 0.02)
    monkeypatch.setattr(warm_rules, "LEAST_MEMORY", 0)
    supervision.restart(warm_timeout=60.0)
    yield supervision


@pytest.fixture
def writer(supervision: Supervision) -> Writer:
    return Writer(supervision)
