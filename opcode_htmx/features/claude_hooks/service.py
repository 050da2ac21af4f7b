"""List the hooks with where they stand and whether Claude reads them, and write single ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from opcode_htmx.engines.claude.config import json_text, queries
from opcode_htmx.engines.claude.config.json_text import InvalidJson
from opcode_htmx.engines.claude.config.redaction import in_url
from opcode_htmx.engines.claude.config.scopes import Scope
from opcode_htmx.engines.trust import Kind
from opcode_htmx.features.claude_hooks import document
from opcode_htmx.features.claude_hooks.document import Entry, Hooks
from opcode_htmx.features.claude_hooks.events import Event, catalog, event
from opcode_htmx.features.claude_hooks.kinds import HookKind, kinds_of, main_text
from opcode_htmx.features.claude_hooks.trial.http import is_allowed
from opcode_htmx.lib.coerce import Json
from opcode_htmx.lib.files.versioned_files import FileRefused, Place
from opcode_htmx.lib.formatting import one_line
from opcode_htmx.lib.identity import Identity
from opcode_htmx.sessions.configuration.reports import ClaudeReport
from opcode_htmx.sessions.configuration.service import ChosenProject, Configuration

SOURCES = {
    Scope.USER: "userSettings",
    Scope.PROJECT: "projectSettings",
    Scope.LOCAL: "localSettings",
}
"""The CLI's names of the scopes that can be written."""
READ_ONLY = {
    "policySettings": "managed",
    "pluginHook": "plugin",
    "flagSettings": "this server",
    "sessionHook": "session",
    "builtinHook": "built in",
}
LONGEST_ROW = 160
SWITCH = "disableAllHooks"


@dataclass(frozen=True, slots=True)
class Row:
    """A hook in the list. `id` is empty if it cannot be changed here."""

    matcher: str
    kind: str
    text: str
    source: str
    id: str = ""
    scope: Scope | None = None
    warning: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """The hooks of an event."""

    event: Event
    rows: Sequence[Row]


@dataclass(frozen=True, slots=True)
class Listing:
    """All hooks of a user or a project; `problems` are files that cannot be read."""

    groups: Sequence[Group]
    unused: Sequence[Event]
    problems: Sequence[str]
    policy: str
    """What the administrator has set that concerns all hooks; empty if nothing."""
    off_in: str
    """Where all hooks are switched off; empty if they are on."""


