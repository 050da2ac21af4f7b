"""What the pages of the plugins show, and the acts, with a reload in the running sessions."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import field
from pathlib import Path

from opcode_htmx.engines.claude.config import plugin_contents
from opcode_htmx.engines.claude.config.plugin_contents import Contents
from opcode_htmx.engines.trust import Kind
from opcode_htmx.features.claude_plugins.cli import (
    ID,
    NAME,
    Available,
    Cost,
    Installed,
    Listing,
    PluginCli,
)
from opcode_htmx.features.claude_plugins.errors import InvalidPlugin, PluginChanged, UnknownPlugin
from opcode_htmx.features.claude_plugins.reloading import reloaded
from opcode_htmx.features.claude_plugins.sources import checked_source
from opcode_htmx.lib.audit_log import log_act
from opcode_htmx.lib.concurrency.cooperative import run_in_thread
from opcode_htmx.lib.concurrency.keyed_lock import KeyedLock
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.identity import Identity
from opcode_htmx.runs.supervisor import Supervisor
from opcode_htmx.sessions.configuration.acts import Act, Acts
from opcode_htmx.sessions.configuration.service import ChosenProject, Configuration

KEPT_SECONDS = 120.0
"""For which a listing counts, unless one of Claude's files changes: marketplaces may be folders."""
SCOPES = {
    "user": "For all your projects",
    "project": "For everyone in this project",
    "local": "For you, in this project",
}
VERBS = {
    "install": "Install",
    "enable": "Enable",
    "disable": "Disable",
    "update": "Update",
    "uninstall": "Remove",
}
DONE = {
    "install": "“{}” is installed.",
    "enable": "“{}” is on.",
    "disable": "“{}” is off.",
    "uninstall": "“{}” is removed.",
}
"""What is said after a success; after an update, Claude's own words have the versions."""
NEEDS_LOOK = frozenset({"install", "enable"})
"""What lets a plugin run: only what the person was shown."""
NO_PLUGIN = "There is no such plugin, or its marketplace was removed."


@dataclass(frozen=True, slots=True)
class PluginView:
    """One plugin, installed or not; `contents` is None if it has to be fetched first."""

    id: str
    name: str
    marketplace: str
    version: str
    source: str
    contents: Contents | None
    installed: tuple[Installed, ...]
    """In the scopes of the chosen project."""
    cost: Cost = field(default_factory=Cost)
    problem: str = ""
    """Why nothing is known of it."""

    @property
    def digest(self) -> str:
        return self.contents.digest if self.contents else ""


@dataclass(slots=True)
class _Kept:
    listing: Listing
    stamp: tuple[object, ...]
    until: float


