"""A repository with one commit for commands."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.lib.git.commands.repo import Repo


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    repo = Repo(tmp_path / "orchard").make()
    repo.write("a", "one\n")
    repo.commit()
    return repo
