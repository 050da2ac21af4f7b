"""Whether the server answers at all, for machines that watch it; no login is needed."""

from __future__ import annotations

from flask import Blueprint

ADDRESS = "/healthz"


def blueprint() -> Blueprint:
    health = Blueprint("health", __name__)

    @health.get(ADDRESS)
    def healthz() -> dict[str, str]:
        return {"status": "ok"}

    return health
