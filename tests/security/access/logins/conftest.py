"""An app with logins."""

from __future__ import annotations

from pathlib import Path

import pytest
from flask import Flask

from tests.security.access.logins.browsers import make_app


@pytest.fixture
def app(tmp_path: Path) -> Flask:
    return make_app(tmp_path / "state")
