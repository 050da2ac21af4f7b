"""The sessions of the real CLI, as they were captured."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.cli.captured import Captured, capture


@pytest.fixture(scope="session")
def captured(claude: Path) -> Captured:
    return capture(claude)
