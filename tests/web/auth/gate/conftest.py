"""A state folder for the apps of each test, and a browser at one of them."""

from pathlib import Path

import pytest

from tests.web.auth.gate.browsers import STATE, Browser, browser, make_app


@pytest.fixture(autouse=True)
def state(tmp_path: Path) -> None:
    """The state folder of the apps that a test makes: the same, as after a restart."""
    STATE["folder"] = tmp_path / "state"


@pytest.fixture
def client() -> Browser:
    return browser(make_app())
