"""/api/plugins/marketplaces: where plugins come from, as the page shows and changes it."""

from __future__ import annotations

from opcode_htmx.features.claude_plugins import schema
from opcode_htmx.features.claude_plugins.api import NOT_LISTED, TAG, listing_of
from opcode_htmx.features.claude_plugins.marketplace_routes import page_of
from opcode_htmx.features.claude_plugins.service import Plugins
from opcode_htmx.sessions.configuration.act_answers import BEGUN, ClaudeAct, described
from opcode_htmx.sessions.configuration.named_project import NO_PROJECT, OfSomeProject, chosen_by
from opcode_htmx.sessions.configuration.service import ChosenProject
from opcode_htmx.web.auth.gate import current_identity
from opcode_htmx.web.rest.endpoint import Endpoint

NO_MARKETPLACE = {404: "There is no such project or marketplace."}
ALL, ONE = "/api/plugins/marketplaces", "/api/plugins/marketplaces/{marketplace}"


class MarketplacesApi:
    def __init__(self, plugins: Plugins) -> None:
        self._plugins = plugins

    def endpoints(self) -> tuple[Endpoint, ...]:
        return (
            Endpoint(
                method="GET",
                path=ALL,
                tag=TAG,
                summary="The marketplaces",
                handler=self.all,
                response=list[schema.PluginMarketplace],
                query=OfSomeProject,
                refusals={**NO_PROJECT, **NOT_LISTED},
                acts="pages",
            ),
            Endpoint(
                method="POST",
                path=ALL,
                tag=TAG,
                summary="Add a marketplace",
                handler=self.add,
                response=ClaudeAct,
                body=schema.NewMarketplace,
                refusals=NO_PROJECT,
                status=202,
                description=BEGUN,
            ),
            Endpoint(
                method="POST",
                path=f"{ONE}/update",
                tag=TAG,
                summary="Fetch what a marketplace offers now",
                handler=self.update,
                response=ClaudeAct,
                body=OfSomeProject,
                refusals=NO_MARKETPLACE,
                status=202,
                description=BEGUN,
            ),
            Endpoint(
                method="DELETE",
                path=ONE,
                tag=TAG,
                summary="Remove a marketplace",
                handler=self.remove,
                response=ClaudeAct,
                query=OfSomeProject,
                refusals=NO_MARKETPLACE,
                status=202,
                description=f"Its installed plugins are removed with it. {BEGUN}",
            ),
        )

    def all(self, query: OfSomeProject) -> list[schema.PluginMarketplace]:
        listing = listing_of(self._plugins, self._chosen(query))
        counts = listing.counts()
        return [
            schema.PluginMarketplace(
                name=each.name, source=each.source, available=counts[each.name]
            )
            for each in listing.marketplaces
        ]

    def add(self, body: schema.NewMarketplace) -> ClaudeAct:
        chosen = self._chosen(body)
        back, by = page_of(chosen), current_identity()
        return described(self._plugins.add_marketplace(body.source, chosen, back, by))

    def update(self, marketplace: str, body: OfSomeProject) -> ClaudeAct:
        return self._on("update", marketplace, body)

    def remove(self, marketplace: str, query: OfSomeProject) -> ClaudeAct:
        return self._on("remove", marketplace, query)

    def _on(self, verb: str, name: str, asked: OfSomeProject) -> ClaudeAct:
        chosen = self._chosen(asked)
        back, by = page_of(chosen), current_identity()
        return described(self._plugins.on_marketplace(verb, name, chosen, back, by))

    def _chosen(self, named: OfSomeProject) -> ChosenProject:
        return chosen_by(self._plugins.configuration, named)
