"""Somebody at a desk with terminals, and an app for the pages of budgets."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask

from opcode_htmx.runs.budgets import book
from tests.features.budgets.desk import Desk
from tests.support.apps.clearing import clear
from tests.support.apps.in_process import app_of
from tests.support.environment import Sandbox, write_stand_in
from tests.support.suite import shared_fixtures


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


home_of_pages = pytest.fixture(scope="package")(shared_fixtures.home)


@pytest.fixture(scope="package")
def app_of_pages(home_of_pages: Sandbox) -> Iterator[Flask]:
    claude = write_stand_in(home_of_pages.home / "claude")
    with app_of(home_of_pages, claude) as app:
        yield app


@pytest.fixture
def app(app_of_pages: Flask, home_of_pages: Sandbox) -> Iterator[Flask]:
    """The app of all tests, which begins without budgets, costs, sessions and runs."""
    yield app_of_pages
    clear(app_of_pages, home_of_pages, "runs", book.LIMITS, book.SPENDING, book.HOLDS)


@pytest.fixture
def sandbox(home_of_pages: Sandbox) -> Sandbox:
    return home_of_pages
