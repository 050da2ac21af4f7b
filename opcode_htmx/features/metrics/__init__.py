"""Metrics of the server and its runs at /metrics, for Prometheus and what reads its format."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from flask import Blueprint

from opcode_htmx.features.context import AppContext
from opcode_htmx.features.feature import Feature
from opcode_htmx.features.metrics import counts, machine
from opcode_htmx.features.metrics.access import MetricsSettings
from opcode_htmx.lib.metrics.families import Reading
from opcode_htmx.runs.events.types import RunEvent

if TYPE_CHECKING:
    from opcode_htmx.features.metrics.counts import RunCounts
    from opcode_htmx.features.metrics.machine import Machine


def _routes(context: AppContext) -> Iterable[Blueprint]:
    from opcode_htmx.features.metrics import routes

    yield routes.blueprint(context.metrics, context.settings.of(MetricsSettings))


def _machine(context: AppContext) -> Machine:
    from opcode_htmx.features.metrics.machine import Machine
    from opcode_htmx.runs.processes.claude_process import MONITOR

    settings = context.settings
    return Machine(context.runs, context.metrics, MONITOR, settings.state_dir, settings.min_free)


def _measure(context: AppContext) -> Iterable[Reading]:
    return context.once(_machine).measure()


def _counts(context: AppContext) -> RunCounts:
    from opcode_htmx.features.metrics.counts import RunCounts

    return RunCounts(context.metrics)


def _count(context: AppContext, event: RunEvent) -> None:
    context.once(_counts).count(event)


FEATURE = Feature(
    name="metrics",
    routes=_routes,
    settings=MetricsSettings,
    on={RunEvent: _count},
    metrics=(*counts.FAMILIES, *machine.FAMILIES),
    measure=_measure,
)
