"""Desks whose requests wait for the outcome of their acts, however long a busy machine takes."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask

from opcode_htmx.features.commits import acts
from tests.features.commits.desk import Desk
from tests.support.apps.in_process import app_of
from tests.support.environment import Sandbox
from tests.support.suite import shared_fixtures


@pytest.fixture(scope="package")
def shared_jobs() -> bool:
    return False


shared_home = pytest.fixture(scope="package")(shared_fixtures.home)
shared_app = pytest.fixture(scope="package")(shared_fixtures.app)


@pytest.fixture
def own_project(shared_home: Sandbox) -> Sandbox:
    """With a project for one test, in a folder that has nothing else."""
    found = Sandbox(shared_home.home, f"{uuid.uuid4().hex[:8]}/orchard")
    found.project.mkdir(parents=True)
    return found


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(acts, "PATIENCE", 60.0)


@pytest.fixture
def desk(shared_app: Flask, own_project: Sandbox) -> Desk:
    return Desk(shared_app, own_project)


@pytest.fixture
def own_desk(sandbox: Sandbox, stand_in: Path) -> Iterator[Desk]:
    """One with an app of its own, for a test to change."""
    with app_of(sandbox, stand_in, jobs=False) as app:
        yield Desk(app, sandbox)
