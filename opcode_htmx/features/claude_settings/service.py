"""Find what is in force of Claude's settings and where it stands, and change single ones."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from opcode_htmx.engines.claude.config import json_text, queries
from opcode_htmx.engines.claude.config.json_text import InvalidJson
from opcode_htmx.engines.claude.config.scopes import Scope
from opcode_htmx.engines.claude.config.settings_schema import (
    Kind,
    Setting,
    SettingsSchema,
)
from opcode_htmx.features.claude_settings.values import preview
from opcode_htmx.lib.coerce import Json
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.files.versioned_files import FileRefused
from opcode_htmx.lib.identity import Identity
from opcode_htmx.sessions.configuration.reports import ClaudeReport
from opcode_htmx.sessions.configuration.service import ChosenProject, Configuration

SOURCES = {
    "policySettings": "managed",
    "flagSettings": "this server",
    "localSettings": "local",
    "projectSettings": "project",
    "userSettings": "user",
}
"""The CLI's names of where a setting stands, and ours; the first takes precedence."""
OF_QUERY = frozenset({"disableAllHooks"})
"""Settings that only the process has that was asked."""

LABELS = {
    "model": "Model",
    "effortLevel": "Effort",
    "alwaysThinkingEnabled": "Thinking",
    "language": "Language",
    "outputStyle": "Output style",
    "env": "Environment variables",
    "permissions.defaultMode": "Permission mode",
    "attribution.commit": "Attribution in commits",
    "includeCoAuthoredBy": "“Co-authored by Claude”",
    "cleanupPeriodDays": "Days that sessions are kept",
    "apiKeyHelper": "API key helper",
    "statusLine.command": "Status line",
    "sandbox.enabled": "Sandbox",
    "autoCompactEnabled": "Compact automatically",
    "autoMemoryEnabled": "Automatic memory",
}
"""The settings that are listed first, with our names for them."""
OFTEN = tuple(LABELS)
BASIC = SettingsSchema(
    {
        "properties": {
            "model": {"type": "string", "description": "The model of new sessions"},
            "language": {"type": "string", "description": "The language of Claude's answers"},
            "outputStyle": {"type": "string", "description": "How Claude writes"},
            "env": {
                "type": "object",
                "additionalProperties": {"type": "string"},
                "description": "Environment variables of sessions",
            },
            "includeCoAuthoredBy": {"type": "boolean", "description": "Claude in commits"},
            "cleanupPeriodDays": {"type": "integer", "minimum": 1},
            "apiKeyHelper": {"type": "string", "description": "A script that prints the API key"},
        }
    }
)
"""For a CLI that does not describe its settings; all others can be edited as text."""


_IN_ADDRESS = re.compile(r"(?!\.| {1,200}$)[\w.$@: -]{1,200}")


