"""An app with budgets, and a session that has cost something."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask

from tests.support.apps.in_process import app_of
from tests.support.environment import Sandbox


@pytest.fixture
def app(sandbox: Sandbox, stand_in: Path) -> Iterator[Flask]:
    with app_of(sandbox, stand_in) as app:
        yield app
