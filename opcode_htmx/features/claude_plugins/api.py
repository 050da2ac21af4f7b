"""/api/plugins: the plugins, as the pages show and change them."""

from __future__ import annotations

from collections.abc import Iterator

from werkzeug.exceptions import NotFound, ServiceUnavailable

from opcode_htmx.engines.claude.config.plugin_contents import RUNNING
from opcode_htmx.features.claude_plugins import schema
from opcode_htmx.features.claude_plugins.cli import Cost, Installed, Listing
from opcode_htmx.features.claude_plugins.routes import page_after
from opcode_htmx.features.claude_plugins.service import (
    NEEDS_LOOK,
    NO_PLUGIN,
    Plugins,
    PluginView,
    is_found,
)
from opcode_htmx.sessions.configuration.act_answers import BEGUN, ClaudeAct, described
from opcode_htmx.sessions.configuration.named_project import NO_PROJECT, OfSomeProject, chosen_by
from opcode_htmx.sessions.configuration.service import ChosenProject
from opcode_htmx.web.auth.gate import current_identity
from opcode_htmx.web.rest.endpoint import Endpoint

TAG = "Plugins"
UNKNOWN_PLUGIN = {404: "There is no such project or plugin."}
NOT_LISTED = {503: "Claude could not be asked."}
CHANGED = {409: "It brings other things than those that the digest is of: look again."}
PLUGIN = "/api/plugins/of/{plugin_id}"


class PluginsApi:
    def __init__(self, plugins: Plugins) -> None:
        self._plugins = plugins

    def endpoints(self) -> tuple[Endpoint, ...]:
        return (*self._shown(), *self._acts())

    def _shown(self) -> tuple[Endpoint, ...]:
        return (
            Endpoint(
                method="GET",
                path="/api/plugins",
                tag=TAG,
                summary="Plugins: those installed, and those that the marketplaces offer",
                handler=self.all,
                response=list[schema.Plugin],
                query=schema.PluginsQuery,
                refusals={**NO_PROJECT, **NOT_LISTED},
                description="Of a project that is not trusted, only those of the user.",
                acts="pages",
            ),
            Endpoint(
                method="GET",
                path="/api/plugins/installed",
                tag=TAG,
                summary="The installed plugins with what each brings and costs",
                handler=self.installed,
                response=list[schema.DescribedPlugin],
                query=OfSomeProject,
                refusals={**NO_PROJECT, **NOT_LISTED},
                description="Claude is asked for the costs of one after the other, for about a "
                "second each.",
                acts="pages",
            ),
            Endpoint(
                method="GET",
                path=PLUGIN,
                tag=TAG,
                summary="One plugin with what it brings and costs",
                handler=self.one,
                response=schema.DescribedPlugin,
                query=OfSomeProject,
                refusals={**UNKNOWN_PLUGIN, **NOT_LISTED},
                acts="pages",
            ),
        )

    def _acts(self) -> Iterator[Endpoint]:
        for verb, summary, handler, body in (
            ("install", "Install and enable a plugin", self.install, schema.SeenPlugin),
            ("enable", "Enable a plugin", self.enable, schema.SeenPlugin),
            ("disable", "Disable a plugin", self.disable, schema.PluginChoice),
            ("update", "Update a plugin", self.update, schema.PluginChoice),
        ):
            changed = CHANGED if verb in NEEDS_LOOK else {}
            yield Endpoint(
                method="POST",
                path=f"{PLUGIN}/{verb}",
                tag=TAG,
                summary=summary,
                handler=handler,
                response=ClaudeAct,
                body=body,
                refusals={**UNKNOWN_PLUGIN, **changed},
                status=202,
                description=f"Running sessions use it at once. {BEGUN}",
            )
        yield Endpoint(
            method="DELETE",
            path=PLUGIN,
            tag=TAG,
            summary="Uninstall a plugin",
            handler=self.uninstall,
            response=ClaudeAct,
            query=schema.InstalledPluginQuery,
            refusals=UNKNOWN_PLUGIN,
            status=202,
            description=f"What it has saved is deleted, too. {BEGUN}",
        )

    # --- plugins --------------------------------------------------------------------------------

    def all(self, query: schema.PluginsQuery) -> list[schema.Plugin]:
        chosen = self._chosen(query)
        listing = listing_of(self._plugins, chosen)
        here: dict[str, list[Installed]] = {}
        for each in self._plugins.here(chosen, listing):
            if is_found(each, query.q):
                here.setdefault(each.id, []).append(each)
        installed = [
            schema.Plugin(
                id=plugin_id,
                name=found[0].name,
                marketplace=found[0].marketplace,
                version=found[0].version,
                description="",
                installed=list(map(_installed, found)),
            )
            for plugin_id, found in here.items()
        ]
        offered = [
            schema.Plugin(
                id=each.id,
                name=each.name,
                marketplace=each.marketplace,
                version=each.version,
                description=each.description,
                installed=[],
            )
            for each in listing.available
            if is_found(each, query.q) and each.id not in here
        ]
        return installed + offered

    def installed(self, query: OfSomeProject) -> list[schema.DescribedPlugin]:
        chosen = self._chosen(query)
        here = self._plugins.here(chosen, listing_of(self._plugins, chosen))
        found = [self._plugins.view(chosen, name) for name in dict.fromkeys(e.id for e in here)]
        return [_described(each) for each in found if each]

    def one(self, plugin_id: str, query: OfSomeProject) -> schema.DescribedPlugin:
        found = self._plugins.view(self._chosen(query), plugin_id)
        if found is None:
            raise NotFound(NO_PLUGIN)
        if found.problem:
            raise ServiceUnavailable(found.problem)
        return _described(found)

    def install(self, plugin_id: str, body: schema.SeenPlugin) -> ClaudeAct:
        return self._begin("install", plugin_id, body, body.digest)

    def enable(self, plugin_id: str, body: schema.SeenPlugin) -> ClaudeAct:
        return self._begin("enable", plugin_id, body, body.digest)

    def disable(self, plugin_id: str, body: schema.PluginChoice) -> ClaudeAct:
        return self._begin("disable", plugin_id, body)

    def update(self, plugin_id: str, body: schema.PluginChoice) -> ClaudeAct:
        return self._begin("update", plugin_id, body)

    def uninstall(self, plugin_id: str, query: schema.InstalledPluginQuery) -> ClaudeAct:
        return self._begin("uninstall", plugin_id, query)

    # --- shared ---------------------------------------------------------------------------------

    def _begin(
        self,
        verb: str,
        plugin_id: str,
        asked: schema.PluginChoice | schema.InstalledPluginQuery,
        digest: str = "",
    ) -> ClaudeAct:
        chosen = self._chosen(asked)
        back, by = page_after(verb, plugin_id, chosen), current_identity()
        return described(
            self._plugins.begin(verb, plugin_id, asked.scope, digest, chosen, back, by)
        )

    def _chosen(self, named: OfSomeProject) -> ChosenProject:
        return chosen_by(self._plugins.configuration, named)


