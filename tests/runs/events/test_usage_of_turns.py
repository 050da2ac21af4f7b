"""Events of the real CLI have the usage that Claude's API has reported."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from opcode_htmx.engines.claude.demo import sse
from opcode_htmx.engines.claude.demo.messages_api import MessagesApi, Request, Scene, Text, ToolUse
from opcode_htmx.engines.claude.files import history
from opcode_htmx.runs.events.types import TurnEnded
from tests.runs.events.listening import only
from tests.runs.events.of_servers import BASIC, emitted, execute
from tests.support.cli.supervision import new_id
from tests.support.server import Server


@pytest.fixture
def reported(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, int]]:
    """The usage that the scripted API has reported, in order."""
    found: list[dict[str, int]] = []
    message = sse.message

    def with_cache(*arguments: Any) -> dict[str, Any]:
        whole = message(*arguments)
        number = len(found) + 1
        whole["usage"] |= {
            "input_tokens": 100 + number,
            "cache_read_input_tokens": 1000 * number,
            "cache_creation_input_tokens": 10 * number,
        }
        found.append(whole["usage"])
        return whole

    monkeypatch.setattr(sse, "message", with_cache)
    return found


@pytest.fixture
def api(reported: list[dict[str, int]]) -> Iterator[MessagesApi]:
    def said(request: Request) -> Text:
        return Text("Done." if request.last_tool_result else f"You said: {request.prompt}")

    tool = ToolUse("Bash", {"command": "touch made.txt", "description": "Make a file"})
    scenes = (Scene("write", "make the file", [tool, said]), Scene("anything", "", [said]))
    with MessagesApi(scenes) as api:
        yield api


def test_usage_of_a_turn_equals_the_usage_reported_by_the_api(
    real_server: Server, reported: list[dict[str, int]]
) -> None:
    server = real_server
    session_id = execute(server, "make the file")
    asked = ["run_started", "prompt_submitted", "permission_asked"]
    run_id = emitted(server, *asked)[0].run_id
    request_id = emitted(server, *asked)[2].request_id  # type: ignore[attr-defined]
    assert server.post(f"/runs/{run_id}/asks/{request_id}", {"decision": "allow"}).ok
    first = only(TurnEnded, emitted(server, *asked, "permission_answered", "turn_ended"))
    of_first = list(reported)
    assert len(of_first) == 2
    page = f"/projects/{history.project_id(server.sandbox.project)}/sessions/{session_id}/prompt"
    form = {"prompt": "thank you", "prompt_id": new_id()}
    assert server.post(page, form).status_code == 303
    more = ["prompt_submitted", "turn_ended"]
    *_, second = emitted(server, *asked, "permission_answered", "turn_ended", *more)
    assert isinstance(second, TurnEnded)
    total = 0.0
    for event, usages in ((first, of_first), (second, reported[2:])):
        usage = event.usage
        assert {
            "input_tokens": usage.input_tokens,
            "output_tokens": usage.output_tokens,
            "cache_read_input_tokens": usage.cache_read_tokens,
            "cache_creation_input_tokens": usage.cache_written_tokens,
        } == {name: sum(each[name] for each in usages) for name in usages[0]}
        assert usage.model.startswith("claude-")
        assert usage.duration_ms > 0
        assert usage.cost_usd is not None
        assert usage.cost_usd > 0
        total += usage.cost_usd
        assert usage.session_cost_usd == pytest.approx(total)
        assert (event.by, event.is_error, event.reason) == (BASIC, False, "completed")
        assert len(event.prompt_ids) == 1
    assert json.loads((server.sandbox.state / "runs" / run_id / "events.json").read_text())
