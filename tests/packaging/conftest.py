"""A container without a container: the entrypoint on made-up folders."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.packaging.entrypoint import Container


@pytest.fixture
def container(tmp_path: Path) -> Container:
    return Container(tmp_path)
