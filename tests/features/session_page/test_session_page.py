"""A page rendered while Claude writes receives the output that it does not show yet."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import pytest

from opcode_htmx.engines.claude.files import history
from opcode_htmx.rendering.fragments import Fragments
from opcode_htmx.sessions.views import SessionView, SessionViews
from opcode_htmx.transcript.blocks import Block
from opcode_htmx.transcript.conversation.cursor import Cursor
from tests.support import api
from tests.support.environment import PASSWORD, USER, Sandbox
from tests.support.in_process import app_of

SESSION = "11111111-1111-4111-8111-111111111111"


def test_output_during_page_rendering_is_sent_to_the_page(
    sandbox: Sandbox, stand_in: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = sandbox.project
    path = api.session(sandbox.config_dir, folder, api.prompt("first", folder), SESSION)
    render, get, screens = Fragments.render, SessionViews.get, list[SessionView]()

    def interrupted(fragments: Fragments, blocks: Iterable[Block]) -> None:
        """Other greenlets run, and one of them folds the lines written meanwhile."""
        render(fragments, blocks)
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