def listing_of(plugins: Plugins, chosen: ChosenProject) -> Listing:
    """Raises ServiceUnavailable where Claude lists nothing."""
    listing = plugins.listing(chosen)
    if listing.problem:
        raise ServiceUnavailable(listing.problem)
    return listing


def _installed(each: Installed) -> schema.InstalledPlugin:
    return schema.InstalledPlugin(
        scope=each.scope,
        version=each.version,
        is_enabled=each.is_enabled,
        problems=list(each.problems),
    )


def _described(found: PluginView) -> schema.DescribedPlugin:
    contents = _contents(found)
    return schema.DescribedPlugin(
        id=found.id,
        name=found.name,
        marketplace=found.marketplace,
        version=found.version,
        description=contents.description if contents else "",
        installed=list(map(_installed, found.installed)),
        source=found.source,
        contents=contents,
        digest=found.digest,
        tokens=found.cost.always or None,
    )


def _contents(found: PluginView) -> schema.PluginContents | None:
    if found.contents is None:
        return None
    cost: Cost = found.cost
    parts = [
        schema.PluginPart(
            kind=each.kind.name.lower(),
            name=each.name,
            text=each.text,
            runs=each.kind in RUNNING,
            tokens_always=cost.parts[each.name][0] if each.name in cost.parts else None,
            tokens_used=cost.parts[each.name][1] if each.name in cost.parts else None,
        )
        for each in found.contents.parts
    ]
    return schema.PluginContents(
        description=found.contents.description, parts=parts, is_cut=found.contents.is_cut
    )
