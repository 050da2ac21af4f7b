"""What was seen on another device, also by another worker, is shown on open pages at once."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gevent
import pytest
from jinja2 import Environment

from opcode_htmx.features.session_page.snapshots import FrameScheduler
from opcode_htmx.lib.concurrency.broadcast import Broadcast
from opcode_htmx.sessions.attention import AttentionCount, AttentionList
from opcode_htmx.sessions.storage.read_positions import ReadPositions
from tests.support.apps.in_process import app_of, client_of
from tests.support.environment import Sandbox, until

SESSION = "5e551000-0000-4000-8000-000000000021"


def test_pages_are_made_anew_where_another_number_of_sessions_needs_attention() -> None:
    frames = FrameScheduler(Environment(autoescape=True), lambda: 0.0)
    needs = AttentionCount(1, 2)

    def producer(shown: AttentionCount | None) -> Any:
        conversation = SimpleNamespace(changed=Broadcast())
        view = SimpleNamespace(needs=lambda: needs, conversation=conversation)
        snapshot = None if shown is None else SimpleNamespace(needs=shown)
        return SimpleNamespace(snapshot=snapshot, view=view)

    made = [producer(each) for each in (needs, AttentionCount(1, 3), None)]
    frames._producers.update(enumerate(made))
    frames.check_needs()
    assert [each.view.conversation.changed.version for each in made] == [0, 1, 0]


@pytest.mark.usefixtures("integration")
def test_open_pages_of_each_worker_are_checked_once_sessions_were_seen(
    sandbox: Sandbox, stand_in: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    monkeypatch.setattr(FrameScheduler, "check_needs", lambda _: calls.append("check"))
    forget = AttentionList.forget

    def note(attention: AttentionList) -> None:
        calls.append("forget")
        forget(attention)

    monkeypatch.setattr(AttentionList, "forget", note)
    with app_of(sandbox, stand_in) as app:
        client_of(app).get("/")
        ReadPositions(sandbox.state / "marks.json").look(SESSION)  # as another worker does
        until(lambda: "check" in calls, "pages are checked", sleep=lambda: gevent.sleep(0.01))
    assert calls[:2] == ["forget", "check"]
