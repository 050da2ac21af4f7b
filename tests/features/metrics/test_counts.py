"""What happens in runs is counted, and what there is now is measured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import gevent
import pytest
from flask import Flask
from prometheus_client import parser
from prometheus_client.openmetrics import parser as open_parser

from opcode_htmx.app.metrics import families as metric_families
from opcode_htmx.app.registry import FEATURES
from opcode_htmx.features.context import AppContext
from opcode_htmx.features.metrics.counts import FAMILIES, RunCounts
from opcode_htmx.lib.identity import owner
from opcode_htmx.lib.metrics.store import MetricStore
from opcode_htmx.runs.events.types import (
    PermissionAnswered,
    PermissionAsked,
    PromptSubmitted,
    RunEnded,
    RunEvent,
    RunStarted,
    RunWarned,
    TurnEnded,
    Usage,
)
from opcode_htmx.runs.model.record import Outcome
from tests.support.apps.in_process import app_of
from tests.support.environment import USER, Sandbox, until, write_stand_in

OPEN_METRICS = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3"

COMMON = {
    "at": 1.0,
    "run_id": "run",
    "session_id": "a-session",
    "project_path": "/work/secret-project",
    "by": owner(USER),
}


def event(kind: type[RunEvent], **content: object) -> RunEvent:
    return kind(**{"id": f"run.{kind.__name__}", **COMMON, **content})  # type: ignore[arg-type]


USAGE = Usage(10, 20, 300, 40, 0.25, 0.5, "some-model", 1500)
UNKNOWN_COST = Usage(1, 2, 3, 4, None, None, "some-model", 100)
EVENTS = (
    event(RunStarted),
    event(PromptSubmitted, prompt_id="p", characters=3, images=0),
    event(TurnEnded, prompt_ids=(), is_error=False, reason="completed", usage=USAGE),
    event(TurnEnded, prompt_ids=(), is_error=True, reason="failed", usage=UNKNOWN_COST),
    event(TurnEnded, prompt_ids=(), is_error=True, reason="aborted_streaming", usage=UNKNOWN_COST),
    event(PermissionAsked, request_id="r", tool_name="Bash"),
    event(PermissionAnswered, request_id="r", tool_name="Bash", allowed=False),
    event(RunWarned, about="memory", text="Much."),
    event(RunWarned, about="something of a later version", text="Much."),
    event(RunEnded, outcome=Outcome.TIMED_OUT, cause="", exit_status=0),
)
COUNTED = {
    "opcode_runs_started": {(): 1},
    "opcode_prompts": {(): 1},
    "opcode_runs_ended": {("timed_out",): 1},
    "opcode_turns": {("completed",): 1, ("failed",): 1, ("interrupted",): 1},
    "opcode_tokens": {
        ("input",): 12,
        ("output",): 24,
        ("cache_read",): 306,
        ("cache_write",): 48,
    },
    "opcode_cost_dollars": {(): 0.25},
    "opcode_permission_requests": {(): 1},
    "opcode_permission_answers": {("denied",): 1},
    "opcode_run_warnings": {("memory",): 1, ("other",): 1},
}


def test_each_kind_of_event_is_counted(tmp_path: Path) -> None:
    store = MetricStore(tmp_path / "metrics", FAMILIES)
    counts = RunCounts(store)
    for each in EVENTS:
        counts.count(each)
    found = {
        family.name: {each.labels: each.values[0] for each in series if any(each.values)}
        for family, series in store.read().items()
        if family.kind == "counter"
    }
    assert found == COUNTED
    turns = next(series for family, series in store.read().items() if family.kind == "histogram")
    assert sum(turns[0].values[:-1]) == 3
    assert turns[0].values[-1] == pytest.approx(1.7)


@pytest.fixture(scope="module")
def app(integration: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    sandbox = Sandbox(tmp_path_factory.mktemp("metrics") / "home").make()
    with app_of(sandbox, write_stand_in(sandbox.home / "claude")) as app:
        yield app


def values(app: Flask) -> Mapping[tuple[str, tuple[str, ...]], float]:
    """The samples by their names and the values of their labels, as Prometheus reads them."""
    answer = app.test_client().get("/metrics")
    assert answer.content_type == "text/plain; version=0.0.4; charset=utf-8"
    families = parser.text_string_to_metric_families(answer.text)
    return {
        (sample.name, tuple(sample.labels.values())): sample.value
        for family in families
        for sample in family.samples
    }


def test_events_of_the_bus_are_counted_once(app: Flask) -> None:
    context: AppContext = app.extensions["opcode_context"]
    before = values(app)["opcode_runs_started_total", ()]
    for number in range(3):
        context.events.emit(event(RunStarted, id=f"run{number}.run_started"))
    until(
        lambda: values(app)["opcode_runs_started_total", ()] == before + 3,
        "all are counted",
        sleep=lambda: gevent.sleep(0.02),
    )


def test_what_there_is_now_is_measured(app: Flask) -> None:
    found = values(app)
    assert found["opcode_workers", ()] == 1
    assert found["opcode_runs", ("working",)] == 0
    assert found["opcode_server_memory_bytes", ("worker",)] > 20_000_000
    assert 0 < found["opcode_disk_free_bytes", ()] <= found["opcode_disk_size_bytes", ()]
    assert not [name for name, _ in found if "index" in name], "there is no index here"


def test_refused_logins_are_counted(app: Flask) -> None:
    before = values(app)["opcode_logins_refused_total", ("wrong",)]
    wrong = {"Authorization": "Basic b3Bjb2RlOndyb25n"}
    assert app.test_client().get("/api/projects", headers=wrong).status_code == 401
    assert values(app)["opcode_logins_refused_total", ("wrong",)] == before + 1


def test_requests_are_counted_by_their_answers(app: Flask) -> None:
    name = "opcode_http_request_seconds_count"
    before = values(app)
    app.test_client().get("/nowhere")
    after = values(app)
    assert after[name, ("4xx",)] == before[name, ("4xx",)] + 1
    assert after[name, ("2xx",)] == before[name, ("2xx",)] + 1, "the first one here"
    assert after[name, ("5xx",)] == 0


def test_open_metrics_is_sent_to_those_that_ask_for_it(app: Flask) -> None:
    client = app.test_client()
    answer = client.get("/metrics", headers={"Accept": OPEN_METRICS})
    assert answer.content_type.startswith("application/openmetrics-text; version=1.0.0")
    families = open_parser.text_string_to_metric_families(answer.text)  # type: ignore[no-untyped-call]
    found = {each.name for each in families}
    declared = {each.name for each in metric_families.of(FEATURES)}
    assert found == declared
    for other in ("*/*", "text/plain", "application/openmetrics-text;version=0.0.1", "x/y;q=z"):
        kind = client.get("/metrics", headers={"Accept": other}).content_type
        assert kind.startswith("text/plain"), other


def test_no_name_or_id_becomes_a_series(app: Flask) -> None:
    text = app.test_client().get("/metrics").text
    for secret in ("secret-project", "a-session", "some-model", "/work"):
        assert secret not in text
    assert len(text.splitlines()) < 500
