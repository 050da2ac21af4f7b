"""The dashboard and the alerts ask for metrics and labels that there are."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import yaml

from opcode_htmx.app.metrics import families as metric_families
from opcode_htmx.app.registry import FEATURES
from opcode_htmx.lib.metrics.families import Counter, Family, Histogram
from scripts.reference import ROOT

DASHBOARD = ROOT / "deploy" / "grafana" / "opcode.json"
ALERTS = ROOT / "deploy" / "prometheus" / "alerts.yml"
FAMILIES = metric_families.of(FEATURES)
SERIES = re.compile(r"\b(opcode_[a-z_]+)(?:\{([^{}]*)\})?")
LABEL = re.compile(r'([a-z_]+)=~?"([^"]*)"')
ADDED = {"job", "instance"}
"""Labels that Prometheus adds."""


def names(family: Family) -> set[str]:
    if isinstance(family, Histogram):
        return {f"{family.name}{ending}" for ending in ("_bucket", "_count", "_sum")}
    return {f"{family.name}_total" if isinstance(family, Counter) else family.name}


BY_NAME = {name: family for family in FAMILIES for name in names(family)}


def expressions() -> Iterator[str]:
    dashboard = json.loads(DASHBOARD.read_bytes())
    for panel in dashboard["panels"]:
        yield from (target["expr"] for target in panel.get("targets", ()))
    yield from (each["query"]["query"] for each in dashboard["templating"]["list"][1:])
    for group in yaml.safe_load(ALERTS.read_bytes())["groups"]:
        yield from (rule["expr"] for rule in group["rules"])


def test_every_metric_that_is_asked_for_is_declared_with_these_labels() -> None:
    asked = [match for each in expressions() for match in SERIES.finditer(each)]
    assert len(asked) > 40
    for name, labels in (match.groups() for match in asked):
        assert name in BY_NAME, name
        family = BY_NAME[name]
        for label, value in LABEL.findall(labels or ""):
            if label == "le":
                assert float(value) in getattr(family, "buckets", ()), (name, value)
            elif label not in ADDED:
                assert value in family.labels[label], (name, label, value)


def test_the_dashboard_shows_every_metric() -> None:
    shown = {match[1] for each in expressions() for match in SERIES.finditer(each)}
    missing = {family.name for family in FAMILIES if not names(family) & shown}
    assert missing <= {"opcode_disk_size_bytes", "opcode_index_available", "opcode_index_lag_bytes"}


def test_panels_do_not_overlap_and_have_titles() -> None:
    panels = json.loads(DASHBOARD.read_bytes())["panels"]
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert panel["title"]
        assert not cells & taken, panel["title"]
        assert all(x < 24 for x, _ in cells)
        taken |= cells
    assert len({panel["id"] for panel in panels}) == len(panels)
