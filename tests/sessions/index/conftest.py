"""An index that is closed after each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sessions.index.histories import Searchable


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Searchable]:
    searchable = Searchable(tmp_path)
    yield searchable
    searchable.indexer.close()
