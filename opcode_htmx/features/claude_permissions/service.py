"""The permission rules in force and in the files, and changes of single ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from opcode_htmx.engines.claude.config import json_text, queries
from opcode_htmx.engines.claude.config.json_text import InvalidJson
from opcode_htmx.engines.claude.config.scopes import Scope
from opcode_htmx.engines.claude.permissions import rules
from opcode_htmx.engines.claude.permissions.decision import decide
from opcode_htmx.engines.claude.permissions.rulebook import Decision, PlacedRule, Situation
from opcode_htmx.engines.claude.permissions.rules import Behavior, InvalidRule, Words
from opcode_htmx.features.claude_permissions import entries
from opcode_htmx.features.claude_permissions.entries import FOLDERS, NO_PLACE, Entry
from opcode_htmx.lib.coerce import Json, as_dict, as_list, as_str
from opcode_htmx.lib.concurrency.cooperative import run_cpu_in_thread
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.files.versioned_files import FileChanged, FileRefused, FileText
from opcode_htmx.lib.identity import Identity
from opcode_htmx.rendering.asks.permissions import MODES
from opcode_htmx.sessions.configuration.reports import ClaudeReport
from opcode_htmx.sessions.configuration.service import ChosenProject, Configuration

MODE = ("permissions", "defaultMode")
_SCOPES = {
    "policySettings": Scope.MANAGED,
    "userSettings": Scope.USER,
    "projectSettings": Scope.PROJECT,
    "localSettings": Scope.LOCAL,
}
_FILES = ("userSettings", "projectSettings", "localSettings")
OF_SERVER = "this server"
"""The scope of what the command line of this server's processes has."""


@dataclass(frozen=True, slots=True)
class ListedRule:
    """A rule and its meaning."""

    entry: Entry
    words: Words
    can_change: bool
    is_in_force: bool


@dataclass(frozen=True, slots=True)
class ListedFolder:
    """An additional folder; Claude leaves out those that do not exist."""

    entry: Entry
    path: str
    """The absolute path."""
    can_change: bool
    is_in_force: bool


@dataclass(frozen=True, slots=True)
class Permissions:
    """What is in force, and what stands in files without being in force."""

    rules: Mapping[Behavior, list[ListedRule]]
    folders: list[ListedFolder]
    mode: str
    only_managed: bool
    """Whether an administrator lets the managed rules count only."""


