"""On a busy machine a request waits for the outcome of its act, however long that takes."""

from __future__ import annotations

import uuid

import pytest

from opcode_htmx.features.commits import acts
from tests.support.environment import Sandbox


@pytest.fixture
def own_project(shared_home: Sandbox) -> Sandbox:
    """With a project for one test, in a folder that has nothing else."""
    found = Sandbox(shared_home.home, f"{uuid.uuid4().hex[:8]}/orchard")
    found.project.mkdir(parents=True)
    return found


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(acts, "PATIENCE", 60.0)
