"""Rows of lists whose HTML is kept are as they would be rendered, after any change in them."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from flask.testing import FlaskClient
from markupsafe import Markup

from opcode_htmx.engines.claude.files import history
from opcode_htmx.rendering import kept_html
from opcode_htmx.rendering.kept_html import KeptHtml
from opcode_htmx.web.http import filters
from tests.sessions.index.histories import ONE, TWO, Session
from tests.support.apps.in_process import app_of, client_of
from tests.support.environment import Sandbox, write_stand_in

OTHER = "33333333-3333-4333-8333-333333333333"
SHOP, FARM = "/srv/shop", "/srv/farm_of_trees"
PROJECT = history.project_id(Path(SHOP))
PAGES = ("/", "/?select=all", "/projects", f"/projects/{PROJECT}", f"/projects/{PROJECT}?select=1")
NOW = 1_800_000_000.0


def shown(client: FlaskClient) -> list[str]:
    """The pages, without what is another one each time."""
    found = []
    for path in PAGES:
        answer = client.get(path)
        assert answer.status_code == 200
        text = re.sub(r'name="(session_id|prompt_id)" value="[^"]*"', "", answer.text)
        found.append(re.sub(r"nonce-[^'\"]*", "", text))
    return found


def test_kept_rows_are_those_that_would_be_rendered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox = Sandbox(tmp_path / "home").make()
    first, second = Session(sandbox.config_dir, ONE, SHOP), Session(sandbox.config_dir, TWO, SHOP)
    clock = SimpleNamespace(time=lambda: NOW)
    monkeypatch.setattr(filters, "time", clock)

    def write(session: Session, act: Callable[[], object]) -> None:
        act()
        os.utime(session.path, (NOW, NOW))

    write(first, lambda: first.prompt("plant trees", at=NOW - 1_795_000_000 - 3600))
    write(second, lambda: second.prompt("water them", at=NOW - 1_795_000_000 - 7200))

    def mark(act: str, **more: str) -> None:
        fields = {"session": f"{PROJECT}/{ONE}", "act": act, "back": "/", **more}
        assert client.post("/sessions/selected", data=fields).status_code == 303

    def elsewhere() -> None:
        session = Session(sandbox.config_dir, OTHER, FARM)
        session.prompt("feed the hens", at=NOW - 1_795_000_000 - 60)

    def later() -> None:
        clock.time = lambda: NOW + 7200

    title = '{"type":"custom-title","customTitle":"Apple & pear"}\n'
    changes: list[Callable[[], object]] = [
        lambda: None,
        lambda: write(first, lambda: first.write(title)),
        lambda: mark("pin"),
        lambda: mark("tag", tags="fruit, <b>"),
        elsewhere,
        later,
        lambda: write(second, lambda: second.prompt("again", at=NOW - 1_795_000_000 - 30)),
        lambda: mark("unpin"),
        lambda: mark("archive"),
    ]
    with app_of(sandbox, write_stand_in(tmp_path / "claude"), jobs=False) as app:
        client, seen = client_of(app), set[str]()
        kept: Any = app.jinja_env.globals["kept_html"]
        for change in changes:
            change()
            with_kept = shown(client)
            kept._kept.clear()
            assert with_kept == shown(client)
            seen.add("".join(with_kept))
        assert len(seen) == len(changes)
        assert kept._kept


def test_number_of_kept_rows_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_html, "MOST", 2)
    kept = KeptHtml()
    for number in range(3):
        assert kept.keep(Markup("<li>"), "row", number) == "<li>"
    assert [kept.get("row", number) for number in range(3)] == [None, "<li>", "<li>"]
