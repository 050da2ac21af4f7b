"""How the server itself is, for programs that watch it."""

from __future__ import annotations

from flask import Blueprint, Response

from opcode_htmx.api.schema import responses
from opcode_htmx.api.schema.envelope import answer
from opcode_htmx.lib.loop_monitor import LIMIT, LoopMonitor


def blueprint(stalls: LoopMonitor) -> Blueprint:
    api = Blueprint("api_health", __name__, url_prefix="/api")

    @api.get("/health")
    def health() -> Response:
        seen = stalls.health
        last = None
        if seen.last:
            last = responses.Stall(
                ms=seen.last.seconds * 1e3, at=seen.last.at, by=list(seen.last.by)
            )
        return answer(
            responses.Health(
                since=seen.since,
                busy=seen.busy,
                limit_ms=LIMIT * 1e3,
                worst_ms=seen.worst * 1e3,
                worst_of_minute_ms=seen.worst_of_minute * 1e3,
                stalls=seen.stalls,
                last=last,
            )
        )

    return api
