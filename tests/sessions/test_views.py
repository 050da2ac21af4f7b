"""The session views that a server keeps in memory, and their sharing by viewers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from weakref import ref

import pytest
from flask import Flask

from opcode_htmx.engines.claude.files import history
from opcode_htmx.sessions import views as screens_module
from opcode_htmx.sessions.views import SessionView, SessionViews
from tests.support.apps.in_process import app_of
from tests.support.clients import api
from tests.support.environment import PASSWORD, USER, Sandbox

SESSIONS = [f"{number:08}-1111-4111-8111-111111111111" for number in range(4)]
SIZE = 100_000


@dataclass
class Reader:
    """Somebody who opens sessions, and the screens that the server had for them."""

    app: Flask
    folder: Path
    screens: SessionViews | None = None
    newest: SessionView | None = None

    def open(self, session_id: str) -> SessionView:
        address = f"/projects/{history.project_id(self.folder)}/sessions/{session_id}"
        assert self.app.test_client().get(address, auth=(USER, PASSWORD)).status_code == 200
        screen, self.newest = self.newest, None
        assert screen is not None
        assert screen.conversation.size > SIZE
        return screen


@pytest.fixture
def reader(sandbox: Sandbox, stand_in: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Reader]:
    """Of sessions of which the server keeps two and a half."""
    folder, get = sandbox.project, SessionViews.get
    for session_id in SESSIONS:
        api.session(sandbox.config_dir, folder, api.prompt("x" * SIZE, folder), session_id)
    with app_of(sandbox, stand_in) as app:
        reader = Reader(app, folder)

        def known(screens: SessionViews, *which: str) -> SessionView:
            reader.screens, reader.newest = screens, get(screens, *which)
            return reader.newest

        monkeypatch.setattr(SessionViews, "get", known)
        monkeypatch.setattr(screens_module, "KEPT_BYTES", int(2.5 * SIZE))
        yield reader


def test_session_views_are_kept_up_to_a_limit(reader: Reader) -> None:
    first, second, third = (ref(reader.open(session_id)) for session_id in SESSIONS[:3])
    assert all([first(), second(), third()])  # how long one is, is known when it has been read
    reader.open(SESSIONS[1])
    assert [first(), bool(second()), bool(third())] == [None, True, True]
    assert reader.open(SESSIONS[1]) is second()
    reader.open(SESSIONS[3])
    reader.open(SESSIONS[3])
    assert [bool(second()), third()] == [True, None]  # the view used last is kept


def test_session_view_in_use_is_kept(
    reader: Reader,
) -> None:
    looked_at = reader.open(SESSIONS[0])
    for session_id in SESSIONS[1:] * 2:
        reader.open(session_id)
    assert reader.open(SESSIONS[0]) is looked_at


def test_forgotten_session_view_is_marked_gone(reader: Reader) -> None:
    looked_at = reader.open(SESSIONS[0])
    for session_id in SESSIONS[1:] * 2:
        reader.open(session_id)
    assert reader.screens
    reader.screens.forget(SESSIONS[0])
    assert looked_at.conversation.gone
    assert reader.open(SESSIONS[0]) is not looked_at
