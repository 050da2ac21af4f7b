"""Measure how long requests take, by the class of their answers. Sockets are left out."""

from __future__ import annotations

from time import perf_counter

from flask import Flask, Response, g, request

from opcode_htmx.lib.metrics.families import SECONDS, Histogram
from opcode_htmx.lib.metrics.store import MetricStore

REQUESTS = Histogram(
    "opcode_http_request_seconds",
    "Time from a request to the beginning of its answer, without sockets",
    {"status": ("2xx", "3xx", "4xx", "5xx")},
    buckets=SECONDS,
)


def register(app: Flask, metrics: MetricStore) -> None:
    """Measure from the time that request_ids.py has noted."""

    def observe(response: Response) -> Response:
        began = g.get("began")
        kind = f"{response.status_code // 100}xx"
        is_known = began is not None and kind in REQUESTS.labels["status"]
        if is_known and "Upgrade" not in request.headers:
            metrics.observe(REQUESTS, perf_counter() - began, (kind,))
        return response

    app.after_request(observe)
