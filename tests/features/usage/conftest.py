"""Apps over an index of a history, which no process keeps."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask

from tests.features.usage.history import write_history, write_index
from tests.support.apps.in_process import app_of
from tests.support.environment import Sandbox


@pytest.fixture
def app(sandbox: Sandbox, stand_in: Path) -> Iterator[Flask]:
    """The app over an index of `write_history`, which no process keeps."""
    write_history(sandbox)
    write_index(sandbox)
    with app_of(sandbox, stand_in, OPCODE_SEARCH_INDEX="1", jobs=False) as app:
        yield app