class HookEditor:
    """The hooks in the settings files, one by one."""

    def __init__(self, configuration: Configuration) -> None:
        self._configuration = configuration

    @property
    def kinds(self) -> Mapping[str, HookKind]:
        return kinds_of(self._configuration.schema.schema())

    def listing(self, chosen: ChosenProject) -> Listing:
        """The hooks as they stand in the files, and those that Claude has from elsewhere."""
        report = self._configuration.report(chosen)
        answer = report.answer(queries.HOOKS)
        known = {each.name: each for each in catalog(answer)}
        rows: dict[str, list[Row]] = {}
        problems = []
        for scope, place in self._configuration.settings_places(chosen).items():
            try:
                content = self.content(place)
            except (InvalidJson, FileRefused) as error:
                problems.append(f"{place.path}: {error}")
                continue
            if not isinstance(content.get(document.KEY, {}), dict):
                problems.append(f"{place.path}: “hooks” is no object, so Claude reads none of it.")
            for entry in document.entries(content):
                warning = self._warning(entry, scope, known, chosen, report)
                rows.setdefault(entry.event, []).append(_row(entry, scope, self.kinds, warning))
        for name, row in _read_only(answer):
            rows.setdefault(name, []).append(row)
        names = [*known, *(name for name in rows if name not in known)]
        groups = [
            Group(known.get(name) or event(name, "", False), rows[name])
            for name in names
            if name in rows
        ]
        unused = [each for each in known.values() if each.name not in rows]
        return Listing(groups, unused, problems, _policy(answer), self._off_in(chosen, report))

    def content(self, place: Place) -> Json:
        """What a settings file holds. Raises InvalidJson, FileRefused."""
        return json_text.parse(self._configuration.files.read(place).text)

    def entry(self, place: Place, event_name: str, entry_id: str) -> Entry:
        """A hook of a file. Raises HookGone, InvalidJson, FileRefused."""
        return document.found(self.content(place), event_name, entry_id)

    def change(
        self,
        chosen: ChosenProject,
        place: Place,
        based_on: str,
        by: Identity,
        hooks_of: Callable[[Json], Hooks],
    ) -> None:
        """Write other hooks into a file: those that `hooks_of` makes of its content.

        Raises FileChanged before anything else, then what `hooks_of` raises, InvalidJson and
        FileRefused.
        """
        current = self._configuration.files.read(place)
        text = current.text
        if current.revision == based_on:  # else the save is refused, whatever the text is
            text = document.text_with(text, hooks_of(json_text.parse(text)))
        self._configuration.save(place, text, based_on, by)
        self._keep_trust(chosen, place)

    def switch(
        self, chosen: ChosenProject, place: Place, based_on: str, by: Identity, off: bool
    ) -> None:
        """Switch all hooks off, or remove that. Raises FileChanged, InvalidJson, FileRefused."""
        text = self._configuration.files.read(place).text
        if off:
            text = json_text.with_value(text, (SWITCH,), True)
        else:
            text = json_text.without(text, (SWITCH,))
        self._configuration.save(place, text, based_on, by)
        self._keep_trust(chosen, place)

    def _keep_trust(self, chosen: ChosenProject, place: Place) -> None:
        """A person who writes a hook into a trusted project need not trust it once more."""
        trust = self._configuration.trust
        if not chosen.folder or not chosen.is_trusted:
            return
        needed = trust.needed(chosen.folder)
        path = place.path.resolve()
        if needed:
            written = [
                each
                for each in needed.items
                if each.kind is Kind.HOOK and each.file.resolve() == path
            ]
            trust.allow_items(chosen.folder, written)

    def warning_of(self, entry: Entry, scope: Scope, chosen: ChosenProject) -> str:
        """Why a hook does not run; empty if nothing is known to keep it from it."""
        report = self._configuration.report(chosen)
        known = {each.name: each for each in catalog(report.answer(queries.HOOKS))}
        return self._warning(entry, scope, known, chosen, report)

    def _warning(
        self,
        entry: Entry,
        scope: Scope,
        known: Mapping[str, Event],
        chosen: ChosenProject,
        report: ClaudeReport,
    ) -> str:
        answer = report.answer(queries.HOOKS)
        if not entry.is_read:
            return "Claude does not read this: it stands in another shape than Claude's."
        if known and entry.event not in known:
            return "Claude knows no such event."
        if entry.config.get("type") == "http":
            allowed = self.allowed_urls(chosen)
            if not is_allowed(str(entry.config.get("url", "")), allowed):
                return "It is not sent: allowedHttpHookUrls does not have its address."
        if scope.of_project and not chosen.is_trusted:
            return ""
        listed = answer.get("hooks")
        policy = answer.get("policy")
        if not isinstance(listed, list) or not isinstance(policy, dict):
            return ""
        if any(policy.get(key) for key in ("disabledByPolicy", "managedOnly", "pluginOnly")):
            return ""
        if not any(_is_same(each, entry, SOURCES[scope]) for each in listed):
            return "Claude does not read this: something in it is not as Claude wants it."
        return ""

    def allowed_urls(self, chosen: ChosenProject) -> object:
        """The addresses that HTTP hooks may send to; None if to any."""
        effective = self._configuration.report(chosen).answer(queries.SETTINGS).get("effective")
        return effective.get("allowedHttpHookUrls") if isinstance(effective, dict) else None

    def _off_in(self, chosen: ChosenProject, report: ClaudeReport) -> str:
        """The scope that switches all hooks off; the managed one, or else the nearest, decides."""
        policy = report.answer(queries.HOOKS).get("policy")
        if isinstance(policy, dict) and policy.get("disabledByPolicy"):
            return Scope.MANAGED
        places = self._configuration.settings_places(chosen)
        for scope in reversed([*places]):
            if scope.of_project and not chosen.is_trusted:
                continue
            try:
                value = self.content(places[scope]).get(SWITCH)
            except (InvalidJson, FileRefused):
                continue
            if isinstance(value, bool):
                return scope if value else ""
        return ""


def _row(entry: Entry, scope: Scope, kinds: Mapping[str, HookKind], warning: str) -> Row:
    kind = kinds.get(str(entry.config.get("type")))
    shown = document.without_secrets(entry.config)
    text = main_text(shown)
    if shown.get("type") == "http":
        text = in_url(text)
    return Row(
        matcher=entry.matcher,
        kind=kind.label if kind else str(entry.config.get("type", "")),
        text=one_line(text, LONGEST_ROW),
        source=scope,
        id=entry.id,
        scope=scope,
        warning=warning,
    )


def _read_only(answer: Json) -> Iterator[tuple[str, Row]]:
    """The hooks of Claude's listing that stand in no file of the user's or the project's."""
    listed = answer.get("hooks")
    for each in listed if isinstance(listed, list) else ():
        match each:
            case {"event": str(name), "source": str(source)} if source not in SOURCES.values():
                text = str(each.get("displayText", ""))
                yield (
                    name,
                    Row(
                        matcher=str(each.get("matcher", "")),
                        kind=str(each.get("contentLabel", "")),
                        text=one_line(in_url(text) if "://" in text else text, LONGEST_ROW),
                        source=str(each.get("pluginName") or READ_ONLY.get(source, source)),
                    ),
                )
            case _:
                pass


def _is_same(listed: object, entry: Entry, source: str) -> bool:
    match listed:
        case {
            "event": entry.event,
            "source": str(found),
            "editable": {"matcher": str(matcher), "config": dict(config)},
        }:
            keys = ("type", "command", "url", "prompt", "server", "tool")
            return (
                found == source
                and matcher == entry.matcher
                and all(config.get(key) == entry.config.get(key) for key in keys)
            )
        case _:
            return False


def _policy(answer: Json) -> str:
    policy = answer.get("policy")
    if not isinstance(policy, dict):
        return ""
    if policy.get("disabledByPolicy"):
        return "The administrator of this computer has switched off all hooks."
    if policy.get("managedOnly"):
        return "Only hooks of the administrator of this computer run."
    if policy.get("pluginOnly"):
        return "Only hooks of the administrator of this computer and of plugins run."
    return ""
