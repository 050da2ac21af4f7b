"""An open folder, with a secret beside it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from opcode_htmx.lib.tree.tree import Tree

SECRET = b"the secret of another folder"


@pytest.fixture
def tree(tmp_path: Path) -> Iterator[Tree]:
    """A folder with a file, beside one that holds a secret."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_bytes(SECRET)
    project = tmp_path / "project"
    (project / "src").mkdir(parents=True)
    (project / "src" / "app.py").write_text("print()\n")
    descriptor = os.open(project, os.O_RDONLY | os.O_DIRECTORY)
    yield Tree(project.resolve(), descriptor)
    os.close(descriptor)
