"""A supervisor with few places for runs."""

from __future__ import annotations

import pytest

from tests.support.cli.supervision import Supervision


@pytest.fixture
def supervision(supervision: Supervision) -> Supervision:
    supervision.restart(max_runs=1)
    return supervision
