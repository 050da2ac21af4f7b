"""An app for the pages of changes, with a project for each test."""

from __future__ import annotations

import pytest
from flask import Flask

from tests.support.environment import Sandbox
from tests.support.suite import shared_fixtures


@pytest.fixture(scope="package")
def shared_jobs() -> bool:
    return True


shared_home = pytest.fixture(scope="package")(shared_fixtures.home)
shared_app = pytest.fixture(scope="package")(shared_fixtures.app)


@pytest.fixture(scope="package")
def app(shared_app: Flask) -> Flask:
    return shared_app


@pytest.fixture
def sandbox(shared_home: Sandbox) -> Sandbox:
    """With a project for one test, and its session alone."""
    shared_home.empty_config()
    return shared_home.with_own_project()
