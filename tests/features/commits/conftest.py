"""On a busy machine a request waits for the outcome of its act, however long that takes."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest
from flask import Flask

from opcode_htmx.features.commits import acts
from tests.support.environment import Sandbox
from tests.support.shared_app import app_of_projects


@pytest.fixture(scope="module")
def commits_home(tmp_path_factory: pytest.TempPathFactory) -> Sandbox:
    return Sandbox(tmp_path_factory.mktemp("commits") / "home").make()


@pytest.fixture(scope="module")
def commits_app(commits_home: Sandbox) -> Iterator[Flask]:
    with app_of_projects(commits_home, jobs=False) as app:
        yield app


@pytest.fixture
def own_project(commits_home: Sandbox) -> Sandbox:
    """With a project for one test, in a folder that has nothing else."""
    found = Sandbox(commits_home.home, f"{uuid.uuid4().hex[:8]}/orchard")
    found.project.mkdir(parents=True)
    return found


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(acts, "PATIENCE", 60.0)
