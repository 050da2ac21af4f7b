"""A real Claude in a terminal as witness: what is written on the pages is what it shows."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from tests.support.apps.in_process import app_of, client_of
from tests.support.apps.local_server import asked_once
from tests.support.cli.terminal_session import TerminalSession
from tests.support.environment import Sandbox, until
from tests.support.pages import dom
from tests.support.pages.claude_pages import form_of

MCP_SERVER = Path(__file__).parents[1] / "support" / "cli" / "mcp_server.py"
DOWN, RIGHT, ESCAPE = "\x1b[B", "\x1b[C", "\x1b"


@pytest.fixture
def client(sandbox: Sandbox, claude: Path) -> Iterator[FlaskClient]:
    with app_of(sandbox, claude) as app, asked_once(app, sandbox):
        yield client_of(app)


def save(client: FlaskClient, address: str, **typed: str) -> None:
    """Fill in the form of a page, and send it."""
    page = client.get(address)
    assert page.status_code == 200, dom.parse(page.text).text
    answer = client.post(address.partition("?")[0], data={**form_of(page.text), **typed})
    assert answer.status_code == 303, dom.parse(answer.text).text


@pytest.fixture
def terminal(
    no_word_of_the_cli: None, client: FlaskClient, sandbox: Sandbox, claude: Path
) -> Iterator[TerminalSession]:
    """Claude in the project, after a person has configured it on the pages."""
    folder = f"folder={sandbox.project}"
    allowed = {"kind": "allow", "text": "Bash(npm test:*)", "scope": "user"}
    denied = {"kind": "deny", "text": "Read(.env)", "scope": "local"}
    hook = {"event": "PreToolUse", "matcher": "Edit|Write", "hook-command": "true", "scope": "user"}
    kitchen = {"kind": "stdio", "name": "kitchen", "scope": "user"}
    started = {"command": sys.executable, "args": str(MCP_SERVER)}
    save(client, f"/claude/permissions/rule?{folder}&kind=allow", **allowed)
    save(client, f"/claude/permissions/rule?{folder}&kind=deny", **denied)
    save(client, f"/claude/hooks/new?kind=command&{folder}", **hook)
    save(client, f"/claude/mcp/new?kind=stdio&{folder}", **kitchen, **started)
    with TerminalSession(claude, sandbox, "http://127.0.0.1:9") as session:
        yield session


def test_terminal_and_pages_show_the_same(
    terminal: TerminalSession, client: FlaskClient, sandbox: Sandbox
) -> None:
    shows_the_rules_of_the_page(terminal)
    shows_the_hooks_of_the_page(terminal)
    shows_the_mcp_servers_of_the_page(terminal)
    adds_a_rule_that_the_page_shows(terminal, client, sandbox)


def shows_the_rules_of_the_page(terminal: TerminalSession) -> None:
    terminal.command("/permissions")
    assert terminal.shows("Bash(npm test:*)"), terminal.screen
    terminal.key(RIGHT)
    terminal.key(RIGHT)
    assert terminal.shows("Read(.env)"), terminal.screen
    terminal.key(ESCAPE)


def shows_the_hooks_of_the_page(terminal: TerminalSession) -> None:
    terminal.command("/hooks")
    assert terminal.shows("1 hook"), terminal.screen
    terminal.key(ESCAPE)


def shows_the_mcp_servers_of_the_page(terminal: TerminalSession) -> None:
    terminal.command("/mcp")
    assert terminal.shows("kitchen"), terminal.screen
    terminal.key(ESCAPE)


def adds_a_rule_that_the_page_shows(
    terminal: TerminalSession, client: FlaskClient, sandbox: Sandbox
) -> None:
    terminal.command("/permissions")
    assert terminal.shows("Add a new rule"), terminal.screen
    terminal.key(DOWN)
    for keys in ("\r", "Bash(make lint)", "\r", "\r"):  # the rule, and the first place for it
        terminal.type(keys)
    path = sandbox.project / ".claude" / "settings.local.json"
    until(lambda: "Bash(make lint)" in path.read_text(), "the rule is saved")
    shown = dom.parse(client.get(f"/claude/permissions?folder={sandbox.project}").text).text
    assert "Bash(make lint)" in shown
    terminal.key(ESCAPE)
