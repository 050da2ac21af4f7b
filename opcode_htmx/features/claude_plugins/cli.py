"""Claude's own subcommands about plugins: what they print, as values.

They read the settings of the folder that they run in, so for a project that nobody trusts they run
in an empty one.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from typing import Any

import gevent

from opcode_htmx.engines.base import Launcher
from opcode_htmx.engines.claude.config.redaction import in_url
from opcode_htmx.lib import bounded_json
from opcode_htmx.lib.coerce import Json, as_dict, as_list, as_str
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.files import atomic_files
from opcode_htmx.lib.late.patterns import late_pattern
from opcode_htmx.runs.queries import subcommand
from opcode_htmx.runs.queries.subcommand import SECONDS, SubcommandFailed
from opcode_htmx.sessions.configuration.acts import ActFailed

ACT_SECONDS = 240.0
"""A repository may have to be cloned."""
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", re.ASCII)
ID = re.compile(rf"{NAME.pattern}@{NAME.pattern}", re.ASCII)
_TOKENS = late_pattern(r"Always-on:\s{0,20}(~?[0-9][0-9.,]{0,12}k?) tok")
_ROW = late_pattern(
    r"(\S{1,200})\s{2,200}([<>~]? ?[0-9][0-9.,k]{0,12}|[-–—])\s{2,200}"
    r"([<>~]? ?[0-9][0-9.,k]{0,12}|[-–—])"
)


@dataclass(frozen=True, slots=True)
class Installed:
    """A plugin as installed in one scope."""

    id: str
    version: str
    scope: str
    is_enabled: bool
    folder: Path | None
    """From where Claude uses it."""
    project: str
    """The path of the project that it is installed for; empty for all."""
    problems: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self.id.partition("@")[0]

    @property
    def marketplace(self) -> str:
        return self.id.partition("@")[2]


@dataclass(frozen=True, slots=True)
class Available:
    """A plugin of a marketplace that is not installed."""

    id: str
    name: str
    marketplace: str
    description: str
    version: str


@dataclass(frozen=True, slots=True)
class Marketplace:
    """A catalogue of plugins; `source` is where it comes from, and `folder` where Claude has it."""

    name: str
    source: str
    folder: Path | None


@dataclass(frozen=True, slots=True)
class Listing:
    """All that Claude knows of plugins in a project; `problem` says why that is nothing."""

    installed: tuple[Installed, ...] = ()
    available: tuple[Available, ...] = ()
    marketplaces: tuple[Marketplace, ...] = ()
    problem: str = ""

    def marketplace(self, name: str) -> Marketplace | None:
        return next((each for each in self.marketplaces if each.name == name), None)

    def counts(self) -> Mapping[str, int]:
        """How many plugins each marketplace offers that are not installed."""
        found = Counter(plugin.marketplace for plugin in self.available)
        return {each.name: found[each.name] for each in self.marketplaces}


@dataclass(frozen=True, slots=True)
class Cost:
    """Claude's estimate of what a plugin adds to each session, and of each of its parts."""

    always: str = ""
    parts: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """By name: what it adds to each session, and what it takes once it is used."""


class CommandRefused(ActFailed):
    """A marketplace wants to run a command to install a plugin, which a person has to accept."""