@dataclass(frozen=True, slots=True)
class Row:
    """A setting in a list; `value` is empty and `scopes` are none if it is not set."""

    setting: Setting
    value: str = ""
    scopes: tuple[str, ...] = ()

    @property
    def has_page(self) -> bool:
        """Whether its name can be part of an address: a file may have any text as a key."""
        return bool(_IN_ADDRESS.fullmatch(self.setting.name))


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of a user or a project: those that are set, and the others."""

    in_force: Sequence[Row]
    often: Sequence[Row]
    others: Sequence[Row]
    described: bool
    """Whether the CLI has named its settings."""


class SettingsEditor:
    """The settings, one by one."""

    def __init__(self, configuration: Configuration) -> None:
        self._configuration = configuration

    @property
    def schema(self) -> SettingsSchema:
        return self._configuration.schema.schema() or BASIC

    def all(self, report: ClaudeReport, words: str = "") -> Settings:
        """All settings; with `words`, those whose name or description has all of them."""
        found = {row.setting.name: row for row in in_force(report, self.schema)}
        known = {**self.schema.settings, **{name: row.setting for name, row in found.items()}}
        wanted = {
            name: found.get(name, Row(setting))
            for name, setting in known.items()
            if _matches(setting, words)
        }
        unset = [row for name, row in wanted.items() if name not in found]
        often = [row for row in unset if row.setting.name in OFTEN]
        often.sort(key=_order)
        return Settings(
            in_force=sorted((row for name, row in wanted.items() if name in found), key=_order),
            often=often,
            others=[row for row in unset if row.setting.name not in OFTEN],
            described=self.schema is not BASIC,
        )

    def setting(self, name: str, project: ChosenProject) -> Setting | None:
        """A setting that the CLI knows, or that is in force; None if there is no such."""
        if known := self.schema.settings.get(name):
            return known
        rows = in_force(self._configuration.report(project), self.schema)
        return next((row.setting for row in rows if row.setting.name == name), None)

    def values(self, setting: Setting, project: ChosenProject) -> Mapping[Scope, object]:
        """The value in each file that can be written; None where it is not set."""
        found: dict[Scope, object] = {}
        for scope, place in self._configuration.settings_places(project).items():
            try:
                content = json_text.parse(self._configuration.files.read(place).text)
            except (InvalidJson, FileRefused):
                content = {}
            found[scope] = json_text.value_at(content, setting.path)
        return found

    def change(
        self,
        setting: Setting,
        project: ChosenProject,
        scope: Scope,
        value: object,
        based_on: str,
        by: Identity,
    ) -> None:
        """Write a value into the file of a scope; None removes it.

        Raises FileChanged, FileRefused, InvalidJson.
        """
        place = self._configuration.settings_places(project)[scope]
        text = self._configuration.files.read(place).text
        if value is None:
            text = json_text.without(text, setting.path)
        else:
            for path, constant in self.schema.constants_of(setting):
                text = json_text.with_value(text, path, constant)
            text = json_text.with_value(text, setting.path, value)
        self._configuration.save(place, text, based_on, by)


def in_force(report: ClaudeReport, schema: SettingsSchema) -> Iterator[Row]:
    """The settings that hold, each with the scopes in which it stands."""
    answer = report.answer(queries.SETTINGS)
    given = answer.get("sources")
    sources = {
        str(each.get("source")): each["settings"]
        for each in (given if isinstance(given, list) else ())
        if isinstance(each, dict) and isinstance(each.get("settings"), dict)
    }
    effective = answer.get("effective")
    for setting, value in _leaves(effective, (), schema):
        scopes = tuple(
            SOURCES.get(source, source)
            for source in sorted(sources, key=_precedence)
            if json_text.value_at(sources[source], setting.path) is not None
        )
        if setting.name not in OF_QUERY or scopes != ("this server",):
            yield Row(setting, preview(setting, value), scopes)


def _order(row: Row) -> int:
    """Those that are used often come first, in their order; the others keep theirs."""
    return OFTEN.index(row.setting.name) if row.setting.name in OFTEN else len(OFTEN)


def _precedence(source: str) -> int:
    names = list(SOURCES)
    return names.index(source) if source in names else len(names)


def _leaves(
    value: object, path: tuple[str, ...], schema: SettingsSchema
) -> Iterator[tuple[Setting, object]]:
    """The settings in an object, also those that the schema does not name."""
    if not isinstance(value, dict):
        return
    for key, inner in value.items():
        here = (*path, key)
        known = schema.settings.get(".".join(here))
        if known:
            yield known, inner
        elif isinstance(inner, dict) and schema.has_settings_below(here):
            yield from _leaves(inner, here, schema)
        else:
            yield Setting(here, Kind.JSON), inner


def _matches(setting: Setting, words: str) -> bool:
    text = f"{LABELS.get(setting.name, '')} {setting.name} {setting.description}".lower()
    return all(word in text for word in words.lower().split())


def sources_of(report: ClaudeReport, setting: Setting) -> Json:
    """The values of a setting by the CLI's names of the sources."""
    given = report.answer(queries.SETTINGS).get("sources")
    return {
        str(each.get("source")): json_text.value_at(each.get("settings"), setting.path)
        for each in (given if isinstance(given, list) else ())
        if isinstance(each, dict)
    }
