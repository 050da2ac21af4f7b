"""The address that Prometheus reads."""

from __future__ import annotations

from flask import Blueprint, Response, request

from opcode_htmx.features.metrics.access import MetricsSettings, refusal
from opcode_htmx.lib.metrics import exposition
from opcode_htmx.lib.metrics.store import MetricStore


def blueprint(store: MetricStore, settings: MetricsSettings) -> Blueprint:
    pages = Blueprint("metrics", __name__)

    @pages.get("/metrics")
    def metrics() -> Response:
        refused = refusal(settings.token, request.remote_addr or "", request.headers)
        if refused:
            return _refused(*refused)
        open_metrics = _wants_open_metrics()
        text = exposition.render(store.read(), open_metrics=open_metrics)
        kind = exposition.OPEN_METRICS if open_metrics else exposition.TEXT
        response = Response(text, content_type=kind)
        response.vary.add("Accept")
        return response

    return pages


def _refused(status: int, sentence: str) -> Response:
    response = Response(sentence, status, content_type="text/plain; charset=utf-8")
    if status == 401:
        response.headers["WWW-Authenticate"] = 'Bearer realm="opcode-htmx metrics"'
    return response


def _wants_open_metrics() -> bool:
    """Whether the sender reads OpenMetrics 1.0, as Prometheus does, which offers several."""
    for kind, quality in request.accept_mimetypes:
        name, _, parameters = kind.lower().replace(" ", "").partition(";")
        version = parameters.partition("version=")[2].partition(";")[0] or "1.0.0"
        if name == "application/openmetrics-text" and version == "1.0.0" and quality > 0:
            return True
    return False
