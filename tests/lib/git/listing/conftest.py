"""A repository with one commit and a remote."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.lib.git.commands.repo import Repo, with_one_commit


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    return with_one_commit(tmp_path / "orchard")
