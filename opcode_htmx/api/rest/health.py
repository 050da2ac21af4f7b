"""/api/health: how responsive the server is, for programs that watch it."""

from __future__ import annotations

from opcode_htmx.api.schema import requests, responses
from opcode_htmx.lib.concurrency.loop_monitor import LIMIT, LoopMonitor
from opcode_htmx.web.rest.endpoint import Endpoint


def endpoints(monitor: LoopMonitor) -> tuple[Endpoint, ...]:
    def health(query: requests.HealthQuery) -> responses.Health:
        found, last = monitor.health, None
        if found.last:
            last = responses.Stall(
                ms=found.last.seconds * 1e3, at=found.last.at, by=list(found.last.by)
            )
        return responses.Health(
            since=found.since,
            busy=found.busy,
            limit_ms=LIMIT * 1e3,
            worst_ms=found.worst * 1e3,
            worst_of_minute_ms=found.worst_of_minute * 1e3,
            worst_lately_ms=monitor.worst_of(query.seconds) * 1e3,
            stalls=found.stalls,
            last=last,
        )

    return (
        Endpoint(
            method="GET",
            path="/api/health",
            tag="Server",
            summary="How long anything has kept the server from attending to everything else",
            handler=health,
            query=requests.HealthQuery,
            response=responses.Health,
        ),
    )
