"""`/readyz` says in a sentence why this worker cannot work, to anybody, and names nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import gevent
import pytest
from flask import Flask
from gevent.event import Event

from opcode_htmx.features.context import AppContext
from opcode_htmx.features.health import readiness
from opcode_htmx.features.health.readiness import Readiness
from opcode_htmx.lib.concurrency.jobs import Job, Jobs
from tests.support.apps.in_process import app_of
from tests.support.environment import Sandbox


@pytest.fixture
def app(sandbox: Sandbox, stand_in: Path) -> Iterator[Flask]:
    with app_of(sandbox, stand_in) as app:
        yield app


def reason(app: Flask) -> str | None:
    answer = app.test_client().get("/readyz")
    assert answer.headers["Cache-Control"] == "private, no-store"
    said = answer.get_json()
    assert answer.status_code == (503 if "reason" in said else 200)
    found: str | None = said.get("reason")
    return found


def test_a_worker_is_ready_once_its_jobs_are_started_and_until_they_stop(
    sandbox: Sandbox, stand_in: Path
) -> None:
    with app_of(sandbox, stand_in, jobs=False) as app:
        context: AppContext = app.extensions["opcode_context"]
        assert reason(app) == readiness.NOT_STARTED
        context.jobs.start()
        assert reason(app) is None
        context.jobs.stop()
        assert reason(app) == readiness.NOT_STARTED


def test_a_cli_that_is_gone_is_said(
    app: Flask, stand_in: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readiness, "FRESH_SECONDS", 0.0)
    assert reason(app) is None
    stand_in.unlink()
    assert reason(app) == readiness.NO_CLAUDE


def started(*more: Job) -> Jobs:
    jobs = Jobs()
    for job in (Job("one", lambda: None, lambda: None), *more):
        jobs.add(job)
    jobs.start()
    return jobs


def test_a_job_that_did_not_start_is_said(tmp_path: Path, stand_in: Path) -> None:
    def fail() -> None:
        raise OSError("secret")

    jobs = started(Job("fails", fail, lambda: None))
    assert Readiness(jobs, tmp_path, stand_in).problem() == readiness.JOB_FAILED


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_state_folder_without_rights_is_said(tmp_path: Path, stand_in: Path) -> None:
    folder = tmp_path / "state"
    folder.mkdir(mode=0o500)
    assert Readiness(started(), folder, stand_in).problem() == readiness.NOT_WRITABLE


def test_a_state_folder_that_is_gone_is_said(tmp_path: Path, stand_in: Path) -> None:
    found = Readiness(started(), tmp_path / "gone", stand_in).problem()
    assert found == readiness.NOT_WRITABLE


def test_a_disk_that_hangs_is_said_and_holds_one_thread(
    tmp_path: Path, stand_in: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers, looks = Event(), list[int]()

    def hangs(self: Readiness) -> str:
        looks.append(1)
        answers.wait()
        return ""

    monkeypatch.setattr(readiness, "PATIENCE_SECONDS", 0.01)
    monkeypatch.setattr(readiness, "run_in_thread", lambda work: work())
    monkeypatch.setattr(Readiness, "_problem_of_files", hangs)
    ready = Readiness(started(), tmp_path, stand_in)
    assert [ready.problem() for _ in range(3)] == [readiness.NO_ANSWER] * 3
    assert len(looks) == 1
    answers.set()
    gevent.sleep(0)
    assert ready.problem() == ""
