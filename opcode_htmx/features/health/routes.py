"""`/readyz`, for machines that send requests here only while they can be served."""

from __future__ import annotations

from flask import Blueprint

from opcode_htmx.features.health.readiness import Readiness


def blueprint(readiness: Readiness) -> Blueprint:
    pages = Blueprint("self_check", __name__)

    @pages.get("/readyz")
    def readyz() -> tuple[dict[str, str], int]:
        """No login is needed, so nothing is named."""
        if problem := readiness.problem():
            return {"status": "unavailable", "reason": problem}, 503
        return {"status": "ok"}, 200

    return pages
