"""A file that grows."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.runs.model.line_reader.reading import Append


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "out.ndjson"


@pytest.fixture
def append(path: Path) -> Append:
    def append(data: bytes) -> None:
        with path.open("ab") as file:
            file.write(data)

    return append
