"""Claude proposes a message for what is staged: the real CLI against a scripted model."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import gevent
import pytest

from opcode_htmx.engines.claude.demo.messages_api import MessagesApi
from opcode_htmx.engines.claude.demo.script import Scene, Text
from opcode_htmx.engines.claude.files.history import project_id
from opcode_htmx.features.commits import proposals
from opcode_htmx.features.commits.services import services
from tests.features.commits.desk import Desk, changed_at
from tests.support.apps.in_process import app_of
from tests.support.environment import Sandbox, until

MESSAGE = "Demo conversation"
"""What the scripted model answers to a request without tools."""


@pytest.fixture(scope="module")
def api() -> Iterator[MessagesApi]:
    with MessagesApi([Scene("any", "", [Text("Yes.")])], keep_requests=20) as api:
        yield api


@pytest.fixture
def desk(sandbox: Sandbox, claude: Path, api: MessagesApi) -> Iterator[Desk]:
    with app_of(sandbox, claude, jobs=False, ANTHROPIC_BASE_URL=api.url) as app:
        yield Desk(app, sandbox)


def test_a_message_is_proposed_from_the_diff_without_tools_and_without_a_session(
    desk: Desk, api: MessagesApi, sandbox: Sandbox
) -> None:
    (sandbox.project / "CLAUDE.md").write_text("Always answer in verse.")
    assert desk.post("/propose").status_code == 409
    desk.repo.write("a.txt", changed_at(3))
    desk.done("/stage", path="a.txt")
    before = {path.name for path in sandbox.config_dir.rglob("*.jsonl")}
    answer = desk.post("/propose", message="Pru")
    assert answer.status_code == 303, answer.text
    acts, project = desk.context.once(services).acts, project_id(sandbox.project)
    act_id = answer.headers["Location"].rpartition("/")[2].rpartition("proposed=")[2]
    act = until(
        lambda: None if acts.get(project, act_id).is_running else acts.get(project, act_id),
        "it is answered",
        sleep=lambda: gevent.sleep(0.1),
    )
    assert act
    assert (act.message, act.result) == ("Claude has proposed a message.", MESSAGE)
    assert MESSAGE in desk.page(proposed=act_id)
    asked = [each for each in api.requests if "new 3" in json.dumps(each)]
    assert asked
    assert all(not each.get("tools") for each in asked)
    assert "in verse" not in json.dumps(asked)
    assert "\\nPru\\n" in json.dumps(asked)
    assert {path.name for path in sandbox.config_dir.rglob("*.jsonl")} == before


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ("```text\nPrune\n\n- a  \n```\n", "Prune\n\n- a"),
        ("  Prune `a`\n", "Prune `a`"),
        ("```\n```", "```\n```"),
        ("x" * 9000, "x" * proposals.MOST_CHARACTERS),
    ],
)
def test_a_message_is_taken_out_of_a_fence_and_is_not_long(answer: str, message: str) -> None:
    assert proposals.plain(answer) == message
