"""Agents, still empty."""

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
        )