class PluginCli:
    """The subcommands, with the Claude and the configuration of the sessions."""

    def __init__(self, launcher: Launcher, empty_folder: Path) -> None:
        self._launcher = launcher
        self._empty_folder = empty_folder

    def listing(self, folder: Path | None) -> Listing:
        """Never raises: see Listing.problem."""
        plugins = gevent.spawn(self._listed, folder, "list", "--json", "--available")
        places = gevent.spawn(self._listed, folder, "marketplace", "list", "--json")
        gevent.joinall([plugins, places])
        for answer in (plugins.value, places.value):
            if isinstance(answer, SubcommandFailed):
                return Listing(problem=str(answer))
        found, listed = as_dict(plugins.value), as_list(places.value)
        return Listing(
            tuple(map(_installed, filter(_has_id, as_list(found.get("installed"))))),
            tuple(map(_available, filter(_has_plugin_id, as_list(found.get("available"))))),
            tuple(_marketplace(each) for each in listed if as_dict(each)),
        )

    def cost(self, plugin_id: str, folder: Path | None) -> Cost:
        """What an installed plugin costs; empty if Claude does not say so."""
        try:
            output = self._run(folder, SECONDS, "details", "--", plugin_id)
        except SubcommandFailed:
            return Cost()
        return cost_in(output.text)

    def act(self, folder: Path | None, *arguments: str) -> Json:
        """Have Claude do something; the line that it prints. Raises ActFailed."""
        try:
            output = self._run(folder, ACT_SECONDS, *arguments)
        except SubcommandFailed as error:
            raise ActFailed(str(error)) from None
        answer = _last_object(output.text)
        if output.status == 0 or answer.get("alreadyInGoalState") is True:
            return answer
        said = as_str(answer.get("message")) or output.errors.strip()[:500]
        if command := answer.get("shownCommand"):
            text = bounded_json_text(command)
            raise CommandRefused(
                f"{said}\n\nIts marketplace wants to run this on the computer to install it: {text}"
                "\n\nIf you trust it, install it in a terminal there with `claude plugin install`."
            )
        raise ActFailed(said or "Claude refused, and did not say why.")

    def _listed(self, folder: Path | None, *arguments: str) -> Any:
        """What it lists, or why it does not: an error of a greenlet would be printed."""
        try:
            output = self._run(folder, SECONDS, *arguments)
        except SubcommandFailed as error:
            return error
        if output.status != 0:
            said = output.errors.strip().rpartition("\n")[2][:300] or f"status {output.status}"
            return SubcommandFailed(f"Claude did not list its plugins: {said}")
        try:
            return bounded_json.loads(output.text)
        except ValueError:
            return SubcommandFailed("Claude's list of plugins cannot be read.")

    def _run(self, folder: Path | None, seconds: float, *arguments: str) -> subcommand.Output:
        if folder is None:
            atomic_files.make_folder(self._empty_folder)
        command = self._launcher.subcommand("plugin", *arguments)
        return subcommand.run(command, folder or self._empty_folder, seconds)


def cost_in(text: str) -> Cost:
    """The figures in what `plugin details` prints, which has no JSON."""
    always = _TOKENS.search(text)
    _, _, table = text.partition("Per-component")
    rows = (_ROW.fullmatch(line.strip()) for line in table.splitlines()[:500] if len(line) < 400)
    parts = {row[1]: (row[2].replace(" ", ""), row[3].replace(" ", "")) for row in rows if row}
    return Cost(always[1] if always else "", parts)


def bounded_json_text(value: object) -> str:
    """The texts in a value of Claude's, for a person to read."""
    found = as_dict(value)
    words = [f"{name}: {each}" for name, each in found.items() if name != "sha256"]
    return ", ".join(words)[:1000] or str(value)[:1000]


def _has_id(item: object) -> bool:
    return ID.fullmatch(as_str(as_dict(item).get("id"))) is not None


def _has_plugin_id(item: object) -> bool:
    return ID.fullmatch(as_str(as_dict(item).get("pluginId"))) is not None


def _installed(item: Mapping[str, Any]) -> Installed:
    # a plugin of a marketplace that is a folder is used from there
    folder = as_str(item.get("readFromFolder")) or as_str(item.get("installPath"))
    return Installed(
        id=as_str(item.get("id")),
        version=as_str(item.get("version")),
        scope=as_str(item.get("scope")),
        is_enabled=item.get("enabled") is True,
        folder=Path(folder) if folder.startswith("/") else None,
        project=as_str(item.get("projectPath")),
        problems=tuple(map(str, [*as_list(item.get("errors"))]))[:5],
    )


def _available(item: Mapping[str, Any]) -> Available:
    plugin_id = as_str(item.get("pluginId"))
    name, _, marketplace = plugin_id.partition("@")
    return Available(
        id=plugin_id,
        name=name,
        marketplace=marketplace,
        description=as_str(item.get("description")),
        version=as_str(item.get("version")),
    )


def _marketplace(item: Any) -> Marketplace:
    found = as_dict(item)
    texts = (as_str(found.get(name)) for name in ("repo", "url", "path", "source"))
    place = as_str(found.get("installLocation"))
    source = next(filter(None, texts), "")
    return Marketplace(
        as_str(found.get("name")),
        in_url(source) if "://" in source else source,
        Path(place) if place.startswith("/") else None,
    )


def _last_object(text: str) -> Json:
    for line in reversed(text.strip().splitlines()[-20:]):
        try:
            found = bounded_json.loads(line)
        except ValueError:
            continue
        if isinstance(found, dict):
            return found
    return {}
