"""The app in process over a project that is a git repository."""

from __future__ import annotations

import contextlib
import re
import subprocess
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gevent
from flask import Flask
from werkzeug.test import TestResponse

from opcode_htmx.features.context import AppContext
from opcode_htmx.lib.identity import SYSTEM
from opcode_htmx.runs.model.lifecycle import Phase
from opcode_htmx.sessions.worktrees.service import SessionWorktrees
from tests.support.apps.clearing import clear
from tests.support.apps.in_process import app_of, client_of
from tests.support.copies import fill
from tests.support.environment import SYSTEM_PATH, Sandbox, until
from tests.support.plain_git import GIT

OF_SESSIONS = (
    *("runs", "worktrees", "worktrees_kept", "worktree_projects", "worktree_setup", "races"),
    *("agents", "agent_versions", "agent_runs", "profiles", "schedules", "schedule_runs"),
    *("agent_numbers.json", "drafts", "options", "trust"),
)
"""The files and folders of the state with what a test leaves that another one would see."""


class Workshop:
    """A client of the app, and the repository `top` in the sandbox."""

    def __init__(self, app: Flask, sandbox: Sandbox) -> None:
        self.app = app
        self.top = sandbox.project.resolve()
        self.context: AppContext = app.extensions["opcode_context"]
        self.client = client_of(app)
        self.environment = {
            "PATH": sandbox.environment()["PATH"],
            "HOME": sandbox.environment()["HOME"],
        }
        gitconfig = Path(self.environment["HOME"]) / ".gitconfig"
        gitconfig.write_text("[user]\nname = Ada\nemail = ada@example.org\n")
        fill(self.top, _first_commit)

    def git(self, *arguments: str, at: Path | None = None) -> str:
        return subprocess.run(
            [*GIT, *arguments],
            cwd=at or self.top,
            env=self.environment,
            capture_output=True,
            text=True,
            check=True,
        ).stdout

    def commit(self, folder: Path, message: str) -> None:
        self.git("add", "-A", at=folder)
        self.git("commit", "-qm", message, at=folder)

    @property
    def outside(self) -> Path:
        """A folder that may not be worked in, where tests share the app."""
        return self.top.parents[2] / f"outside-{self.top.parent.name}"

    @property
    def service(self) -> SessionWorktrees:
        return self.context.sessions.worktrees

    def form(self, words: str, **more: str) -> dict[str, str]:
        ids = {"session_id": str(uuid.uuid4()), "prompt_id": str(uuid.uuid4())}
        return {"folder": str(self.top), "prompt": words, "project": "", "copy": "1", **ids, **more}

    def start(self, words: str, **more: str) -> str:
        """Begin a session in a copy; its id."""
        answer = self.client.post("/sessions", data=self.form(words, **more))
        assert answer.status_code == 303, answer.text
        found = re.search(r"/sessions/([0-9a-f-]{36})", answer.headers["Location"])
        assert found, answer.headers["Location"]
        return found[1]

    def copy_of(self, session_id: str) -> Path:
        record = self.service.of_session(session_id)
        assert record
        return Path(record.path)

    def address(self, session_id: str) -> str:
        found = self.api("GET", "/api/worktrees")
        return next(f"/worktrees/{e['id']}" for e in found if session_id in e["session_ids"])

    def api(self, method: str, path: str, status: int = 200, **body: Any) -> Any:
        answer = self.client.open(path, method=method, json=body or None)
        assert answer.status_code == status, answer.text
        return answer.get_json().get("data")

    def post(self, address: str, status: int = 303, **fields: str) -> TestResponse:
        answer = self.client.post(address, data=fields)
        assert answer.status_code == status, answer.text
        return answer

    def wait_for_turn(self, session_id: str) -> None:
        """Wait until Claude has answered in a session."""
        runs = self.context.runs
        over = (Phase.IDLE, Phase.ENDED)
        self.until(lambda: runs.of_session(session_id)[-1].phase in over, "its turn is over")

    def rest(self, session_id: str) -> None:
        """End what runs in a session, so that its copy can be changed."""
        for run in self.context.runs.of_session(session_id):
            if run.live:
                run.stop(by=SYSTEM)
        self.until(
            lambda: not any(run.live for run in self.context.runs.of_session(session_id)),
            "its runs have ended",
        )

    def until(self, condition: Callable[[], object], what: str) -> None:
        until(condition, what, sleep=lambda: gevent.sleep(0.02))


def _first_commit(top: Path) -> None:
    (top / "apple").write_text("1\n2\n3\n")
    (top / ".gitignore").write_text(".env\n")
    who = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org")
    for words in (("init", "-q", "-b", "main"), ("add", "-A"), (*who, "commit", "-qm", "first")):
        subprocess.run([*GIT, *words], cwd=top, env={"PATH": SYSTEM_PATH}, check=True)


@contextlib.contextmanager
def workshop_in(sandbox: Sandbox, claude: Path | None, most_runs: str = "") -> Iterator[Workshop]:
    """An app of its own over a sandbox whose project is a git repository."""
    with app_of(sandbox, claude, OPCODE_MAX_RUNS=most_runs) as app:
        yield Workshop(app, sandbox)


def shared_workshop(app: Flask, home: Sandbox) -> Iterator[Workshop]:
    """A repository for one test in an app that tests share, as a fixture.

    Afterwards nothing runs, and the app knows of no session, copy, race or agent.
    """
    sandbox = Sandbox(home.home, f"{uuid.uuid4().hex[:8]}/{home.name}")
    sandbox.project.mkdir(parents=True)
    workshop = Workshop(app, sandbox)
    yield workshop
    clear(app, home, *OF_SESSIONS)
