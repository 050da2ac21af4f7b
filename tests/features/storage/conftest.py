"""A store of sessions and files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.features.storage.store import Store
from tests.support.apps.in_process import app_of
from tests.support.environment import Sandbox


@pytest.fixture
def store(sandbox: Sandbox, stand_in: Path) -> Iterator[Store]:
    with app_of(sandbox, stand_in) as app:
        yield Store(app, sandbox)
