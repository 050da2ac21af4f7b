"""An app for the pages of agents, with a project for each test."""

from __future__ import annotations

import shutil

import pytest
from flask import Flask

from tests.support.environment import Sandbox
from tests.support.suite import shared_fixtures


@pytest.fixture(scope="package")
def shared_jobs() -> bool:
    return True


shared_home = pytest.fixture(scope="package")(shared_fixtures.home)
shared_app = pytest.fixture(scope="package")(shared_fixtures.app)


@pytest.fixture
def sandbox(shared_home: Sandbox) -> Sandbox:
    """With a project for one test, in a state that knows of no agent."""
    shared_home.empty_config()
    for name in ("agents", "agent_versions", "agent_runs", "profiles", "schedules", "drafts"):
        for each in (shared_home.state / name).glob("*"):
            shutil.rmtree(each) if each.is_dir() else each.unlink()
    (shared_home.state / "agent_numbers.json").unlink(missing_ok=True)
    return shared_home.with_own_project()


@pytest.fixture
def app(shared_app: Flask, sandbox: Sandbox) -> Flask:
    return shared_app
