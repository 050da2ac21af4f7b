"""The text in which Prometheus reads metrics: its own format 0.0.4, and OpenMetrics 1.0. Pure.

Families in their declared order; a family without a series has only its description.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence

from opcode_htmx.lib.metrics.families import Counter, Family, Histogram
from opcode_htmx.lib.metrics.store import Series

TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPEN_METRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"


def render(found: Mapping[Family, Sequence[Series]], *, open_metrics: bool) -> str:
    """The text of all families, in the format TEXT or OPEN_METRICS."""
    lines: list[str] = []
    for family, series in found.items():
        lines += _head(family, open_metrics)
        for each in series:
            lines += _samples(family, each)
    if open_metrics:
        lines.append("# EOF")
    return "".join(f"{line}\n" for line in lines)


def _head(family: Family, open_metrics: bool) -> Iterator[str]:
    # of a counter, OpenMetrics names the family, and the other format its samples
    is_counter = isinstance(family, Counter)
    name = f"{family.name}_total" if is_counter and not open_metrics else family.name
    yield f"# HELP {name} {_escaped(family.meaning, quotes=open_metrics)}."
    yield f"# TYPE {name} {family.kind}"
    if open_metrics and family.unit:
        yield f"# UNIT {name} {family.unit}"


def _samples(family: Family, series: Series) -> Iterator[str]:
    labels = [
        f'{name}="{_escaped(value, quotes=True)}"'
        for name, value in zip(family.labels, series.labels, strict=True)
    ]
    if not isinstance(family, Histogram):
        name = f"{family.name}_total" if isinstance(family, Counter) else family.name
        yield f"{name}{_braces(labels)} {_number(series.values[0])}"
        return
    *counts, total = series.values
    limits = [*(repr(float(limit)) for limit in family.buckets), "+Inf"]
    sums = list(itertools.accumulate(counts))
    for limit, count in zip(limits, sums, strict=True):
        bucket = _braces([*labels, f'le="{limit}"'])
        yield f"{family.name}_bucket{bucket} {_number(count)}"
    yield f"{family.name}_count{_braces(labels)} {_number(sums[-1])}"
    yield f"{family.name}_sum{_braces(labels)} {_number(total)}"


def _braces(labels: Sequence[str]) -> str:
    return f"{{{','.join(labels)}}}" if labels else ""


def _escaped(text: str, *, quotes: bool) -> str:
    text = text.replace("\\", r"\\").replace("\n", r"\n")
    return text.replace('"', r"\"") if quotes else text


def _number(value: float) -> str:
    if math.isfinite(value):
        return str(int(value)) if value == int(value) and abs(value) < 2**53 else repr(value)
    return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"
