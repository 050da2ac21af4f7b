"""A page rendered while Claude writes receives the output that it does not show yet."""

from __future__ import annotations

import re
from collections.abc import Iterable
from html import unescape
from pathlib import Path

import pytest

from opcode_htmx.engines.claude.files import history
from opcode_htmx.features.session_page.live_updates import _for_host
from opcode_htmx.rendering.fragments import Fragments
from opcode_htmx.sessions.views import SessionView, SessionViews
from opcode_htmx.transcript.blocks import Block
from opcode_htmx.transcript.conversation.cursor import Cursor
from opcode_htmx.web.websocket.registry import TextFrame
from tests.support.apps.in_process import app_of
from tests.support.clients import api
from tests.support.environment import PASSWORD, USER, Sandbox

SESSION = "11111111-1111-4111-8111-111111111111"


@pytest.mark.parametrize(
    ("host", "is_here"),
    [("localhost:8080", True), ("127.0.0.1", True), ("192.168.1.5:8080", False)],
)
def test_a_link_to_localhost_leads_to_its_preview_from_elsewhere(
    sandbox: Sandbox, stand_in: Path, host: str, is_here: bool
) -> None:
    lines = [api.prompt("see http://localhost:5173/x", sandbox.project) for _ in range(40)]
    api.session(sandbox.config_dir, sandbox.project, "".join(lines), SESSION)
    address = f"/projects/{history.project_id(sandbox.project)}/sessions/{SESSION}"
    with app_of(sandbox, stand_in) as app:
        client = app.test_client()
        options = {"auth": (USER, PASSWORD), "base_url": f"http://{host}"}
        page = client.get(address, **options).text
        earlier = re.search(r'data-earlier="([^"]+)"', page)
        assert earlier
        older = client.get(unescape(earlier[1]), **options).text
        live = _for_host(TextFrame(page.encode()), host.partition(":")[0], address).text
        led = client.get(f"{address}/preview/link?to=http%3A%2F%2Flocalhost%3A5173%2Fx", **options)
        there = client.get(led.headers["Location"], **options).text
    preview = f"{address}/preview/link?to=http%3A%2F%2Flocalhost%3A5173%2Fx"
    for html in (page, older, live):
        shown = set(re.findall(r'href="([^"]*5173[^"]*)"', html))
        assert shown == {"http://localhost:5173/x" if is_here else preview}
        assert set(re.findall(r">http://([^<]*):5173/x<", html)) == {"localhost"}
    assert "Nothing that this session has started listens on port 5173 now." in there
    assert f'href="http://{host.partition(":")[0]}:5173/x"' in there


def test_output_during_page_rendering_is_sent_to_the_page(
    sandbox: Sandbox, stand_in: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = sandbox.project
    path = api.session(sandbox.config_dir, folder, api.prompt("first", folder), SESSION)
    render, get, screens = Fragments.render, SessionViews.get, list[SessionView]()

    def interrupted(fragments: Fragments, blocks: Iterable[Block]) -> None:
        """Other greenlets run, and one of them folds the lines written meanwhile."""
        render(fragments, blocks)
        if not screens or fragments is not screens[-1].fragments:
            return  # of a page of an earlier test, whose older blocks are prepared now
        with path.open("a", encoding="utf-8") as file:
            file.write(api.prompt("plum tree", folder))
        screens[-1].conversation.refresh()

    def known(self: SessionViews, *which: str) -> SessionView:
        screens.append(get(self, *which))
        return screens[-1]

    address = f"/projects/{history.project_id(folder)}/sessions/{SESSION}"
    with app_of(sandbox, stand_in) as app:
        monkeypatch.setattr(SessionViews, "get", known)
        monkeypatch.setattr(Fragments, "render", interrupted)
        page = app.test_client().get(address, auth=(USER, PASSWORD)).text
        assert ("first" in page, "plum tree" in page) == (True, False)
        cursor = re.search(r'id="cursor" value="([0-9:]+)"', page)
        assert cursor
        screen = screens[-1]
        changes = screen.conversation.changes_since(Cursor.parse(cursor[1]))
        assert "plum tree" in screen.fragments.changes(changes)
