"""A hostile repository, and the environment of git that reads it."""

from __future__ import annotations

import pytest

from tests.security.projects.hostile_git import Trap
from tests.support.environment import Sandbox


@pytest.fixture
def trap(sandbox: Sandbox) -> Trap:
    return Trap(sandbox.home, sandbox.project).make()
