"""A run of the real CLI is one trace, in which Claude Code's own spans have their place."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import requests

from opcode_htmx.engines.claude.demo.messages_api import MessagesApi, Scene, Text, ToolUse
from tests.features.session_page.test_live_updates import begin
from tests.support.environment import until
from tests.support.outside.collector import Collector, Span, attributes_of, collector
from tests.support.server import Server

PROMPT = "Read the secret plan"


@pytest.fixture(scope="module")
def api() -> Iterator[MessagesApi]:
    read = ToolUse("Read", {"file_path": "plan.txt"})
    with MessagesApi([Scene("read", lambda _: True, [read, Text("It is a hedge.")])]) as api:
        yield api


@pytest.fixture
def traces() -> Iterator[Collector]:
    with collector() as found:
        yield found


@pytest.fixture
def server_settings(traces: Collector) -> dict[str, str]:
    return {
        "OPCODE_TRACING_ENDPOINT": traces.url,
        "OPCODE_TRACING_HEADERS": "X-Token=for%20tests",
        # what makes Claude Code send spans of its own
        "CLAUDE_CODE_ENABLE_TELEMETRY": "1",
        "CLAUDE_CODE_ENHANCED_TELEMETRY_BETA": "1",
        "OTEL_TRACES_EXPORTER": "otlp",
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/json",
        "OTEL_EXPORTER_OTLP_ENDPOINT": traces.url,
        "OTEL_BSP_SCHEDULE_DELAY": "200",
    }


def test_a_run_is_a_trace_that_claude_joins(real_server: Server, traces: Collector) -> None:
    project = real_server.sandbox.project
    (project / "plan.txt").write_text("a secret hedge")
    begin(real_server, PROMPT)
    until(lambda: traces.named("turn"), "the turn is traced")
    run = next((real_server.sandbox.state / "runs").iterdir()).name
    until(lambda: _of_claude(traces), "Claude Code has sent spans")
    real_server.post("/runs/stop-all", {})
    root = until(lambda: traces.named("run"), "the run is traced")[0]
    turn, tool = traces.named("turn")[0], traces.named("tool Read")[0]
    assert root.trace_id.hex() == run
    assert {span.trace_id for span in (turn, tool, *_of_claude(traces))} == {root.trace_id}
    assert (root.parent_span_id, turn.parent_span_id) == (b"", root.span_id)
    assert tool.parent_span_id == turn.span_id
    assert root.start_time_unix_nano <= turn.start_time_unix_nano <= tool.start_time_unix_nano
    assert tool.start_time_unix_nano < tool.end_time_unix_nano <= turn.end_time_unix_nano
    assert attributes_of(turn)["gen_ai.usage.output_tokens"] > 0
    assert attributes_of(root)["opcode.outcome"] == "cancelled"
    interactions = [span for span in _of_claude(traces) if "interaction" in span.name]
    assert [span.parent_span_id for span in interactions] == [root.span_id]
    own = [headers for path, headers in traces.requests if "x-token" in headers]
    assert own
    assert all(headers["x-token"] == "for tests" for headers in own)
    ours = [str(span) for span in (root, turn, tool)]
    assert not [text for text in ours if "secret" in text], "no prompt and no content is sent"
    metrics = requests.get(f"{real_server.url}/metrics", timeout=30).text
    assert 'opcode_trace_spans_total{result="dropped"} 0' in metrics


def _of_claude(traces: Collector) -> list[Span]:
    return [span for span in traces.spans if span.name.startswith("claude_code")]
