"""axe-core finds nothing to complain about on any page, in light and in dark."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page

from opcode_htmx.engines.claude.files.history import project_id
from scripts.browser_files import AXE
from tests.features.session_page.test_look import (
    EVERYTHING,
    everything_is_there,
    open_every_card,
    play,
)
from tests.security.hostile_project import make_hostile
from tests.support.browser import Phone
from tests.support.environment import Sandbox, Server, missing

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

OpenPhone = Callable[..., Phone]


@pytest.fixture(scope="module")
def axe() -> str:
    if not AXE.in_place():
        missing("axe-core", "run `make test`, which fetches it.")
    return (AXE.folder / "axe.min.js").read_text(encoding="utf-8")


@pytest.fixture
def server(
    sandbox: Sandbox, stand_in: Path, start_server: Callable[[Sandbox, Path], Server]
) -> Server:
    return start_server(sandbox, stand_in)


def violations(page: Page, axe: str) -> list[tuple[str, str, list[str]]]:
    """What axe-core finds: the rule, what it asks for, and the elements that miss it."""
    page.evaluate(axe)
    found: list[tuple[str, str, list[str]]] = page.evaluate(
        """async () => (await axe.run()).violations.map(
            each => [each.id, each.help, each.nodes.map(node => node.html.slice(0, 120))])"""
    )
    return found


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_no_violation_on_any_page(
    server: Server, sandbox: Sandbox, open_phone: OpenPhone, axe: str, theme: str
) -> None:
    project = project_id(sandbox.project)
    history = (
        sandbox.config_dir / "projects" / project / "5e5510a0-0000-4000-8000-000000000001.jsonl"
    )
    history.parent.mkdir(parents=True)
    history.write_text(
        f'{{"type":"user","cwd":"{sandbox.project}","message":{{"content":"Hello there"}}}}\n'
    )
    make_hostile(sandbox.project, sandbox.home / "traces")
    decision = f"/projects/{project}/sessions/{history.stem}/trust"
    phone = open_phone(server, color_scheme=theme)
    phone.forgiven.append("404")
    found = {}
    pages = ("/", "/new", "/runs", "/logins", "/nowhere", f"/projects/{project}", "/login")
    for path in (*pages, decision):
        phone.page.goto(path)
        found[path] = violations(phone.page, axe)
    assert {path: wrong for path, wrong in found.items() if wrong} == {}


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_no_violation_in_a_session_that_shows_everything(
    server: Server, sandbox: Sandbox, open_phone: OpenPhone, axe: str, theme: str
) -> None:
    phone = open_phone(server, color_scheme=theme)
    play(phone, sandbox, *EVERYTHING, ["wait", "/nowhere"])
    everything_is_there(phone)
    assert violations(phone.page, axe) == []
    open_every_card(phone.page)
    assert violations(phone.page, axe) == []
