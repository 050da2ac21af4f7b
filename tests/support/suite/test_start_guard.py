"""Unit tests are identified by their fixtures, and must not start servers, browsers or the CLI."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import gevent
import pytest
from gevent import subprocess as gevent_subprocess

from tests.support.environment import Sandbox, find_claude
from tests.support.pages.browser import launched
from tests.support.server import Server
from tests.support.suite.start_guard import guard, part_started_by

CLI = Path("/opt/claude")
COMMANDS = {
    "the real CLI": ([str(CLI), "--version"], "the Claude CLI"),
    "gunicorn": (["gunicorn", "app:app"], "a server"),
    "gunicorn as a module": ([sys.executable, "-m", "gunicorn", "app:app"], "a server"),
    "the app": ([sys.executable, "-m", "opcode_htmx"], "a server"),
    "an installed app": (["/venv/bin/opcode-htmx"], "a server"),
    "git": (["git", "init"], ""),
    "python": ([sys.executable, "-c", "pass"], ""),
    "a stand-in": (["/tmp/claude", "--version"], ""),
    "the CLI as an argument": (["cat", str(CLI)], ""),
}


@pytest.mark.parametrize(("words", "part"), COMMANDS.values(), ids=COMMANDS.keys())
def test_commands_are_known_by_their_program(words: list[str], part: str) -> None:
    assert part_started_by(words, CLI) == part


def refused(start: Callable[[], object]) -> None:
    with pytest.raises(pytest.fail.Exception, match="a unit test started"):
        start()
    with pytest.raises(pytest.fail.Exception):  # also if the app had swallowed the first one
        guard.check()


def test_unit_test_cannot_start_a_server(sandbox: Sandbox) -> None:
    refused(Server(sandbox, Path("claude"), "").start)


def test_unit_test_cannot_start_a_browser() -> None:
    refused(launched().__enter__)


@pytest.mark.parametrize("popen", [subprocess.Popen, gevent_subprocess.Popen])
def test_unit_test_cannot_start_the_cli(popen: Callable[[list[str]], object]) -> None:
    cli = find_claude()
    if cli is None:
        pytest.skip("The Claude CLI was not found.")
    refused(lambda: popen([os.fspath(cli), "--version"]))


def test_start_in_a_greenlet_is_not_lost() -> None:
    greenlet = gevent.spawn(subprocess.Popen, ["gunicorn"])
    with pytest.raises(pytest.fail.Exception):
        greenlet.get()
    with pytest.raises(pytest.fail.Exception):
        guard.check()


def test_mark_follows_from_the_fixtures(request: pytest.FixtureRequest) -> None:
    def marks(item: pytest.Item) -> bool:
        return item.get_closest_marker("unit") is not None

    uses = {
        item: "integration" in getattr(item, "fixturenames", ()) for item in request.session.items
    }
    assert marks(request.node)
    assert [item for item in uses if marks(item) == uses[item]] == []
