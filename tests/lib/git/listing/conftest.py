"""A repository with one commit and a remote."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.lib.git.commands.repo import Repo


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    repo = Repo(tmp_path / "orchard").make()
    repo.commit()
    return repo
