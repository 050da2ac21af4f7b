"""Agents run the set-up command of a copy first; it may fail, be stopped, or be cut off."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from opcode_htmx.sessions.worktrees.project_setup import ProjectSetup
from opcode_htmx.sessions.worktrees.service import SessionWorktrees
from tests.support.environment import Sandbox
from tests.support.pages.claude_pages import form_of
from tests.support.workshop import Workshop, shared_workshop

WAITS = "echo waiting; while ! test -e ../go; do sleep 0.05; done; touch ../set-up"
TASK = "Prune"


@pytest.fixture(scope="module")
def shared_jobs() -> bool:
    return True


@pytest.fixture
def workshop(shared_app: Flask, shared_home: Sandbox) -> Iterator[Workshop]:
    for workshop in shared_workshop(shared_app, shared_home):
        agent = {"name": "Pruner", "system_prompt": "You prune.", "model": "haiku"}
        workshop.api("POST", "/api/agents", 201, **agent)
        yield workshop


def sets_up(workshop: Workshop, command: str) -> None:
    workshop.service.setups.set(ProjectSetup(str(workshop.top), (), command))


def start(workshop: Workshop, **fields: Any) -> int:
    body = {"project_path": str(workshop.top), "task": TASK, "worktree": True, **fields}
    number: int = workshop.api("POST", "/api/agents/1/execute", 202, **body)
    return number


def run_of(workshop: Workshop, number: int) -> Any:
    return workshop.api("GET", f"/api/agents/runs/{number}")


def page_of(workshop: Workshop, number: int) -> str:
    return workshop.client.get(f"/agents/runs/{number}").text


def tasks(workshop: Workshop, session_id: str) -> list[str]:
    runs = workshop.context.runs.of_session(session_id)
    return [words for run in runs for words in run.state.sent.values()]


def is_running(workshop: Workshop, number: int) -> bool:
    session_id = run_of(workshop, number)["session_id"]
    return workshop.service.is_setting_up(session_id)


def wait_for(workshop: Workshop, number: int, status: str) -> Any:
    workshop.until(lambda: run_of(workshop, number)["status"] == status, f"it is {status}")
    return run_of(workshop, number)


def let_go(workshop: Workshop, number: int) -> None:
    (Path(run_of(workshop, number)["working_path"]).parent / "go").touch()


def test_a_set_up_runs_before_the_task_and_the_same_start_is_one(workshop: Workshop) -> None:
    sets_up(workshop, WAITS)
    page = workshop.client.get("/agents/1", query_string={"folder": str(workshop.top)}).text
    form = {**form_of(page), "prompt": TASK, "folder": str(workshop.top), "worktree": "on"}
    where = {workshop.post("/agents/1/run", 303, **form).headers["Location"] for _ in range(2)}
    assert where == {"/agents/runs/1"}, "there is no session yet"
    workshop.until(lambda: is_running(workshop, 1), "the set-up runs")
    assert workshop.post("/agents/1/run", 303, **form).headers["Location"] in where
    found = run_of(workshop, 1)
    session_id = found["session_id"]
    assert (found["status"], found["completed_at"], found["problem"]) == ("pending", None, None)
    assert "Setting up the copy…" in workshop.client.get("/agents/runs").text
    shown = page_of(workshop, 1)
    assert "Setting up the copy…" in shown
    assert 'http-equiv="refresh"' in shown
    assert f'href="/worktrees/starting/{session_id}"' in shown
    assert not tasks(workshop, session_id)

    let_go(workshop, 1)
    done = wait_for(workshop, 1, "completed")
    assert (Path(done["working_path"]).parent / "set-up").exists()
    assert tasks(workshop, session_id) == [TASK]
    workshop.post("/agents/1/run", 303, **form)
    assert tasks(workshop, session_id) == [TASK]
    assert len(workshop.api("GET", "/api/agents/runs")) == 1
    options = workshop.context.runs.options.options(session_id)
    assert (options.model, options.keep_running) == ("haiku", True)
    assert workshop.context.runs.options.profiles.label(session_id)[0] == "Pruner"


def test_a_set_up_that_fails_is_the_failure_of_the_run_which_can_go_on(workshop: Workshop) -> None:
    sets_up(workshop, "echo no spade; test -e ../go")
    ids = {"session_id": str(uuid.uuid4()), "prompt_id": str(uuid.uuid4())}
    number = start(workshop, **ids)
    failed = wait_for(workshop, number, "failed")
    assert failed["problem"] == "The set-up command failed. It ended with status 1."
    assert failed["completed_at"]
    assert workshop.api("GET", f"/api/agents/sessions/{number}/output") == ""
    shown = page_of(workshop, number)
    for words in ("It ended with status 1.", "See what went wrong", "Run again"):
        assert words in shown
    assert "/stop" not in shown
    going_on = f"/worktrees/starting/{ids['session_id']}"
    assert "no spade" in workshop.client.get(going_on).text
    assert start(workshop, **ids) == number, "what has failed is not tried again unasked"
    assert run_of(workshop, number)["status"] == "failed"
    assert Path(failed["working_path"]).is_dir()

    let_go(workshop, number)
    workshop.post(f"{going_on}/again")
    wait_for(workshop, number, "completed")
    assert tasks(workshop, ids["session_id"]) == [TASK]
    assert workshop.context.runs.options.profiles.label(ids["session_id"])[0] == "Pruner"
    options = workshop.context.runs.options.options(ids["session_id"])
    assert (options.model, options.keep_running) == ("haiku", True)
    assert "Open the session" in page_of(workshop, number)


@pytest.mark.parametrize("way", ["/agents/runs/{}/stop", "/worktrees/starting/{}/stop"])
def test_stop_ends_a_set_up_and_the_run_can_go_on(workshop: Workshop, way: str) -> None:
    sets_up(workshop, WAITS)
    number = start(workshop)
    workshop.until(lambda: is_running(workshop, number), "the set-up runs")
    session_id = run_of(workshop, number)["session_id"]
    assert "Stop" in workshop.client.get(f"/worktrees/starting/{session_id}").text
    workshop.post(way.format(number if "agents" in way else session_id))
    found = run_of(workshop, number)
    assert (found["status"], found["problem"]) == (
        "cancelled",
        "Stopped while the copy was set up.",
    )
    assert not is_running(workshop, number)
    let_go(workshop, number)
    assert workshop.api("POST", f"/api/agents/sessions/{number}/kill") is False
    assert not tasks(workshop, session_id)
    assert not (Path(found["working_path"]).parent / "set-up").exists()
    workshop.post(f"/worktrees/starting/{session_id}/without")
    wait_for(workshop, number, "completed")
    assert tasks(workshop, session_id) == [TASK]


def test_a_start_that_a_crash_has_cut_off_says_so_and_the_same_start_goes_on(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    sets_up(workshop, WAITS)
    ids = {"session_id": str(uuid.uuid4()), "prompt_id": str(uuid.uuid4())}
    with monkeypatch.context() as patch:  # as if the server were killed before it could do it
        patch.setattr(SessionWorktrees, "begin", lambda *_, **__: None)
        number = start(workshop, **ids)
    found = run_of(workshop, number)
    assert (found["status"], found["problem"]) == (
        "failed",
        "The server ended before the agent began.",
    )
    assert "Go on" in page_of(workshop, number)
    assert start(workshop, **ids) == number
    workshop.until(lambda: is_running(workshop, number), "the set-up runs")
    let_go(workshop, number)
    wait_for(workshop, number, "completed")
    assert tasks(workshop, ids["session_id"]) == [TASK]
    assert len(workshop.api("GET", "/api/agents/runs")) == 1


def test_a_crash_before_the_run_is_on_record_leaves_no_start_without_limits(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def kill(*_: object) -> None:
        raise Killed

    session_id = str(uuid.uuid4())
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr("opcode_htmx.features.agents.running.records.AgentRuns.add", kill)
        start(workshop, session_id=session_id)
    assert "Not begun" in workshop.client.get("/worktrees").text
    workshop.post(f"/worktrees/starting/{session_id}/again")
    assert tasks(workshop, session_id) == [TASK]
    assert workshop.context.runs.options.profiles.label(session_id)[0] == "Pruner"


def test_a_set_up_waits_for_the_decision_about_the_files_of_the_copy(workshop: Workshop) -> None:
    sets_up(workshop, "touch ../set-up")
    hook = {"Stop": [{"hooks": [{"type": "command", "command": "echo from-the-project"}]}]}
    (workshop.top / ".claude").mkdir()
    (workshop.top / ".claude" / "settings.json").write_text(json.dumps({"hooks": hook}))
    workshop.commit(workshop.top, "settings")
    body = {"project_path": str(workshop.top), "task": TASK, "worktree": True}
    workshop.api("POST", "/api/agents/1/execute", 409, **body)
    assert workshop.service.records.all() == []
    number = start(workshop, untrusted=True)
    done = wait_for(workshop, number, "completed")
    assert (Path(done["working_path"]).parent / "set-up").exists()
    assert not workshop.context.runs.options.uses_project_settings(done["session_id"])


def test_a_schedule_waits_for_the_set_up_and_notes_its_failure(workshop: Workshop) -> None:
    sets_up(workshop, f"{WAITS}; test -e ../spade")
    made = workshop.api(
        "POST",
        "/api/schedules",
        201,
        prompt=TASK,
        project_path=str(workshop.top),
        timing={"kind": "cron", "cron": "0 7 1 1 *", "zone": "UTC"},
        agent_id=1,
        in_worktree=True,
    )
    one = f"/api/schedules/{made['id']}"

    def last() -> Any:
        return workshop.api("GET", f"{one}/runs")[0]

    def is_over() -> bool:
        return last()["state"] not in ("starting", "running")

    workshop.post(f"/schedules/{made['id']}/run")
    session_id = last()["session_id"]
    workshop.until(lambda: workshop.service.is_setting_up(session_id), "the set-up runs")
    assert last()["state"] == "starting"
    page = workshop.client.get(f"/schedules/{made['id']}").text
    assert "Setting up the copy" in page
    assert f'href="/worktrees/starting/{session_id}"' in page
    let_go(workshop, 1)
    workshop.until(is_over, "it has failed")
    assert (last()["state"], last()["sentence"]) == (
        "refused",
        "The set-up command failed. It ended with status 1.",
    )
    assert not tasks(workshop, session_id)
    failed = run_of(workshop, 1)
    assert (failed["status"], failed["session_id"]) == ("failed", session_id)
    assert session_id in workshop.client.get(f"/schedules/{made['id']}").text

    (Path(failed["working_path"]).parent / "spade").touch()
    workshop.post(f"/schedules/{made['id']}/run")
    workshop.until(lambda: last()["session_id"] != session_id and is_over(), "it is over")
    assert last()["state"] == "done"
    assert last()["run_id"]
    assert tasks(workshop, last()["session_id"]) == [TASK]
