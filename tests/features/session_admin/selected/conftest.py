"""An app with a project of four sessions for each test."""

from __future__ import annotations

import shutil

import pytest
from flask import Flask

from tests.features.session_admin.selected.lists import Lists
from tests.support.environment import Sandbox
from tests.support.suite import shared_fixtures

shared_home = pytest.fixture(scope="package")(shared_fixtures.home)
shared_app = pytest.fixture(scope="package")(shared_fixtures.app)


@pytest.fixture(scope="package")
def shared_jobs() -> bool:
    return True


@pytest.fixture
def sandbox(shared_home: Sandbox) -> Sandbox:
    """With a project for one test, and no sessions, marks and trash of another one."""
    shared_home.empty_config()
    (shared_home.state / "flags.json").unlink(missing_ok=True)
    for each in (shared_home.state / "trash").glob("*"):
        shutil.rmtree(each) if each.is_dir() else each.unlink()
    return shared_home.with_own_project()


@pytest.fixture
def lists(shared_app: Flask, sandbox: Sandbox) -> Lists:
    return Lists(shared_app, sandbox)
