"""The app in process over a project that is a git repository."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.environment import Sandbox
from tests.support.workshop import Workshop, workshop_in


@pytest.fixture
def workshop(sandbox: Sandbox, stand_in: Path) -> Iterator[Workshop]:
    with workshop_in(sandbox, stand_in) as workshop:
        yield workshop
