"""Rows of lists are rendered again when anything in them has changed, and only then."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from markupsafe import Markup

from opcode_htmx.app import template_cache
from opcode_htmx.engines.claude.files.session_summary import FileSummary
from opcode_htmx.engines.messages import BackgroundTask, PermissionRequest
from opcode_htmx.runs.model.lifecycle import Phase
from opcode_htmx.runs.model.record import Outcome
from opcode_htmx.sessions import run_rows
from opcode_htmx.sessions.attention import AttentionItem, Reason
from opcode_htmx.sessions.locations import SessionLocation
from opcode_htmx.sessions.run_rows import KeptRows, RunRow, RunRows
from opcode_htmx.web.http import filters
from tests.support.apps.in_process import app_of, client_of
from tests.support.environment import Sandbox, write_stand_in

ROW = RunRow(
    id="r1",
    session_id="s1",
    address="/projects/p/sessions/s#end",
    project_id="p",
    project="shop",
    project_path="/home/me/shop",
    title="Plant trees",
    phase="working",
    status="Working…",
    at=1_795_000_000.0,
    live=True,
    is_at_rest=False,
)


class Page:
    """A page of one row or more, which counts how often a row was rendered."""

    def __init__(self) -> None:
        self.kept = KeptRows()
        self.looks: dict[str, Any] = {"alike": set(), "when": "started", "back": "runs"}
        self.looks |= {"token": "token", "agent_of": lambda _: "", "copy_of": lambda _: None}
        self.rendered = 0

    def show(self, *rows: RunRow, **looks: object) -> str:
        self.looks |= looks
        return "".join(self.kept.rendered(rows, self._render, **self.looks))

    def _render(self, row: RunRow, *_: object) -> Markup:
        self.rendered += 1
        return Markup("<li>{} {}</li>").format(row.title, self.rendered)


def test_row_is_kept_for_an_equal_one() -> None:
    page = Page()
    assert page.show(ROW) == page.show(replace(ROW)) == "<li>Plant trees 1</li>"


@pytest.mark.parametrize(
    "changes",
    [
        {"title": "Plant apple trees"},
        {"phase": "idle"},
        {"status": "Waiting for your answer"},
        {"warnings": ["It takes much memory."]},
        {"background": [("command", "a server")]},
        {"live": False},
    ],
)
def test_row_with_another_field_is_rendered_again(changes: dict[str, Any]) -> None:
    page = Page()
    page.show(ROW)
    assert page.show(replace(ROW, **changes)).endswith(" 2</li>")


@pytest.mark.parametrize(
    "look",
    [
        {"alike": {"shop"}},
        {"when": "since"},
        {"back": "home"},
        {"token": "other"},
        {"agent_of": {ROW.session_id: "Reviewer"}.get},
        {"copy_of": {ROW.project_path: "a copy"}.get},
    ],
    ids=lambda look: next(iter(look)),
)
def test_row_that_looks_otherwise_is_rendered_again(look: dict[str, Any]) -> None:
    page = Page()
    page.show(ROW)
    assert page.show(ROW, **look).endswith(" 2</li>")


def test_number_of_kept_rows_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_rows, "MOST_KEPT", 2)
    page = Page()
    first, *others = rows = [replace(ROW, id=f"r{number}") for number in range(3)]
    assert page.show(*rows).count("<li>") == 3
    page.show(*others)
    assert page.rendered == 3
    page.show(first)
    assert page.rendered == 4


def test_kept_row_is_the_one_that_would_be_rendered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a row shows beside its fields is one of its looks: each is changed in turn."""
    sandbox = Sandbox(tmp_path / "home").make()
    source = (
        "{% from 'run_rows.html' import run_rows with context %}"
        "{{ run_rows([run], alike, when, back) }}"
    )
    copy = SimpleNamespace(project="shop", branch="fix")
    changes: list[tuple[str, object]] = [
        *(("alike", {"shop"}), ("when", "since"), ("back", "home")),
        *(("csrf_token", lambda: "other"), ("agents_of_sessions", lambda: lambda _: "Reviewer")),
        *(("copy_of_folder", lambda _: copy), ("now", ROW.at + 7200)),
    ]
    with app_of(sandbox, write_stand_in(tmp_path / "claude"), jobs=False) as app:
        assert client_of(app).get("/runs").status_code == 200  # pages come with the first request
        environment = app.jinja_env
        kept: Any = environment.globals["kept_rows"]
        values: dict[str, object] = {"alike": set(), "when": "started", "back": "runs"}
        values |= {"csrf_token": lambda: "token", "agents_of_sessions": lambda: lambda _: ""}
        values |= {"copy_of_folder": lambda _: None, "now": ROW.at + 60}
        seen = set()
        for name, value in [("", None), *changes]:
            values = {**values, name: value} if name else values
            for each in ("csrf_token", "agents_of_sessions", "copy_of_folder"):
                monkeypatch.setitem(environment.globals, each, values[each])
            template_cache.forget_macros(environment)  # which have these functions for good
            monkeypatch.setattr(filters, "time", SimpleNamespace(time=lambda: values["now"]))  # noqa: B023
            shown = []
            for _ in range(2):
                with app.test_request_context("/runs"):
                    template = environment.from_string(source)
                    shown.append(template.render(run=ROW, **values))
                kept._kept.clear()
            with app.test_request_context("/runs"):
                template.render(run=ROW, **values)  # it is kept for the next change
            assert shown[0] == shown[1]
            assert ROW.title in shown[0]
            seen.add(shown[0])
        assert len(seen) == 1 + len(changes)


def test_row_of_a_run_is_made_anew_when_what_it_is_made_of_has_changed() -> None:
    """Each source is changed in turn: the row is the one that a new page would make."""
    summary: dict[str, Any] = {"title": "Plant trees", "cwd": "/home/me/shop"}
    place: dict[str, Any] = {"claude_folder": "p", "folder": "/home/me/shop", "project_id": "p"}
    state = SimpleNamespace(asks={}, still_running=(), phase=Phase.IDLE, sent={"x": "Plant"})
    run: Any = SimpleNamespace(id="r1", state=state, live=True, warnings={}, is_unused=False)
    paused = "Paused: the $1 for a run is used up."
    end = SimpleNamespace(outcome=Outcome.FAILED, cause=paused)
    run.record = SimpleNamespace(session_id="s1", project_path="/home/me/shop", end=end)
    run.phase, run.ahead = Phase.IDLE, 0
    item: dict[str, Any] = {"reason": Reason.DONE, "text": "Done", "at": 1_795_000_000.0}

    def of_session(_: str) -> FileSummary:
        times = 1.0, 2.0, 3, 4
        return FileSummary(summary["title"], summary["cwd"], *times, Path("/c/p"), "s1")

    def of_known(*_: object) -> SessionLocation:
        return SessionLocation("s1", place["claude_folder"], None, place["folder"])

    locations = SimpleNamespace(
        files=lambda: SimpleNamespace(summary=of_session),
        of_known=of_known,
        project_id=lambda _: place["project_id"],
    )
    lookup: Any = SimpleNamespace(locations=locations)
    budgets: Any = SimpleNamespace(stops=lambda: lambda *_: place["stop"])
    place["stop"] = paused
    kept, before = RunRows(lookup, budgets), None
    ask = PermissionRequest("q1", "Bash", {"command": "make"}, "t1", "", "", ())
    changes: list[Callable[[], object]] = [
        lambda: None,
        lambda: summary.update(title="Plant apple trees"),
        lambda: summary.update(title=""),
        lambda: state.sent.update(x="Plant pears"),
        lambda: place.update(claude_folder="other"),
        lambda: place.update(folder="/home/me/garden"),
        lambda: place.update(project_id="another"),
        lambda: item.update(text="Done at last"),
        lambda: item.update(at=1_795_000_001.0),
        lambda: item.update(reason=Reason.FAILED),
        lambda: item.update(text=paused),
        lambda: place.update(stop="Paused: the $2 for today is used up."),
        lambda: setattr(run, "warnings", {"memory": "It takes much memory."}),
        lambda: setattr(state, "still_running", (BackgroundTask("t", "local_bash", "serve"),)),
        lambda: (state.asks.update(q1=ask), item.update(reason=Reason.ASKS)),
        lambda: state.asks.update(q1=replace(ask, input={"command": "make all"})),
    ]
    for number, change in enumerate(changes):
        change()
        ((row,), _) = kept.of([AttentionItem(run, **item)], [])
        assert (([row], []), number) == (
            RunRows(lookup, budgets).of([AttentionItem(run, **item)], []),
            number,
        )
        assert row != before, number
        assert kept.of([AttentionItem(run, **item)], [])[0][0] is row
        before = row


def test_rows_say_what_a_budget_stops_now_in_the_words_of_the_session_page() -> None:
    place = SessionLocation("s1", "p", None, "/home/me/shop")
    locations = SimpleNamespace(
        files=lambda: SimpleNamespace(summary=lambda _: None),
        of_known=lambda *_: place,
        project_id=lambda _: "p",
    )
    lookup: Any = SimpleNamespace(locations=locations)
    asked = list[tuple[str, str]]()

    def stop_of(*where: str) -> str:
        asked.append(where)  # type: ignore[arg-type]
        return "Paused: the $2.00 for the day is used up."

    budgets: Any = SimpleNamespace(stops=lambda: stop_of)
    state = SimpleNamespace(asks={}, still_running=(), phase=Phase.IDLE, sent={"x": "Plant"})
    run: Any = SimpleNamespace(id="r1", state=state, live=True, warnings={}, is_unused=False)
    run.phase, run.ahead = Phase.IDLE, 0
    run.record = SimpleNamespace(
        session_id="s1", project_path="/home/me/shop", end=None, created_at=1.0
    )
    (_, (row,)) = RunRows(lookup, budgets).of([], [run])
    assert row.status == "Nothing is sent: budget used up"
    cause = "Paused: the $1.00 for a run is used up."
    run.record.end = SimpleNamespace(outcome=Outcome.FAILED, cause=cause)
    ((row,), _) = RunRows(lookup, budgets).of([AttentionItem(run, Reason.FAILED, cause, 1.0)], [])
    assert row.status == "Paused: the $2.00 for the day is used up."
    run.record.end.cause = "It crashed."
    crash = AttentionItem(run, Reason.FAILED, "It crashed.", 1.0)
    assert RunRows(lookup, budgets).of([crash], [])[0][0].status == "It crashed."
    assert set(asked) == {("s1", "/home/me/shop")}
