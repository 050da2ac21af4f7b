"""The app in this process under the words of a server: what is asked of it needs no socket."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from opcode_htmx.features.claude_plugins.cli import PluginCli
from opcode_htmx.features.context import AppContext
from opcode_htmx.runs.queries.subcommand import Output
from opcode_htmx.sessions.configuration.reports import ClaudeReport
from tests.support.apps.in_process import app_of, client_of
from tests.support.environment import Sandbox
from tests.support.suite.shared import recorded

CONTENT = ("settings*.json", "CLAUDE*.md", *(f"{each}/**/*" for each in ("rules", "commands")))
CONTENT += tuple(f"{each}/**/*" for each in ("skills", "agents", "projects/*/memory"))
"""What Claude reads in its folder, but for its own state and plugins."""
STATE = ("projects", "mcpServers")
"""What it reads in its state that decides an answer."""


@dataclass(frozen=True)
class Answer:
    """As far as the tests read one of `requests`."""

    status_code: int
    text: str
    headers: Mapping[str, str]
    url: str

    @property
    def ok(self) -> bool:
        return self.status_code < 400

    def json(self) -> Any:
        return json.loads(self.text)


class LocalServer:
    """Requests of a script to an app of this process."""

    def __init__(self, app: Flask, sandbox: Sandbox) -> None:
        self.app, self.sandbox = app, sandbox
        self._client: FlaskClient = client_of(app)

    @property
    def context(self) -> AppContext:
        found: AppContext = self.app.extensions["opcode_context"]
        return found

    def get(self, path: str, params: Mapping[str, str] | None = None) -> Answer:
        return self.request("GET", path, params=params, follow=True)

    def post(self, path: str, data: Mapping[str, str]) -> Answer:
        return self.request("POST", path, data=data)

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        data: Mapping[str, str] | None = None,
        json: object = None,
        follow: bool = False,
    ) -> Answer:
        found = self._client.open(
            path, method=method, query_string=params, data=data, json=json, follow_redirects=follow
        )
        url = found.request.url
        return Answer(found.status_code, found.text, dict(found.headers), url)


@contextlib.contextmanager
def local_server(sandbox: Sandbox, claude: Path) -> Iterator[LocalServer]:
    """The app with the real CLI, which is asked once about the same files; see asked_once."""
    roots = str(sandbox.home)
    with app_of(sandbox, claude, OPCODE_PROJECT_ROOTS=roots) as app, asked_once(app, sandbox):
        yield LocalServer(app, sandbox)


@contextlib.contextmanager
def asked_once(app: Flask, sandbox: Sandbox) -> Iterator[None]:
    """Let the app's real CLI report what is in force once for the same content of all files.

    The app decides as always when it asks; what it gets is the answer that the CLI has given before
    where not a byte of what it reads is different. A report takes half a second of CPU, and most
    tests begin with the same files. The schema of the settings is asked once a run of the tests.
    See `files_alone` for tests that need no word of the CLI.
    """
    context: AppContext = app.extensions["opcode_context"]
    configuration = context.sessions.configuration
    reports, schema = configuration.reports, configuration.schema
    ask, ask_schema, known = reports._ask, schema._ask, dict[object, ClaudeReport]()

    newest = dict[Path | None, ClaudeReport]()

    def remembered(project: Path | None) -> ClaudeReport:
        if _files_alone and newest:
            return newest.get(project) or next(reversed(newest.values()))
        key = (project, _digest(sandbox))
        if key not in known or known[key].problem:
            known[key] = ask(project)
        newest[project] = known[key]
        return known[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reports, "_ask", remembered)
        patch.setattr(schema, "_ask", lambda: recorded("schema of the settings", ask_schema))
        yield


def said_by_claude(app: Flask, project: Path | None) -> ClaudeReport:
    """What the app's real CLI, asked in a trusted project now, answers; None: of the user alone.

    Under `asked_once` it is not started where the app has asked it about the same content.
    """
    context: AppContext = app.extensions["opcode_context"]
    report = context.sessions.configuration.reports._ask(project)
    assert not report.problem, report.problem
    return report


_files_alone: list[bool] = []
"""True for each `files_alone` that is in force."""


@contextlib.contextmanager
def files_alone() -> Iterator[None]:
    """Let apps under `asked_once` have what the CLI said last, whatever is in the files now.

    That is of the same folder if it was asked about that, and of another one otherwise. For a test
    of what is written into files, or refused. It must not pass by what an earlier one has left:
    with nothing said yet, the CLI is asked as always.
    """
    _files_alone.append(True)
    try:
        yield
    finally:
        _files_alone.pop()


@contextlib.contextmanager
def plugins_listed_once(sandbox: Sandbox, marketplaces: str) -> Iterator[None]:
    """Let the real CLI list plugins once for the same content of all files; what it does, it does.

    `marketplaces` is a pattern of folders in the sandbox's home. Whether a plugin is on changes
    neither the list of marketplaces nor what the plugin costs, nor does for whom it is installed:
    these are asked once. The lists depend on the manifests of a marketplace only.
    """
    run, known = PluginCli._run, dict[object, Output]()
    plugins = sandbox.config_dir / "plugins"

    def remembered(cli: PluginCli, folder: Path | None, seconds: float, *arguments: str) -> Output:
        files = _files_in(sandbox.home.glob(marketplaces))
        manifests = [path for path in files if path.parent.name == ".claude-plugin"]
        where = folder
        match arguments:
            case ("marketplace", "list", *_):
                content = _digest_of([plugins / "known_marketplaces.json", *manifests])
            case ("details", *_):
                where, content = None, _digest_of(files)
            case ("list", *_):
                content = _digest(sandbox, [plugins], manifests)
            case _:
                return run(cli, folder, seconds, *arguments)
        key = (where, arguments, content)
        found = known.get(key) or run(cli, folder, seconds, *arguments)
        if found.status == 0:
            known[key] = found
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PluginCli, "_run", remembered)
        yield


def _files_in(folders: Iterable[Path]) -> list[Path]:
    return [path for folder in folders for path in folder.rglob("*")]


def _digest(sandbox: Sandbox, folders: Iterable[Path] = (), more: Iterable[Path] = ()) -> str:
    """Of all content of projects, of what Claude reads in its folder, of folders and more files."""
    files = [path for pattern in CONTENT for path in sandbox.config_dir.glob(pattern)]
    state = sandbox.config_dir / ".claude.json"
    content = state.read_bytes() if state.is_file() else b"{}"
    with contextlib.suppress(ValueError, AttributeError):
        read = json.loads(content)
        content = json.dumps([read.get(each) for each in STATE]).encode()
    return _digest_of([*files, *more, *_files_in([sandbox.project.parent, *folders])], content)


def _digest_of(files: Iterable[Path], content: bytes = b"") -> str:
    found = hashlib.sha256(content)
    for path in sorted(set(files)):
        found.update(f"\0{path}\0{path.is_symlink() and path.readlink()}\0".encode())
        if path.is_file():
            found.update(path.read_bytes())
    return found.hexdigest()
