"""List the hooks with where they stand and whether Claude reads them, and write single ones."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence

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
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.files.versioned_files import NO_FILE, FileRefused, Place
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
LONGEST_MATCHER = 80
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
    """The hooks in the settings files of a user or a project, for one request.

    Claude is asked at most once for each of the properties, because that may take long.
    """

    def __init__(self, configuration: Configuration, chosen: ChosenProject) -> None:
        self._configuration = configuration
        self.chosen = chosen

    @functools.cached_property
    def report(self) -> ClaudeReport:
        """What Claude says is in force."""
        return self._configuration.report(self.chosen)

    @functools.cached_property
    def kinds(self) -> Mapping[str, HookKind]:
        """The kinds of hooks of the installed CLI, by their `type`."""
        return kinds_of(self._configuration.schema.schema())

    @functools.cached_property
    def events(self) -> Mapping[str, Event]:
        """The events of the installed CLI, by their names."""
        return {each.name: each for each in catalog(self.report.answer(queries.HOOKS))}

    @property
    def places(self) -> Mapping[Scope, Place]:
        """The settings files that can be written."""
        return self._configuration.settings_places(self.chosen)

    def revisions(self) -> Mapping[Scope, str]:
        """The revisions of the files; that of no file where one cannot be read."""
        return {scope: self._revision(place) for scope, place in self.places.items()}

    def _revision(self, place: Place) -> str:
        try:
            return self._configuration.files.read(place).revision
        except FileRefused:
            return NO_FILE

    def listing(self) -> Listing:
        """The hooks as they stand in the files, and those that Claude has from elsewhere."""
        answer = self.report.answer(queries.HOOKS)
        known = self.events
        rows: dict[str, list[Row]] = {}
        problems = []
        for scope, place in self.places.items():
            try:
                content = self.content(place)
            except (InvalidJson, FileRefused) as error:
                problems.append(f"{place.path}: {error}")
                continue
            if not isinstance(content.get(document.KEY, {}), dict):
                problems.append(f"{place.path}: “hooks” is no object, so Claude reads none of it.")
            for entry in document.entries(content):
                warning = self.warning_of(entry, scope)
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
        return Listing(groups, unused, problems, _policy(answer), self._off_in())

    def content(self, place: Place) -> Json:
        """What a settings file holds. Raises InvalidJson, FileRefused."""
        return json_text.parse(self._configuration.files.read(place).text)

    def entry(self, place: Place, event_name: str, entry_id: str) -> Entry:
        """A hook of a file. Raises HookGone, InvalidJson, FileRefused."""
        return document.found(self.content(place), event_name, entry_id)

    def change(
        self,
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
        self._keep_trust(place)

    def switch(self, place: Place, based_on: str, by: Identity, off: bool) -> None:
        """Switch all hooks off, or remove that. Raises FileChanged, InvalidJson, FileRefused."""
        text = self._configuration.files.read(place).text
        if off:
            text = json_text.with_value(text, (SWITCH,), True)
        else:
            text = json_text.without(text, (SWITCH,))
        self._configuration.save(place, text, based_on, by)
        self._keep_trust(place)

    def _keep_trust(self, place: Place) -> None:
        """A person who writes a hook into a trusted project need not trust it once more."""
        trust, chosen = self._configuration.trust, self.chosen
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

    def warning_of(self, entry: Entry, scope: Scope) -> str:
        """Why a hook does not run; empty if nothing is known to keep it from it."""
        if not entry.is_read:
            return "Claude does not read this: it stands in another shape than Claude's."
        answer = self.report.answer(queries.HOOKS)
        if answer and entry.event not in self.events:
            return "Claude knows no such event."
        url, is_http = str(entry.config.get("url", "")), entry.config.get("type") == "http"
        if is_http and not is_allowed(url, self.allowed_urls()):
            return "It is not sent: allowedHttpHookUrls does not have its address."
        if scope.of_project and not self.chosen.is_trusted:
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

    def allowed_urls(self) -> object:
        """The addresses that HTTP hooks may send to; None if to any."""
        effective = self.report.answer(queries.SETTINGS).get("effective")
        return effective.get("allowedHttpHookUrls") if isinstance(effective, dict) else None

    def _off_in(self) -> str:
        """The scope that switches all hooks off; the managed one, or else the nearest, decides."""
        policy = self.report.answer(queries.HOOKS).get("policy")
        if isinstance(policy, dict) and policy.get("disabledByPolicy"):
            return Scope.MANAGED
        places = self.places
        for scope in reversed([*places]):
            if scope.of_project and not self.chosen.is_trusted:
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
        matcher=one_line(entry.matcher, LONGEST_MATCHER),
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
                        matcher=one_line(str(each.get("matcher", "")), LONGEST_MATCHER),
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
