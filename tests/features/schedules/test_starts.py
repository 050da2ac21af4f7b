"""Schedules on real servers: a start happens once, with two workers and with killed ones."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import requests

from opcode_htmx.features.agents.running.records import AgentRun
from opcode_htmx.sessions.schedules.model import Occurrence, State, prompt_id_of, session_id_of
from tests.features.schedules.started import (
    SCHEDULE,
    agent_runs,
    argv_of,
    kept,
    last_minute,
    prompts_of,
    settled,
    with_agent,
)
from tests.support.cli.supervision import FOREVER, steps
from tests.support.environment import PASSWORD, USER, Sandbox, runs_of, until
from tests.support.server import Server

Start = Callable[..., Server]


def api(server: Server, method: str, path: str, body: Any = None) -> requests.Response:
    return requests.request(
        method, f"{server.url}{path}", json=body, auth=(USER, PASSWORD), timeout=30
    )


def test_two_workers_start_what_is_due_once(
    start_server: Start, sandbox: Sandbox, stand_in: Path
) -> None:
    due = last_minute()
    store = kept(sandbox, "water the trees", due)
    server = start_server(sandbox, stand_in, OPCODE_WORKERS="2")
    (occurrence,) = settled(store, State.DONE)
    assert occurrence.due == due
    session_id = session_id_of(SCHEDULE, due)
    assert occurrence.session_id == session_id
    assert prompts_of(sandbox, session_id) == [prompt_id_of(SCHEDULE, due)]

    def is_shown() -> bool:
        page = server.get(f"/schedules/{SCHEDULE}").text
        return "Done" in page and session_id in page

    until(is_shown, "the page has the outcome")
    assert "actor=system action=schedule.start" in server.log.read_text()


def test_servers_that_are_killed_again_and_again_start_an_agent_once(
    start_server: Start, sandbox: Sandbox, stand_in: Path
) -> None:
    """Whenever the kill comes: before the note, between note and start, or after the start.

    For a prompt without an agent see test_after_a_limit.py."""
    due = last_minute()
    agent_id = with_agent(sandbox)
    store = kept(sandbox, steps(["text", "watering"], FOREVER), due, agent_id=agent_id)
    session_id = session_id_of(SCHEDULE, due)
    moments: list[Callable[[], object]] = [
        lambda: (store.folder / "starter").exists(),
        lambda: store.progress(SCHEDULE).occurrences,
        lambda: agent_runs(sandbox).all(),
        lambda: list((sandbox.state / "runs").glob("*/in.ndjson")),
        lambda: store.progress(SCHEDULE).occurrences[-1].run_id,
    ]
    for moment in moments:
        server = start_server(sandbox, stand_in, OPCODE_WORKERS="2")
        until(moment, "that far", shortest=0.001)
        server.kill()
    start_server(sandbox, stand_in, OPCODE_WORKERS="2")
    settled(store, State.RUNNING)
    until(lambda: prompts_of(sandbox, session_id), "the prompt is sent")
    assert prompts_of(sandbox, session_id) == [prompt_id_of(SCHEDULE, due)]
    assert [each.agent_id for each in agent_runs(sandbox).all()] == [agent_id]


@pytest.mark.parametrize(("sent", "of_agent"), [(False, False), (False, True), (True, True)])
def test_a_start_that_a_crash_has_cut_off_is_made_once(
    start_server: Start, sandbox: Sandbox, stand_in: Path, sent: bool, of_agent: bool
) -> None:
    due = last_minute()
    agent_id = with_agent(sandbox) if of_agent else None
    store = kept(sandbox, "water the trees", due, agent_id=agent_id)
    ids = session_id_of(SCHEDULE, due), prompt_id_of(SCHEDULE, due)
    noted = Occurrence(due, State.STARTING, time.time(), *ids)
    if sent:  # and only its outcome was not noted
        settled_once = start_server(sandbox, stand_in)
        settled(store, State.DONE)
        settled_once.kill()
    elif agent_id:  # between the record of its run and the prompt
        place = str(sandbox.project)
        agent_runs(sandbox).add(
            AgentRun(0, agent_id, "Gardener", "bot", "water", "haiku", place, place, ids[0], due)
        )
    store.note(SCHEDULE, noted, handled=due)
    start_server(sandbox, stand_in, OPCODE_WORKERS="2")
    settled(store, State.DONE)
    assert prompts_of(sandbox, ids[0]) == [ids[1]]
    if agent_id:
        (run,) = agent_runs(sandbox).all()
        assert (run.agent_id, run.session_id) == (agent_id, ids[0])
        argv = argv_of(sandbox, ids[0])
        prompt = Path(argv[argv.index("--append-system-prompt-file") + 1])
        assert prompt.read_text() == "You water."
        assert argv[argv.index("--model") + 1] == "haiku"


@pytest.fixture
def own() -> str:
    """The id of a schedule of one test on the shared server."""
    return uuid.uuid4().hex


@pytest.fixture
def own_project(shared_server: Server) -> Sandbox:
    return shared_server.sandbox.with_own_project()


def test_what_was_missed_is_stated_and_not_started(
    shared_server: Server, own_project: Sandbox, own: str
) -> None:
    due = last_minute() - 7200
    store = kept(own_project, "water the trees", due, own=own)
    (occurrence,) = settled(store, State.MISSED, own=own)
    assert occurrence.sentence == "Due once while no server ran."
    assert not runs_of(own_project.state, session_id_of(own, due))
    assert "Due once while no server ran." in shared_server.get(f"/schedules/{own}").text


def test_a_run_is_stopped_when_its_time_is_used(
    shared_server: Server, own_project: Sandbox, own: str
) -> None:
    prompt = steps(["text", "so far"], FOREVER)
    store = kept(own_project, prompt, last_minute(), own=own, minutes=1)
    (running,) = settled(store, State.RUNNING, own=own)
    store.update(own, running.prompt_id, lambda each: replace(each, worked=58.0))
    (stopped,) = settled(store, State.STOPPED, own=own)
    assert stopped.sentence == "Stopped: its schedule lets Claude work for 1 minute."


def test_the_schedule_of_a_project_that_is_not_trusted_does_not_start_and_says_so(
    shared_server: Server, own_project: Sandbox, own: str
) -> None:
    settings = own_project.project / ".claude" / "settings.json"
    settings.parent.mkdir()
    settings.write_text(
        json.dumps(
            {"hooks": {"SessionStart": [{"hooks": [{"type": "command", "command": "true"}]}]}}
        )
    )
    due = last_minute()
    store = kept(own_project, "water the trees", due, own=own)
    (refused,) = settled(store, State.REFUSED, own=own)
    assert "nobody has trusted them yet" in refused.sentence
    assert not runs_of(own_project.state, session_id_of(own, due))
    page = shared_server.get(f"/schedules/{own}").text
    assert "Until then this schedule does not start" in page
    listed = api(shared_server, "GET", "/api/schedules").json()["data"]
    assert [each["trust_needed"] for each in listed if each["id"] == own] == [True]


def test_a_due_time_during_the_run_before_is_skipped_and_stated(
    shared_server: Server, own_project: Sandbox, own: str
) -> None:
    store = kept(own_project, steps(["text", "so far"], FOREVER), last_minute(), own=own)
    settled(store, State.RUNNING, own=own)
    body = {
        "prompt": "water the trees",
        "project_path": str(own_project.project),
        "timing": {"kind": "cron", "cron": "* * * * *", "zone": "UTC"},
    }
    assert api(shared_server, "PUT", f"/api/schedules/{own}", body).status_code == 200
    store.note(own, handled=last_minute() - 1)  # so that this minute is due
    skipped = settled(store, State.SKIPPED, own=own)[-1]
    assert skipped.sentence == "The run before was still at work."
    store.delete(own)  # each further minute would be due


def keeps_its_agent(server: Server, body: dict[str, Any]) -> None:
    """A schedule of an agent runs it within its budget, and not once the agent is deleted."""
    agent = {"name": "Gardener", "system_prompt": "You water."}
    agent_id = api(server, "POST", "/api/agents", agent).json()["data"]["id"]
    wanted = {**body, "agent_id": agent_id, "budget_usd": 1.5}
    for wrong, words in (
        ({"agent_id": 999}, "not there any more"),
        ({"model": "haiku"}, "its own model"),
        ({"session_id": "x"}, "choose one of the two"),
        ({"agent_id": None, "in_worktree": True}, "Only an agent"),
        ({"in_worktree": True}, "in no git repository"),
    ):
        refused = api(server, "POST", "/api/schedules", {**wanted, **wrong})
        assert (refused.status_code, words in refused.json()["error"]) == (422, True)
    (server.sandbox.project / ".git").mkdir()
    found = api(server, "POST", "/api/schedules", {**wanted, "in_worktree": True}).json()["data"]
    assert (found["agent_id"], found["in_worktree"]) == (agent_id, True)
    one = f"/api/schedules/{found['id']}"
    changed = api(server, "PUT", one, {**body, "budget_usd": 1.5}).json()["data"]
    assert (changed["agent_id"], changed["in_worktree"]) == (agent_id, False)
    (server.sandbox.project / ".git").rmdir()

    def last(session_id: str, *states: str) -> Any:
        runs = api(server, "GET", f"{one}/runs").json()["data"]
        return [e for e in runs if e["session_id"] == session_id and e["state"] in states]

    session_id = api(server, "POST", f"{one}/runs", {}).json()["data"]["session_id"]
    until(lambda: last(session_id, "done"), "the run is over")
    argv = argv_of(server.sandbox, session_id)
    assert "--append-system-prompt-file" in argv
    assert argv[argv.index("--max-budget-usd") + 1] == "1.5000"
    assert api(server, "DELETE", f"/api/agents/{agent_id}").status_code == 200
    session_id = api(server, "POST", f"{one}/runs", {}).json()["data"]["session_id"]
    (refused,) = until(lambda: last(session_id, "refused"), "it is refused")
    assert refused["sentence"] == "This agent is not there any more."
    assert not runs_of(server.sandbox.state, session_id)


def test_a_schedule_is_made_paused_started_and_deleted_over_rest(shared_server: Server) -> None:
    server, sandbox = shared_server, shared_server.sandbox
    body = {
        "prompt": "water the trees",
        "project_path": str(sandbox.project),
        "timing": {"kind": "cron", "cron": "0 7 * * MON-FRI", "zone": "Europe/Berlin"},
        "permission_mode": "plan",
        "budget_usd": 2.5,
    }
    made = api(server, "POST", "/api/schedules", body)
    assert made.status_code == 201, made.text
    found = made.json()["data"]
    assert found["words"] == "At 07:00 on Monday through Friday"
    assert len(found["next"]) == 5
    assert all("T07:00:00+0" in each for each in found["next"])
    one = f"/api/schedules/{found['id']}"
    paused = api(server, "PUT", f"{one}/paused", {"paused": True}).json()["data"]
    assert paused["paused"] is True
    session_id = api(server, "POST", f"{one}/runs", {}).json()["data"]["session_id"]

    def outcome() -> Any:
        runs = api(server, "GET", f"{one}/runs").json()["data"]
        return [each for each in runs if each["state"] == "done"]

    (run,) = until(outcome, "the run is over")
    assert (run["session_id"], run["by_hand"]) == (session_id, True)
    argv = argv_of(sandbox, session_id)
    assert argv[argv.index("--permission-mode") + 1] == "plan"
    assert argv[argv.index("--max-budget-usd") + 1] == "2.5000"
    keeps_its_agent(server, {key: body[key] for key in ("prompt", "project_path", "timing")})
    assert api(server, "DELETE", one).status_code == 200
    assert api(server, "GET", one).status_code == 404
    bad = {**body, "timing": {**body["timing"], "cron": "0 7 * *"}}  # type: ignore[dict-item]
    answer = api(server, "POST", "/api/schedules", bad)
    assert (answer.status_code, "five fields" in answer.json()["error"]) == (422, True)
