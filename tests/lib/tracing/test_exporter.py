"""Spans reach a collector that decodes them by the official schema, and cost nothing without."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

import gevent
import pytest

from opcode_htmx.lib.tracing import exporter
from opcode_htmx.lib.tracing.exporter import SpanExporter
from opcode_htmx.lib.tracing.spans import Span, Value, request_body, span_id
from tests.support.environment import free_port, until
from tests.support.outside.collector import Collector, attributes_of, collector

TRACE = "0123456789abcdef0123456789abcdef"
COUNTED: Counter[str] = Counter()


def span(name: str = "work", error: str = "", attributes: Mapping[str, Value] = {}) -> Span:
    return Span(
        trace_id=TRACE,
        span_id=span_id(TRACE, name),
        parent_id=span_id(TRACE, "run"),
        name=name,
        start=1_700_000_000.25,
        end=1_700_000_001.5,
        attributes=attributes,
        error=error,
    )


@pytest.fixture
def found() -> Iterator[Collector]:
    with collector() as found:
        yield found


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporter, "GATHER_SECONDS", 0.01)
    monkeypatch.setattr(exporter, "RETRIES", (0.01, 0.01))
    COUNTED.clear()


def exporter_to(url: str) -> SpanExporter:
    def count(result: str, number: int) -> None:
        COUNTED[result] += number

    return SpanExporter(url, {"X-Token": "t"}, {"service.name": "opcode-htmx"}, "1.0", count)


def counted(**wanted: int) -> None:
    until(lambda: wanted == COUNTED, f"{wanted}", sleep=lambda: gevent.sleep(0.01))


@pytest.mark.parametrize("ending", ["", "/", "/v1/traces", "/v1/traces/"])
def test_a_collector_gets_all_of_a_span(found: Collector, ending: str) -> None:
    sender = exporter_to(found.url + ending)
    sender.start()
    values: dict[str, Value] = {"text": "ü\ud800", "flag": True, "count": 2**40, "cost": 0.5}
    sender.add(span(error="it has failed", attributes=values))
    counted(sent=1)
    sender.stop()
    (path, headers), taken = found.requests[0], found.spans[0]
    assert (path, headers["x-token"]) == ("/v1/traces", "t")
    assert found.resources == [{"service.name": "opcode-htmx"}]
    assert (taken.trace_id.hex(), taken.name) == (TRACE, "work")
    assert taken.span_id.hex() == span_id(TRACE, "work")
    assert taken.parent_span_id.hex() == span_id(TRACE, "run")
    assert taken.end_time_unix_nano - taken.start_time_unix_nano == 1_250_000_000
    assert (taken.status.code, taken.status.message) == (2, "it has failed")
    sent = attributes_of(taken)
    assert sent.pop("text").startswith("ü")
    assert sent == {"flag": True, "count": 2**40, "cost": 0.5}


def test_a_collector_that_is_busy_is_asked_again(found: Collector) -> None:
    found.statuses = [503, 429]
    sender = exporter_to(found.url)
    sender.start()
    sender.add(span())
    counted(sent=1)
    sender.stop()
    assert len(found.requests) == 3


def test_what_a_collector_refuses_is_dropped_and_the_next_is_sent(found: Collector) -> None:
    found.statuses = [400]
    sender = exporter_to(found.url)
    sender.start()
    sender.add(span("refused"))
    counted(dropped=1)
    sender.add(span("taken"))
    counted(dropped=1, sent=1)
    sender.stop()
    assert [each.name for each in found.spans] == ["taken"]


def test_without_a_collector_spans_are_dropped_with_one_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    sender = exporter_to(f"http://127.0.0.1:{free_port()}")
    sender.start()
    for number in range(3):
        sender.add(span(str(number)))
        counted(dropped=number + 1)
    sender.stop()
    assert len([each for each in caplog.records if each.levelname == "WARNING"]) == 1


def test_the_queue_is_bounded_and_large_ones_go_in_batches(found: Collector) -> None:
    sender = exporter_to(found.url)
    for number in range(exporter.QUEUE_SIZE + 10):
        sender.add(span(str(number)))
    assert COUNTED == {"dropped": 10}
    sender.start()
    counted(dropped=10, sent=exporter.QUEUE_SIZE)
    sender.stop()
    assert len(found.requests) == exporter.QUEUE_SIZE // exporter.BATCH_SIZE
    assert found.spans[0].name == "10", "the newest are kept"


def test_what_is_queued_is_sent_at_the_end(
    found: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporter, "GATHER_SECONDS", 60)
    sender = exporter_to(found.url)
    sender.start()
    sender.add(span())
    sender.stop()
    assert COUNTED == {"sent": 1}


def test_texts_are_cut_and_times_are_in_order() -> None:
    backwards = Span(trace_id=TRACE, span_id="1" * 16, name="n" * 9000, start=5.0, end=4.0)
    body = request_body([backwards], {}, "1")
    assert len(body) < 2000
    assert body.count(b'"5000000000"') == 2
