"""Prometheus's own parsers read what we write, in both formats."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from prometheus_client import parser
from prometheus_client.openmetrics import parser as open_parser

from opcode_htmx.lib.metrics.exposition import render
from opcode_htmx.lib.metrics.families import Counter, Family, Gauge, Histogram
from opcode_htmx.lib.metrics.store import Series

COST = Counter(
    "opcode_cost_dollars", 'Costs, "quoted" \\ and\nin lines', {"model": ("a", 'b"\\\n')}
)
WAIT = Histogram("opcode_wait_seconds", "How long", {"kind": ("x",)}, buckets=(0.25, 1.0))
FREE = Gauge("opcode_free_bytes", "Free space")
NONE = Gauge("opcode_nothing", "Never measured")
FOUND: Mapping[Family, list[Series]] = {
    COST: [Series(("a",), (0.1 + 0.2,)), Series(('b"\\\n',), (7.0,))],
    WAIT: [Series(("x",), (1.0, 2.0, 4.0, 9.5))],
    FREE: [Series((), (float(2**60),))],
    NONE: [],
}
SAMPLES = {
    ("opcode_cost_dollars_total", (("model", "a"),)): 0.1 + 0.2,
    ("opcode_cost_dollars_total", (("model", 'b"\\\n'),)): 7.0,
    ("opcode_wait_seconds_bucket", (("kind", "x"), ("le", "0.25"))): 1,
    ("opcode_wait_seconds_bucket", (("kind", "x"), ("le", "1.0"))): 3,
    ("opcode_wait_seconds_bucket", (("kind", "x"), ("le", "+Inf"))): 7,
    ("opcode_wait_seconds_count", (("kind", "x"),)): 7,
    ("opcode_wait_seconds_sum", (("kind", "x"),)): 9.5,
    ("opcode_free_bytes", ()): float(2**60),
}


@pytest.mark.parametrize("open_metrics", [False, True])
def test_the_parser_of_prometheus_reads_every_sample_type_and_meaning(open_metrics: bool) -> None:
    text = render(FOUND, open_metrics=open_metrics)
    parse = open_parser if open_metrics else parser
    families = {each.name: each for each in parse.text_string_to_metric_families(text)}
    samples = {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for each in families.values()
        for sample in each.samples
    }
    assert samples == SAMPLES
    assert {name: each.type for name, each in families.items()} == {
        each.name: each.kind for each in FOUND
    }
    assert families[COST.name].documentation == f"{COST.meaning}."
    if open_metrics:
        assert {each.unit for each in families.values()} == {"dollars", "seconds", "bytes", ""}


def test_open_metrics_ends_with_a_mark_and_the_other_format_has_none() -> None:
    assert render({}, open_metrics=True) == "# EOF\n"
    assert render({}, open_metrics=False) == ""
