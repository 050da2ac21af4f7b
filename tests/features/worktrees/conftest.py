"""One app over projects that are git repositories, with a repository for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask

from tests.support.environment import Sandbox
from tests.support.suite import shared_fixtures
from tests.support.workshop import Workshop, shared_workshop


@pytest.fixture(scope="package")
def shared_jobs() -> bool:
    return True


shared_home = pytest.fixture(scope="package")(shared_fixtures.home)
shared_app = pytest.fixture(scope="package")(shared_fixtures.app)


@pytest.fixture
def workshop(shared_app: Flask, shared_home: Sandbox) -> Iterator[Workshop]:
    yield from shared_workshop(shared_app, shared_home)
