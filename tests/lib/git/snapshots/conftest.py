"""Trees to take snapshots of."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.lib.git.snapshots.support import Orchard


@pytest.fixture
def orchard(tmp_path: Path) -> Orchard:
    """A git repository without a commit."""
    return plain(tmp_path).repository()


@pytest.fixture
def folder(tmp_path: Path) -> Orchard:
    """A folder in no repository."""
    return plain(tmp_path)


def plain(place: Path) -> Orchard:
    for name in ("orchard", "store", "home"):
        (place / name).mkdir()
    return Orchard(place / "orchard", place / "store", place / "home")
