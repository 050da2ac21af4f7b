"""The project that a request names, by its id or by its folder."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from opcode_htmx.engines.claude.files import sessions
from opcode_htmx.sessions.workspace import Workspace
from opcode_htmx.web.rest.validation import InvalidRequest


class Named(Protocol):
    """A request that may name a project."""

    @property
    def project_id(self) -> str | None: ...
    @property
    def project_path(self) -> str | None: ...


def folder_of(workspace: Workspace, named: Named) -> Path | None:
    """The folder of the project, if one is named. Raises InvalidRequest, InvalidFolder."""
    if named.project_id is not None and named.project_path is not None:
        raise InvalidRequest("Name the project by project_id or by project_path, not by both.")
    if named.project_path is not None:
        return workspace.working_folder(named.project_path)
    if named.project_id is not None:
        path = sessions.project(workspace.config_dir, named.project_id).path
        return workspace.working_folder(path) if path else None
    return None
