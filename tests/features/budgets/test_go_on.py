"""A paused session goes on where Claude was, which may be another one after a `/clear`."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gevent
import pytest
from flask import Flask
from flask.testing import FlaskClient

from opcode_htmx.engines.claude.protocol import encoder, parser
from opcode_htmx.features.budgets import service
from opcode_htmx.features.budgets.service import GoOn
from opcode_htmx.features.context import AppContext
from opcode_htmx.lib.identity import SYSTEM
from opcode_htmx.runs.budgets.book import BudgetBook
from opcode_htmx.runs.budgets.figures import Limits, Scope, Standing
from opcode_htmx.runs.registry import RunNotFound
from opcode_htmx.sessions.schedules.planned import GO_ON
from tests.sessions.index.histories import ONE, TWO, Session
from tests.support.apps.in_process import client_of
from tests.support.environment import Sandbox, until

ORCHARD = Path("/work/orchard")
WAITING = "11111111-1111-4111-8111-111111111111"


class Desk:
    """A paused run of ONE that has come into TWO, with a prompt that it has not taken up."""

    def __init__(self, folder: Path) -> None:
        self.book = BudgetBook(folder)
        self.book.set_hold(ONE, "r1", Standing(Scope.RUN, 2.0, 1.0), also=TWO)
        self.known = {ONE, TWO}
        self.notified: set[str] = set()
        self.sent: list[tuple[str, str]] = []
        log = folder / "in.ndjson"
        log.write_bytes(encoder.prompt_line(WAITING, "And the pears"))
        self.run: Any = SimpleNamespace(
            id="r1",
            live=False,
            codec=SimpleNamespace(parse=parser.parse, withdrawn_line=encoder.withdrawn_line),
            folder=SimpleNamespace(input_log=log),
            record=SimpleNamespace(end=object()),
            fold_new_lines=lambda **_: None,
            state=SimpleNamespace(
                session_id=TWO, waiting={WAITING: "And the pears"}, sent={WAITING}
            ),
            note=self.note,
        )
        self.notes: list[bytes] = []
        supervisor: Any = SimpleNamespace(
            budgets=self.book,
            get=self.get,
            of_session=lambda session_id: [self.run] if session_id == ONE else [],
            changes=self.changes,
        )
        locations: Any = SimpleNamespace(of=self.location, exists=self.known.__contains__)
        self.go_on = GoOn(supervisor, SimpleNamespace(submit=self.submit), locations)  # type: ignore[arg-type]

    def location(self, session_id: str) -> Any:
        return SimpleNamespace(session_id=session_id, working_folder=ORCHARD)

    def get(self, run_id: str) -> Any:
        if self.run is None or run_id != "r1":
            raise RunNotFound
        return self.run

    def note(self, line: bytes) -> None:
        self.notes.append(line)

    def submit(self, session_id: str, _folder: Path, _id: str, text: str, **_: Any) -> None:
        self.sent.append((session_id, text))

    def changes(self, session_id: str) -> Any:
        return SimpleNamespace(notify=lambda: self.notified.add(session_id))


@pytest.mark.parametrize("decided_in", [ONE, TWO])
def test_it_goes_on_in_the_session_that_claude_is_in(tmp_path: Path, decided_in: str) -> None:
    desk = Desk(tmp_path)
    assert desk.go_on.go_on(decided_in, by=SYSTEM) == TWO
    assert desk.sent == [(TWO, GO_ON), (TWO, "And the pears")]
    assert desk.notes == [encoder.withdrawn_line(WAITING)], "it is not offered in the other one"
    assert desk.notified == {ONE, TWO}
    assert desk.go_on.go_on(decided_in, by=SYSTEM) == decided_in
    assert len(desk.sent) == 2, "once"


@pytest.mark.parametrize("lost", ["the session", "the run", "a session that is not held"])
def test_it_goes_on_where_it_was_decided_if_claudes_session_is_gone(
    tmp_path: Path, lost: str
) -> None:
    desk = Desk(tmp_path)
    if lost == "the session":
        desk.known.remove(TWO)
    elif lost == "the run":
        desk.book.release(ONE)
        desk.book.set_hold(ONE, "gone", Standing(Scope.RUN, 2.0, 1.0))
    else:
        desk.run.state.session_id = "../budgets"
    assert desk.go_on.go_on(ONE, by=SYSTEM) == ONE
    assert desk.sent == [(ONE, GO_ON), (ONE, "And the pears")]
    assert desk.notes == []


@pytest.fixture
def client(app: Flask, sandbox: Sandbox) -> FlaskClient:
    for each in (ONE, TWO):
        Session(sandbox.config_dir, each, str(sandbox.project)).prompt("Water the trees")
    return client_of(app)


def test_the_person_is_led_to_the_session_in_which_claude_goes_on(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service.GoOn, "go_on", lambda *_, **__: TWO)
    address = f"/budgets/held/{ONE}/go-on"
    assert client.post(address).headers["Location"].endswith(f"/sessions/{TWO}#end")
    by_script = client.post(address, headers={"HX-Request": "true"})
    assert by_script.headers["HX-Redirect"].endswith(f"/sessions/{TWO}#end")
    same = client.post(f"/budgets/held/{TWO}/go-on", headers={"HX-Request": "true"})
    assert "HX-Redirect" not in same.headers


def test_a_program_allows_more_or_leaves_a_session_stopped(
    client: FlaskClient, app: Flask, sandbox: Sandbox
) -> None:
    context: AppContext = app.extensions["opcode_context"]
    book = context.runs.budgets
    book.set_limits(Limits(day=1.0))
    book.spending.record("r1", ONE, sandbox.project, 1.25, before=0.0)
    (standing,) = book.standings("r1", sandbox.project)
    for each in (ONE, TWO):
        book.set_hold(each, f"r-{each}", standing, was_working=False)
    held = client.get("/api/budgets/held").get_json()["data"]
    assert [each["session_id"] for each in held] == [TWO, ONE]
    assert held[0] | {"paused_at": 0} == {
        "session_id": TWO,
        "cause": "Paused: the $1.00 for the day is used up.",
        "scope": "day",
        "spent": 1.25,
        "limit": 1.0,
        "paused_at": 0,
    }
    little = client.post(f"/api/budgets/held/{ONE}/go-on", json={"more": 0.25})
    assert (little.status_code, book.extra_today) == (409, 0.0)
    for wrong in ({"more": -1}, {"more": 1e9}, {"more": "NaN"}, {"more": True}, {"a": 1}):
        answer = client.post(f"/api/budgets/held/{ONE}/go-on", json=wrong)
        assert answer.status_code in (400, 422), wrong
    for _ in range(2):
        answer = client.post(f"/api/budgets/held/{ONE}/go-on", json={"more": 0.5})
        assert answer.get_json()["data"] == {"session_id": ONE}
    assert book.extra_today == 0.5, "once"
    assert client.post(f"/api/budgets/held/{TWO}/stop").status_code == 200
    assert client.get("/api/budgets/held").get_json()["data"] == []
    assert client.put("/api/budgets", json={"day": True}).status_code in (400, 422)
    unknown = client.post(f"/api/budgets/held/{'9' * 32}/go-on", json={})
    assert unknown.status_code == 404


def test_a_run_that_has_come_into_another_session_goes_on_there(
    client: FlaskClient, app: Flask, sandbox: Sandbox
) -> None:
    context: AppContext = app.extensions["opcode_context"]
    init = {"type": "system", "subtype": "init", "session_id": TWO}
    steps = [["say", init], ["text", "Cleared."], ["exit after turn", 0]]
    ids = {"session_id": str(uuid.uuid4()), "prompt_id": str(uuid.uuid4())}
    form = {"folder": str(sandbox.project), "prompt": json.dumps(steps), **ids}
    begun = client.post("/sessions", data=form).headers["Location"].partition("#")[0]
    session_id = begun.rpartition("/")[2]
    (run,) = context.runs.of_session(session_id)
    until(lambda: run.record.end is not None, "it has ended", sleep=lambda: gevent.sleep(0.05))
    context.runs.budgets.set_hold(session_id, run.id, Standing(Scope.RUN, 2.0, 1.0), also=TWO)
    answer = client.post(f"/budgets/held/{session_id}/go-on")
    assert answer.headers["Location"].endswith(f"/sessions/{TWO}#end")
    (there,) = context.runs.of_session(TWO)
    assert there.record.session_id == TWO
    assert GO_ON in (sandbox.state / "runs" / there.id / "in.ndjson").read_text()
    assert context.runs.of_session(session_id) == [run]
    there.stop(by=SYSTEM)
