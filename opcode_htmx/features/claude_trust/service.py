"""List the trusted projects with what their files bring, and take trust back."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from opcode_htmx.engines.claude.config import secrets
from opcode_htmx.engines.claude.config.redaction import HIDDEN, in_arguments, is_secret
from opcode_htmx.engines.trust import Kind, TrustItem
from opcode_htmx.lib.audit_log import log_act
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.identity import Identity
from opcode_htmx.runs.policies.project_trust import ProjectTrust
from opcode_htmx.runs.policies.working_folders import WorkingFolders
from opcode_htmx.sessions.configuration import trust_items
from opcode_htmx.sessions.configuration.reports import ClaudeReports

MOST_READ = 100
"""Projects whose files are read for the list."""


@dataclass(frozen=True, slots=True)
class TrustedProject:
    """A trusted project. `name` is that of Claude's record, the path of its folder.

    `is_gone`: there is no such folder any more. `items` are None where this server may not look at
    its files, or has not.
    """

    name: str
    is_gone: bool = False
    items: Sequence[TrustItem] | None = None

    @property
    def folder(self) -> Path:
        return Path(self.name)

    @property
    def summary(self) -> str:
        """What its files bring, in a line."""
        if self.items is None:
            return ""
        groups = trust_items.grouped(self.items)
        found = [f"{heading}: {len(items)}" for heading, items in groups.items()]
        return " · ".join(found) or "Brings nothing that runs or allows anything"


class TrustedProjects:
    """Claude's record of trusted projects, and the server's own."""

    def __init__(
        self, trust: ProjectTrust, folders: WorkingFolders, reports: ClaudeReports
    ) -> None:
        self._trust = trust
        self._folders = folders
        self._reports = reports

    def all(self) -> list[TrustedProject]:
        """All of them by name, those that are gone at the end."""
        names = sorted(self._trust.trusted(), key=str.casefold)
        found = [self._project(name, number < MOST_READ) for number, name in enumerate(names)]
        return sorted(found, key=lambda project: project.is_gone)

    def named(self, name: str) -> TrustedProject | None:
        """The project with a name; None if it is not trusted."""
        return self._project(name, is_read=True) if name in self._trust.trusted() else None

    def take_back(self, name: str, by: Identity) -> None:
        """Trust a project no longer. Raises TrustNotRecorded."""
        self._trust.take_back(name)
        self._reports.forget()
        log_act(by, "trust.take_back", project=name)

    def _project(self, name: str, is_read: bool) -> TrustedProject:
        folder = Path(name)
        try:
            if not (folder.is_absolute() and folder.is_dir()):
                return TrustedProject(name, is_gone=True)
            resolved = folder.resolve()
        except (OSError, ValueError):
            return TrustedProject(name, is_gone=True)
        if not (is_read and self._folders.allow(resolved)):
            return TrustedProject(name)
        return TrustedProject(name, items=self._trust.items_of(resolved))


def without_secrets(item: TrustItem) -> str:
    """The text of an item with HIDDEN in place of what is named like a secret.

    Where a person decides about a project, all of it is shown; here that is over.
    """
    if item.kind is Kind.ENVIRONMENT:
        return HIDDEN if is_secret(item.name, item.text) else item.text
    if item.kind is Kind.SERVER and not item.text.startswith("{"):
        try:
            arguments = shlex.split(item.text)
        except ValueError:  # it is cut
            arguments = item.text.split()
        return shlex.join(in_arguments(arguments))
    if item.kind is Kind.SERVER:
        return _server_without_secrets(item.text)
    return secrets.hidden(item.text)


def _server_without_secrets(text: str) -> str:
    """The JSON of an MCP server, which may be cut; all of its `env` is hidden."""
    before, after = '{"mcpServers": {"": ', "}}"
    return secrets.hidden(f"{before}{text}{after}").removeprefix(before).removesuffix(after)
