"""A repository with one commit of three lines."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.lib.git.commands.repo import Repo


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    repo = Repo(tmp_path / "orchard").make()
    repo.write("a", "1\n2\n3\n")
    repo.commit()
    return repo
