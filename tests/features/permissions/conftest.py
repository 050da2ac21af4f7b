"""What tests of permission requests share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient

from tests.support.apps.in_process import app_of, client_of
from tests.support.environment import Sandbox, write_stand_in


@pytest.fixture(scope="module")
def client(
    shared_sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[FlaskClient]:
    """Of the app with the stand-in, in process."""
    claude = write_stand_in(tmp_path_factory.mktemp("stand-in") / "claude")
    with app_of(shared_sandbox, claude) as app:
        yield client_of(app)
