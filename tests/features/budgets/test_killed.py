"""The cost of a session whose Claude was killed, so that it does not know what it had cost."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable

import gevent
import pytest
from flask.testing import FlaskClient

from opcode_htmx.runs.budgets.book import BudgetBook
from tests.sessions.index.histories import ONE, Session
from tests.support.environment import Sandbox, runs_of, until

KILL = ["signal", 9]


def costs(total: float) -> list[object]:
    """The end of a turn, as Claude reports it: `total` is what it knows of its session."""
    end = {"subtype": "success", "uuid": str(uuid.uuid4()), "is_error": False}
    return ["say", {"type": "result", **end, "total_cost_usd": total}]


def wait() -> None:
    gevent.sleep(0.02)


@pytest.fixture
def run(client: FlaskClient, sandbox: Sandbox) -> Callable[..., float]:
    """Sends a prompt of steps, which starts a process; what the book notes for its run."""
    session = Session(sandbox.config_dir, ONE, str(sandbox.project))
    session.prompt("Water the trees")
    session.answer("Watered.")
    session.write(json.dumps({"type": "cost-state", "totalCostUSD": 0.4}) + "\n")
    page = f"/projects/{session.path.parent.name}/sessions/{ONE}"
    book = BudgetBook(sandbox.state)

    def run(*steps: object) -> float:
        number = len(runs_of(sandbox.state, ONE))
        form = {"prompt": json.dumps(steps), "prompt_id": str(uuid.uuid4())}
        answer = client.post(f"{page}/prompt", data=form)
        assert answer.status_code == 303, answer.text
        started = runs_of(sandbox.state, ONE)[number].name
        until(lambda: book.spending.has_noted(started), "its cost is noted", sleep=wait)
        session.answer("Pruned.")
        if KILL in steps:
            record = sandbox.state / "runs" / started / "run.json"
            until(lambda: json.loads(record.read_bytes())["end"], "it is dead", sleep=wait)
        return book.spending.of_run(started)

    return run


def test_a_run_costs_what_is_more_than_the_files_of_its_session_note(
    run: Callable[..., float],
) -> None:
    assert run(costs(1.0), KILL) == pytest.approx(0.6)


@pytest.mark.parametrize("total", [0.5, 1.5], ids=["less than was seen", "more than was seen"])
def test_after_a_kill_a_run_counts_from_what_claude_noted_last(
    run: Callable[..., float], sandbox: Sandbox, total: float
) -> None:
    run(costs(1.0), KILL)  # it notes nothing in the file
    assert run(costs(total)) == pytest.approx(total - 0.4)
    assert BudgetBook(sandbox.state).spending.of_today() == pytest.approx(0.6 + total - 0.4)
