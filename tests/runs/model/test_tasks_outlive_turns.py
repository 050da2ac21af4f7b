"""Background tasks of the real CLI are spared by limits, and listed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from opcode_htmx.engines.claude.demo.messages_api import MessagesApi, Scene, Text, ToolUse
from opcode_htmx.runs.control.run import Run
from opcode_htmx.runs.model.lifecycle import Phase
from opcode_htmx.runs.model.record import Outcome
from opcode_htmx.runs.policies.limit_monitor import Limits
from tests.support.cli.sessions import Session
from tests.support.cli.supervision import Supervision, until
from tests.support.clients.api import get
from tests.support.environment import Sandbox
from tests.support.pages import dom
from tests.support.server import Server

pytestmark = pytest.mark.timeout(180)


def bash(command: str, description: str) -> ToolUse:
    given = {"command": command, "description": description, "run_in_background": True}
    return ToolUse("Bash", given)


AGENT = {
    "description": "Look around",
    "prompt": "subwork",
    "subagent_type": "general-purpose",
    "run_in_background": True,
}
SCENES = (
    Scene("server", "dev server", [bash("until test -e over; do sleep 0.1; done", "Dev server")]),
    Scene("agent", "an agent", [ToolUse("Task", AGENT), Text("It looks.")]),
    Scene("subwork", "subwork", [ToolUse("Bash", {"command": "sleep 5; echo seen"})]),
    Scene(
        "cron",
        "a cron",
        [ToolUse("CronCreate", {"cron": "*/5 * * * *", "prompt": "again", "recurring": True})],
    ),
    Scene("anything", "", [Text("Yes.")]),
)


@pytest.fixture(scope="module")
def api() -> Iterator[MessagesApi]:
    with MessagesApi(SCENES) as api:
        yield api


@pytest.fixture
def supervision(sandbox: Sandbox, claude: Path, api: MessagesApi) -> Iterator[Supervision]:
    supervision = Supervision(sandbox, claude, api.url)
    yield supervision
    supervision.close()


def still_running(run: Run) -> list[str]:
    return [task.description for task in run.state.still_running]


def runs_beside(supervision: Supervision, prompt: str, what: str) -> Run:
    """A run whose turn is over, with something that still runs."""
    run = supervision.prompt(prompt)
    until(lambda: run.phase is Phase.IDLE and still_running(run) == [what], "it runs beside")
    return run


def test_a_command_and_an_agent_outlive_the_idle_limit_and_then_the_run_ends(
    supervision: Supervision, sandbox: Sandbox
) -> None:
    supervision.restart(limits=Limits(idle_timeout=3.0))
    run = runs_beside(supervision, "the dev server", "Dev server")
    supervision.prompt("send an agent", run.record.session_id)
    until(lambda: still_running(run) == ["Dev server", "Look around"], "both run beside")
    assert run.state.background.agents
    until(lambda: not run.state.background.agents, "the agent is done")
    until(lambda: run.state.turns == 3 and run.phase is Phase.IDLE, "Claude was notified of that")
    until(lambda: time.time() - run.folder.last_output() > 5, "much more than the limit passes")
    assert (run.phase, still_running(run)) == (Phase.IDLE, ["Dev server"])
    (sandbox.project / "over").touch()
    until(lambda: not run.live, "it ends")
    assert run.record.end
    assert run.record.end.outcome is Outcome.COMPLETED
    assert "idle minutes" in run.record.end.cause
    assert run.state.turns == 4, "Claude was notified of the end, and has answered"


def test_a_cron_outlives_the_idle_limit(supervision: Supervision) -> None:
    supervision.restart(limits=Limits(idle_timeout=1.0))
    run = runs_beside(supervision, "set a cron", "Every 5 minutes: again")
    until(lambda: time.time() - run.folder.last_output() > 3, "more than the limit passes")
    assert run.live


def test_pages_and_api_list_background_tasks(
    sandbox: Sandbox, claude: Path, api: MessagesApi, start_server: Callable[..., Server]
) -> None:
    server = start_server(sandbox, claude, api.url)
    session = Session(server, "the <dev server>")
    page = dom.parse(session.page())
    assert (page.find("status") or page).text == "Ready · 1 still running"
    assert "command Dev server" in (page.find("background") or page).text
    assert "command Dev server" in dom.parse(server.get("/runs").text).text
    (running,) = get(server, "/api/sessions/running")
    (task,) = running["background_tasks"]
    assert (task["type"], task["description"]) == ("local_bash", "Dev server")
    (sandbox.project / "over").touch()
    session.answered()
    page = dom.parse(session.page())
    assert (page.find("status") or page).text == "Ready for the next prompt"
    assert (page.find("background") or page).text == ""
