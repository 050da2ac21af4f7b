"""Gardens: projects with a session and checkpoints."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask

from tests.features.checkpoints.pages.garden import Garden
from tests.support.apps.in_process import app_of
from tests.support.environment import Sandbox
from tests.support.suite import shared_fixtures


@pytest.fixture(scope="package")
def shared_jobs() -> bool:
    return False


shared_home = pytest.fixture(scope="package")(shared_fixtures.home)
shared_app = pytest.fixture(scope="package")(shared_fixtures.app)


@pytest.fixture
def garden(shared_app: Flask, shared_home: Sandbox) -> Garden:
    """In a project of its own, with an app that others have gardens in."""
    return Garden(shared_app, shared_home.with_own_project()).repository()


@pytest.fixture
def plain(sandbox: Sandbox, stand_in: Path) -> Iterator[Garden]:
    """The same in a folder without a repository."""
    with app_of(sandbox, stand_in, jobs=False) as app:
        garden = Garden(app, sandbox)
        garden.write("tree.txt", "apple\n")
        yield garden
