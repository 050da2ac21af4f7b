"""Agents and usage, both still empty."""

from __future__ import annotations

from opcode_htmx.api.schema import responses
from opcode_htmx.web.rest.endpoint import Endpoint

TAG = "Catalog"


class CatalogApi:
    def endpoints(self) -> tuple[Endpoint, ...]:
        return (
            Endpoint(
                method="GET",
                path="/api/agents",
                tag=TAG,
                summary="Agents: none yet",
                handler=list,
                response=list[responses.Agent],
            ),
            Endpoint(
                method="GET",
                path="/api/usage",
                tag=TAG,
                summary="Usage: not counted yet",
                handler=list,
                response=list[responses.UsageEntry],
            ),
        )
