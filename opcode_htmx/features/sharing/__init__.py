"""Take what another app shares into the composer of a new session (Web Share Target)."""

from __future__ import annotations

from collections.abc import Iterable

from flask import Blueprint

from opcode_htmx.features.context import AppContext
from opcode_htmx.features.feature import Feature


def _routes(context: AppContext) -> Iterable[Blueprint]:
    from opcode_htmx.features.sharing import routes

    yield routes.blueprint(context.sessions.drafts)


FEATURE = Feature(name="sharing", routes=_routes)
