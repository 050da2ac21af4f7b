"""A repository with a session in it, and a browser without JavaScript at its pages."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from html import unescape
from typing import Any
from urllib.parse import urlencode

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from opcode_htmx.engines.claude.files.history import project_id
from opcode_htmx.features.changes.review import store
from opcode_htmx.lib.git.snapshots.tree import REFS
from tests.security.projects.hostile_git import Trap
from tests.support.apps.clearing import clear
from tests.support.apps.in_process import app_of
from tests.support.clients import api
from tests.support.environment import Sandbox, write_stand_in
from tests.support.suite import shared_fixtures

SESSION = "5e551000-0000-4000-8000-000000000018"


@dataclass(frozen=True)
class Repository(Trap):
    """`folder` is the project of the session."""

    def commit(self, message: str = "x") -> str:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", message)
        return self.git("rev-parse", "HEAD")

    def checkpoint(self, commit: str) -> None:
        """Make a commit the snapshot at the begin of the session."""
        self.git("update-ref", f"{REFS}{SESSION}/000001", commit)


@dataclass(frozen=True)
class Pages:
    """The pages of the session, or of its project."""

    client: FlaskClient
    project: str
    session: str = SESSION

    @property
    def of_project(self) -> Pages:
        return Pages(self.client, self.project, "")

    def address(self, name: str = "", **query: str | int) -> str:
        session = f"/sessions/{self.session}" if self.session else ""
        path = f"/projects/{self.project}{session}/changes{name}"
        return f"{path}?{urlencode(query)}" if query else path

    def get(self, name: str = "", *, htmx: bool = False, **query: str | int) -> TestResponse:
        headers = {"HX-Request": "true"} if htmx else {}
        return self.client.get(self.address(name, **query), headers=headers)

    def text(self, name: str = "", *, htmx: bool = False, **query: str | int) -> str:
        answer = self.get(name, htmx=htmx, **query)
        assert answer.status_code == 200, answer.text
        return answer.text

    def post(self, name: str, *, htmx: bool = False, **fields: str | int) -> TestResponse:
        headers = {"HX-Request": "true"} if htmx else {}
        return self.client.post(self.address(name), data=fields, headers=headers)

    def files(self, **query: Any) -> list[str]:
        """The names of the listed files, as they are shown."""
        return names(self.text(**query))


def names(page: str) -> list[str]:
    return [
        plain(each) for each in re.findall(r'class="file-name">(.*?)</b>', page, flags=re.DOTALL)
    ]


def plain(html: str) -> str:
    return unescape(re.sub(r"<[^>]+>", "", html))


def diff_lines(page: str) -> list[str]:
    """The lines of the diffs on a page, with their signs."""
    found = re.findall(
        r'<span class="diff-(?:add|del|ctx)"[^>]*>(.*?)</span>(?=<span class="diff-|</pre>)', page
    )
    return [plain(each) for each in found]


@pytest.fixture
def repository(sandbox: Sandbox) -> Repository:
    return made_repository(sandbox)


def made_repository(sandbox: Sandbox) -> Repository:
    """One in the project of a sandbox, with a session that begins now."""
    made = Repository(sandbox.home, sandbox.project)
    made.make()
    made.git("checkout", "--quiet", "--", ".")
    now = api.prompt("Plant trees", sandbox.project, time.time())
    api.session(sandbox.config_dir, sandbox.project, now, SESSION)
    return made


home_of_pages = pytest.fixture(scope="package")(shared_fixtures.home)


@pytest.fixture(scope="package")
def app(home_of_pages: Sandbox) -> Iterator[Flask]:
    """One over all projects of a home."""
    claude = write_stand_in(home_of_pages.home / "claude")
    roots = str(home_of_pages.project.parent)
    with app_of(home_of_pages, claude, OPCODE_PROJECT_ROOTS=roots) as app:
        yield app


@pytest.fixture
def sandbox(home_of_pages: Sandbox, app: Flask) -> Iterator[Sandbox]:
    """With a project for one test, its session alone, and nothing that is known of either."""
    yield home_of_pages.with_own_project()
    clear(app, home_of_pages, "runs", "drafts", store.OF_SESSIONS, store.OF_PROJECTS)


@pytest.fixture
def pages(client: FlaskClient, repository: Repository) -> Pages:
    return Pages(client, project_id(repository.folder))