class Plugins:
    """The plugins of the user and of projects."""

    def __init__(
        self, configuration: Configuration, cli: PluginCli, acts: Acts, runs: Supervisor
    ) -> None:
        self.configuration = configuration
        self.cli = cli
        self._acts = acts
        self._runs = runs
        self._kept: dict[Path | None, _Kept] = {}
        self._locks = KeyedLock()

    def listing(self, chosen: ChosenProject) -> Listing:
        """Never raises: see Listing.problem."""
        with self._locks.of(str(self._folder(chosen))):  # pages at once share one answer
            return self._listing(chosen)

    def _listing(self, chosen: ChosenProject) -> Listing:
        folder = self._folder(chosen)
        stamp = tuple(map(_stamp, self._files(chosen)))
        kept = self._kept.get(folder)
        if kept and kept.stamp == stamp and kept.until > time.monotonic():
            return kept.listing
        listing = self.cli.listing(folder)
        if listing.problem:
            return listing
        stamp = tuple(map(_stamp, self._files(chosen)))
        self._kept = {
            place: each for place, each in self._kept.items() if each.until > time.monotonic()
        }
        self._kept[folder] = _Kept(listing, stamp, time.monotonic() + KEPT_SECONDS)
        return listing

    def here(self, chosen: ChosenProject, listing: Listing) -> list[Installed]:
        """Those that are installed for the user, or for the chosen project."""
        project = str(chosen.folder) if chosen.folder and chosen.is_trusted else None
        return [each for each in listing.installed if not each.project or each.project == project]

    def view(self, chosen: ChosenProject, plugin_id: str) -> PluginView | None:
        """One plugin; None if it is neither installed nor in a marketplace.

        It is read from where Claude has it, or else from its marketplace.
        """
        if not ID.fullmatch(plugin_id):
            return None
        listing = self.listing(chosen)
        installed = tuple(e for e in self.here(chosen, listing) if e.id == plugin_id)
        offered = next((e for e in listing.available if e.id == plugin_id), None)
        elsewhere = next((e for e in listing.installed if e.id == plugin_id), None)
        if not (installed or offered or elsewhere or listing.problem):
            return None
        name, _, marketplace_name = plugin_id.partition("@")
        marketplace = listing.marketplace(marketplace_name)
        place = marketplace.folder if marketplace else None
        entry = run_in_thread(plugin_contents.entry_in, place, name) if place else None
        folders = [each.folder for each in installed if each.folder]
        if not folders and place and entry:
            found = plugin_contents.folder_of(place, entry)
            folders = [found] if found else []
        contents = (
            run_in_thread(plugin_contents.contents_of, folders[0], entry) if folders else None
        )
        return PluginView(
            id=plugin_id,
            name=name,
            marketplace=marketplace_name,
            version=_version(installed, offered, elsewhere),
            source=plugin_contents.source_text(entry) if entry else "",
            contents=contents,
            installed=installed,
            cost=self.cli.cost(plugin_id, self._folder(chosen)) if installed else Cost(),
            problem=listing.problem,
        )

    def scopes(self, chosen: ChosenProject) -> dict[str, str]:
        """The scopes for which a plugin can be installed, with what they mean."""
        everywhere = {"user": SCOPES["user"]}
        return SCOPES if chosen.folder and chosen.is_trusted else everywhere

    def begin(
        self,
        verb: str,
        plugin_id: str,
        scope: str,
        digest: str,
        chosen: ChosenProject,
        back: str,
        by: Identity,
    ) -> Act:
        """Begin an act on a plugin. `digest` is that of what the person was shown.

        Raises InvalidPlugin, PluginChanged.
        """
        if verb not in VERBS:
            raise InvalidPlugin("There is no such act.")
        if scope not in self.scopes(chosen):
            raise InvalidPlugin("Choose where the plugin is to be used.")
        found = self.view(chosen, plugin_id)
        if found is None:
            raise UnknownPlugin(NO_PLUGIN)
        if found.problem:
            raise InvalidPlugin(found.problem)
        if verb in NEEDS_LOOK and found.digest != digest:
            raise PluginChanged("What this plugin brings has changed. Look again.")
        log_act(by, f"plugin.{verb}", plugin=plugin_id, scope=scope)
        arguments = (verb, "--json", "--scope", scope, "--", plugin_id)
        return self._begin(f"{VERBS[verb]} {found.name}", back, chosen, arguments, plugin_id)

    def add_marketplace(self, source: str, chosen: ChosenProject, back: str, by: Identity) -> Act:
        """Add a marketplace for the user. Raises InvalidPlugin."""
        checked = checked_source(source)
        log_act(by, "marketplace.add", source=checked)
        arguments = ("marketplace", "add", "--json", "--", checked)
        return self._begin("Add a marketplace", back, chosen, arguments)

    def on_marketplace(
        self, verb: str, name: str, chosen: ChosenProject, back: str, by: Identity
    ) -> Act:
        """Update or remove one. Raises InvalidPlugin."""
        if verb not in ("update", "remove") or not NAME.fullmatch(name):
            raise UnknownPlugin("There is no such marketplace.")
        listing = self.listing(chosen)
        if not (listing.problem or listing.marketplace(name)):
            raise UnknownPlugin("There is no such marketplace any more.")
        log_act(by, f"marketplace.{verb}", marketplace=name)
        arguments = ("marketplace", verb, "--json", "--", name)
        return self._begin(f"{verb.capitalize()} {name}", back, chosen, arguments)

    def _begin(
        self,
        title: str,
        back: str,
        chosen: ChosenProject,
        arguments: tuple[str, ...],
        plugin_id: str = "",
    ) -> Act:
        folder = self._folder(chosen)

        def work() -> str:
            try:
                answer = self.cli.act(folder, *arguments)
            finally:  # also what failed may have changed something
                self._kept.clear()
                self.configuration.reports.forget()
                if folder and plugin_id:
                    self._keep_trust(folder, plugin_id)
            if arguments[:2] == ("marketplace", "add"):
                return f"The marketplace “{answer.get('marketplace', '')}” is added."
            said = DONE.get(arguments[0], "").format(plugin_id.partition("@")[0])
            said = said or _ended(str(answer.get("message") or "Done.").strip())
            return f"{said} {reloaded(self._runs.live())}".strip()

        return self._acts.begin(title, back, work)

    def _keep_trust(self, folder: Path, plugin_id: str) -> None:
        """Claude writes into the project's settings what the person has decided just now."""
        trust = self.configuration.trust
        if needed := trust.needed(folder):
            written = [e for e in needed.items if e.kind is Kind.PLUGIN and e.name == plugin_id]
            trust.allow_items(folder, written)

    def _folder(self, chosen: ChosenProject) -> Path | None:
        return chosen.folder if chosen.is_trusted else None

    def _files(self, chosen: ChosenProject) -> Iterable[Path]:
        plugins = self.configuration.workspace.config_dir / "plugins"
        yield from (
            plugins / name for name in ("installed_plugins.json", "known_marketplaces.json")
        )
        for place in self.configuration.settings_places(chosen).values():
            yield place.path


def is_found(plugin: Available | Installed, words: str) -> bool:
    """Whether a plugin has all the words in its name, marketplace or description."""
    description = plugin.description if isinstance(plugin, Available) else ""
    text = f"{plugin.id} {description}".casefold()
    return all(word in text for word in words.casefold().split())


def _version(
    installed: tuple[Installed, ...], offered: Available | None, elsewhere: Installed | None
) -> str:
    if installed:
        return installed[0].version
    return offered.version if offered else elsewhere.version if elsewhere else ""


def _ended(sentence: str) -> str:
    last = sentence.splitlines()[-1].strip()
    return last if last.endswith((".", "!", "…")) else f"{last}."


def _stamp(path: Path) -> object:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino
