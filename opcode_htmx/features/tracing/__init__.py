"""Traces of runs for a collector of OpenTelemetry: a run is a trace, turns and tools are spans."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from opcode_htmx.features.context import AppContext
from opcode_htmx.features.feature import Feature
from opcode_htmx.features.tracing.settings import TracingSettings
from opcode_htmx.lib.concurrency.jobs import Job
from opcode_htmx.lib.metrics.families import Counter
from opcode_htmx.lib.tracing.exporter import SpanExporter
from opcode_htmx.lib.version import __version__
from opcode_htmx.runs.events.types import RunEvent

if TYPE_CHECKING:
    from opcode_htmx.features.tracing.tracer import Tracer


SPANS = Counter(
    "opcode_trace_spans",
    "Spans that a collector has taken, or that were dropped",
    {"result": ("sent", "dropped")},
)


def _exporter(context: AppContext) -> SpanExporter:
    settings = context.settings.of(TracingSettings)
    resource = {"service.name": "opcode-htmx", "service.version": __version__}
    return SpanExporter(
        settings.endpoint,
        settings.by_name,
        resource,
        __version__,
        lambda result, count: context.metrics.add(SPANS, count, (result,)),
    )


def _tracer(context: AppContext) -> Tracer:
    from opcode_htmx.features.tracing.tracer import Tracer

    return Tracer(context.runs, context.once(_exporter))


def _jobs(context: AppContext) -> Iterable[Job]:
    from opcode_htmx.features.tracing.tracer import claude_variables

    if not context.settings.of(TracingSettings).endpoint:
        return
    context.runs.add_variables(claude_variables)
    exporter = context.once(_exporter)
    yield Job("send traces", exporter.start, exporter.stop)
    yield Job("trace the runs", lambda: None, context.once(_tracer).stop)


def _trace(context: AppContext, event: RunEvent) -> None:
    if context.settings.of(TracingSettings).endpoint:
        context.once(_tracer).event(event)


FEATURE = Feature(
    name="tracing",
    settings=TracingSettings,
    on={RunEvent: _trace},
    jobs=_jobs,
    metrics=(SPANS,),
)