class PermissionEditor:
    """Reads the rules of a user and a project, and changes them in the settings files."""

    def __init__(self, configuration: Configuration, home: Path) -> None:
        self.configuration = configuration
        self._home = home

    def permissions(self, chosen: ChosenProject, report: ClaudeReport) -> Permissions:
        """All rules and folders, those of Claude's own answer first."""
        answer = as_dict(report.answer(queries.PERMISSION_RULES).get("state"))
        files = list(self.entries(chosen))
        listed = [rule for each in as_list(answer.get("rules")) if (rule := _listed(as_dict(each)))]
        known = {rule.entry for rule in listed}
        for entry in files:
            if entry.kind != FOLDERS and entry not in known:
                is_in_force = not answer and (chosen.is_trusted or entry.scope == Scope.USER)
                words = rules.in_words(entry.text)
                listed.append(ListedRule(entry, words, can_change=True, is_in_force=is_in_force))
        folders = list(self._folders(chosen, answer, files))
        return Permissions(
            {b: [rule for rule in listed if rule.entry.kind == b] for b in Behavior},
            folders,
            self.default_mode(report),
            answer.get("managedOnly") is True,
        )

    def _folders(
        self, chosen: ChosenProject, answer: Json, files: list[Entry]
    ) -> Iterator[ListedFolder]:
        """The folders of the files, and those that Claude has besides."""
        given = [as_dict(each) for each in as_list(answer.get("workspaceDirectories"))]
        used = {as_str(each.get("path")) for each in given}
        for entry in files:
            if entry.kind == FOLDERS:
                path = self._absolute(entry.text, chosen.folder)
                is_in_force = path in used if answer else True
                yield ListedFolder(entry, path, can_change=True, is_in_force=is_in_force)
                used.discard(path)
        for each in given:
            path = as_str(each.get("path"))
            if path in used and each.get("source") not in _FILES:
                managed = each.get("source") == "policySettings"
                entry = Entry(FOLDERS, path, Scope.MANAGED if managed else OF_SERVER)
                yield ListedFolder(entry, path, can_change=False, is_in_force=True)

    def _absolute(self, text: str, folder: Path | None) -> str:
        """The path of an additional folder; relative ones are so to the project."""
        if text == "~" or text.startswith("~/"):
            text = f"{self._home}{text[1:]}"
        try:
            return str((folder or self._home).joinpath(text).resolve())
        except (OSError, ValueError, RuntimeError):  # a character or a link that leads nowhere
            return text

    def default_mode(self, report: ClaudeReport) -> str:
        """The permission mode in which Claude starts, by the settings."""
        effective = report.answer(queries.SETTINGS).get("effective")
        found = as_str(json_text.value_at(effective, MODE))
        return "default" if found in ("", "manual") else found

    def situation(
        self, chosen: ChosenProject, permissions: Permissions, mode: str, folder: Path | None = None
    ) -> Situation:
        """What a decision in the project depends on; without a project, in the home folder."""
        where = folder or chosen.folder or self._home
        found = [
            self.placed(rule, chosen)
            for listed in permissions.rules.values()
            for rule in listed
            if rule.is_in_force
        ]
        more = [each.path for each in permissions.folders if each.is_in_force]
        return Situation(found, mode, str(where), str(self._home), (str(where), *more))

    def placed(self, rule: ListedRule, chosen: ChosenProject) -> PlacedRule:
        """A rule with the folder that its paths are relative to."""
        entry = rule.entry
        root = "/"
        if entry.scope == Scope.USER:
            root = str(self.configuration.workspace.config_dir)
        elif entry.scope in (Scope.PROJECT, Scope.LOCAL) and chosen.folder:
            root = str(chosen.folder)
        return PlacedRule(Behavior(entry.kind), entry.text, entry.scope, root)

    def decision(
        self, chosen: ChosenProject, permissions: Permissions, tool: str, subject: str, mode: str
    ) -> Decision:
        """What would become of a call: `subject` is its command, path or address."""
        situation = self.situation(chosen, permissions, mode)
        return run_cpu_in_thread(decide, tool, subject, situation)

    def find(self, chosen: ChosenProject, entry: Entry) -> ListedRule | None:
        """A listed rule."""
        permissions = self.permissions(chosen, self.configuration.report(chosen))
        every = (rule for listed in permissions.rules.values() for rule in listed)
        return next((rule for rule in every if rule.entry == entry), None)

    def limits(self, rule: ListedRule, chosen: ChosenProject) -> tuple[PlacedRule, Path | None]:
        """A rule, and the project that it is limited to."""
        in_project = rule.entry.scope in (Scope.PROJECT, Scope.LOCAL)
        return self.placed(rule, chosen), chosen.folder if in_project else None

    def revisions(self, chosen: ChosenProject) -> dict[Scope, str]:
        """The revision of each file that can be written."""
        places = self.configuration.settings_places(chosen)
        return {scope: self._read(chosen, scope).revision for scope in places}

    def change(
        self,
        chosen: ChosenProject,
        old: Entry | None,
        new: Entry | None,
        based_on: Mapping[Scope, str],
        by: Identity,
    ) -> None:
        """Replace an entry by another one, which may stand elsewhere; None: there is none.

        The new one is written first, so that it is not lost where the second file cannot be
        written. Raises FileChanged, FileRefused, InvalidJson, InvalidRule.
        """
        if new == old:
            return
        places = self.configuration.settings_places(chosen)
        if old and old.scope not in places:
            raise InvalidRule("This one cannot be changed here.")
        if new:
            entries.check(new, places)
        texts: dict[Scope, str] = {}
        for entry in filter(None, (new, old)):
            scope = Scope(entry.scope)
            file = self._read(chosen, scope)
            if file.revision != based_on.get(scope):
                raise FileChanged(places[scope], file)
            texts[scope] = file.text
        if old:
            texts[Scope(old.scope)] = entries.without(texts[Scope(old.scope)], old)
        if new:
            texts[Scope(new.scope)] = entries.with_entry(texts[Scope(new.scope)], new)
        for scope, text in texts.items():
            self.configuration.save(places[scope], text, based_on[scope], by)
        if new and chosen.folder and chosen.is_trusted:
            # what a person writes here needs no question whether it is trusted
            self.configuration.trust.allow(chosen.folder, [entries.update(new)])

    def set_mode(
        self, chosen: ChosenProject, scope: Scope, mode: str | None, based_on: str, by: Identity
    ) -> None:
        """Set the mode in which Claude starts in a settings file; None: no longer there.

        Raises FileChanged, FileRefused, InvalidJson, InvalidRule.
        """
        if scope not in self.configuration.settings_places(chosen):
            raise InvalidRule(NO_PLACE)
        if mode is not None and mode not in MODES:
            raise InvalidRule(f"Choose one of the modes: {', '.join(MODES)}.")
        place = self.configuration.settings_places(chosen)[scope]
        text = self.configuration.files.read(place).text
        text = json_text.without(text, MODE) if not mode else json_text.with_value(text, MODE, mode)
        self.configuration.save(place, text, based_on, by)

    def _read(self, chosen: ChosenProject, scope: Scope) -> FileText:
        return self.configuration.files.read(self.configuration.settings_places(chosen)[scope])

    def entries(self, chosen: ChosenProject) -> Iterator[Entry]:
        """What stands in the files that can be written and read."""
        for scope in self.configuration.settings_places(chosen):
            try:
                content = json_text.parse(self._read(chosen, scope).text)
            except (InvalidJson, FileRefused):
                continue
            permissions = as_dict(content.get("permissions"))
            for kind in (*Behavior, FOLDERS):
                for text in as_list(permissions.get(kind)):
                    if isinstance(text, str):
                        yield Entry(str(kind), text, scope)


def _listed(given: Json) -> ListedRule | None:
    """A rule of Claude's answer."""
    source, text = as_str(given.get("source")), as_str(given.get("rule"))
    behavior = as_str(given.get("behavior"))
    if behavior not in list(Behavior) or not text:
        return None
    scope = _SCOPES.get(source)
    description = as_dict(given.get("description"))
    words = Words(
        as_str(description.get("prefix")),
        as_str(description.get("emphasis")),
        as_str(description.get("suffix")),
    )
    return ListedRule(
        Entry(behavior, text, scope or OF_SERVER),
        # Claude takes the name of an MCP server for that of a tool
        rules.in_words(text) if text.startswith("mcp__") or not str(words).strip() else words,
        can_change=given.get("editability") == "persistent" and scope is not None,
        is_in_force=given.get("notInEffect") is not True,
    )
