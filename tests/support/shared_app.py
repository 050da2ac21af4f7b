"""One app of this process for many tests, each of which has a project of its own."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from flask import Flask

from tests.support.environment import Sandbox, write_stand_in
from tests.support.in_process import app_of


@contextlib.contextmanager
def app_of_projects(home: Sandbox, *, jobs: bool = True, **variables: str) -> Iterator[Flask]:
    """The app over all projects of a home, with the stand-in; see Sandbox.with_own_project.

    To make an app, and its first page, takes as long as thirty pages.
    """
    variables = {"OPCODE_PROJECT_ROOTS": str(home.project.parent), **variables}
    with app_of(home, write_stand_in(home.home / "claude"), jobs=jobs, **variables) as app:
        yield app
