"""The files that configure Claude for a user and a project, and what Claude says is in force."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from opcode_htmx.engines.claude.config import json_text, scopes, secrets
from opcode_htmx.engines.claude.config.scopes import WRITABLE, Scope
from opcode_htmx.engines.claude.install.schema_source import SchemaSource
from opcode_htmx.lib.audit_log import log_act
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.files.versioned_files import (
    Deleted,
    FileChanged,
    FileText,
    Place,
    Version,
    VersionedFiles,
)
from opcode_htmx.lib.identity import Identity
from opcode_htmx.runs.policies.project_trust import ProjectTrust
from opcode_htmx.runs.policies.working_folders import reference
from opcode_htmx.sessions.configuration.reports import ClaudeReport, ClaudeReports
from opcode_htmx.sessions.workspace import Workspace

LISTED_FOLDERS = ("commands", "skills", "agents", "rules")
"""Folders whose files Claude lists."""


@dataclass(frozen=True, slots=True)
class ChosenProject:
    """The project whose configuration is looked at; without a folder, the user's alone."""

    folder: Path | None = None
    reference: str = ""
    """The text of a form for its folder."""
    is_trusted: bool = True
    """Whether Claude reads its files: a person has trusted what they may run."""

    @property
    def name(self) -> str:
        return (self.folder.name or "/") if self.folder else ""


@dataclass(frozen=True, slots=True)
class Configuration:
    """Reads and writes the files; a save is refused where a file has changed in the meantime."""

    workspace: Workspace
    state_file: Path
    """Claude's own, with what it knows of projects, and the MCP servers of the user."""
    trust: ProjectTrust
    files: VersionedFiles
    reports: ClaudeReports
    schema: SchemaSource

    def chosen(self, text: str) -> ChosenProject:
        """The project with the folder named by `text`, if any. Raises InvalidFolder."""
        if not text:
            return ChosenProject()
        folder = self.workspace.working_folder(text)
        return ChosenProject(folder, reference(folder), self.trust.needed(folder) is None)

    def report(self, project: ChosenProject) -> ClaudeReport:
        """What Claude says is in force; of a project that is not trusted, for the user alone."""
        folder = project.folder if project.is_trusted else None
        files = [place.path for place in self.settings_places(project).values()]
        files += [self.state_file, *scopes.managed_files()]
        roots = [self.workspace.config_dir]
        if folder:
            roots.append(folder / ".claude")
            files += [folder, roots[-1], folder / ".mcp.json", folder / "CLAUDE.md"]
        for root in roots:
            files += [root / "CLAUDE.md", *(root / name for name in LISTED_FOLDERS)]
        return self.reports.of(folder, files)

    def settings_places(self, project: ChosenProject) -> Mapping[Scope, Place]:
        """The settings files that can be written, whether or not they exist."""
        config_dir = self.workspace.config_dir
        return {
            scope: scopes.settings_place(scope, config_dir, project.folder)
            for scope in WRITABLE
            if project.folder or not scope.of_project
        }

    def read_json(self, place: Place) -> FileText:
        """The text of a JSON file, with its secrets hidden. Raises FileRefused."""
        found = self.files.read(place)
        return FileText(secrets.hidden(found.text), found.revision)

    def save_json(self, place: Place, text: str, based_on: str, by: Identity) -> FileText:
        """Save the text of a JSON file; a secret that is hidden in it keeps its value.

        Raises FileChanged, whose text has its secrets hidden, too, FileRefused, SecretMissing and
        InvalidJson.
        """
        before = self.files.read(place)
        # first: the secrets that are hidden in the text may be gone as well
        if before.revision != based_on:
            raise FileChanged(place, self.read_json(place))
        whole = secrets.revealed(text, before.text)
        try:
            return self.save(place, whole, based_on, by)
        except FileChanged as error:
            error.current = self.read_json(place)
            raise

    def save(self, place: Place, text: str, based_on: str, by: Identity) -> FileText:
        """Save a file. Raises FileChanged, FileRefused."""
        with self._keeping_trust(place):
            saved = self.files.save(place, text, based_on)
        log_act(by, "settings.write", file=str(place.path))
        self.reports.forget()
        return saved

    def save_text(
        self, place: Place, text: str, based_on: str, by: Identity, *, is_json: bool
    ) -> FileText:
        """Save a text that somebody has edited, with the line ends of the file.

        Raises FileChanged, FileRefused and, for a JSON file, SecretMissing and InvalidJson.
        """
        if "\r\n" in self.files.read(place).text:
            text = text.replace("\r\n", "\n").replace("\n", "\r\n")
        if not is_json:
            return self.save(place, text, based_on, by)
        json_text.parse(text)
        return self.save_json(place, text, based_on, by)

    def remove(self, place: Place, based_on: str, by: Identity) -> Deleted:
        """Delete a file; it can be put back. Raises FileChanged, FileRefused."""
        deleted = self.files.remove(place, based_on)
        log_act(by, "settings.delete", file=str(place.path))
        self.reports.forget()
        return deleted

    def put_back(self, deleted_id: str, by: Identity) -> Place:
        """Write a deleted file again. Raises FileChanged, FileRefused."""
        deleted = self.files.deleted(deleted_id)
        with self._keeping_trust(deleted.place if deleted else None):
            place = self.files.put_back(deleted_id)
        log_act(by, "configuration.restore", file=str(place.path))
        self.reports.forget()
        return place

    @contextmanager
    def _keeping_trust(self, place: Place | None) -> Iterator[None]:
        """A trusted project stays trusted where a person writes one of its files here."""
        project = place.root if place else None
        if place is None or project is None or self.trust.needed(project) is not None:
            yield
            return
        yield
        if needed := self.trust.needed(project):
            path = place.path.resolve()
            written = [item for item in needed.items if item.file.resolve() == path]
            self.trust.allow_items(project, written)

    def versions(self, place: Place) -> list[Version]:
        """The earlier contents of a file, the newest first."""
        return self.files.versions(place)
