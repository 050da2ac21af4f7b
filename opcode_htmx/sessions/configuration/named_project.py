"""The project that a request of the API names, by its id or by its folder."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from pydantic import Field

from opcode_htmx.engines.claude.files import sessions
from opcode_htmx.runs.policies.working_folders import reference
from opcode_htmx.sessions.configuration.service import ChosenProject, Configuration
from opcode_htmx.sessions.workspace import Workspace
from opcode_htmx.web.rest.invalid_request import InvalidRequest
from opcode_htmx.web.rest.models import RequestModel

NO_PROJECT = {404: "There is no such project."}
"""The refusal of an endpoint whose request may name a project."""


class Named(Protocol):
    """A request that may name a project."""

    @property
    def project_id(self) -> str | None: ...
    @property
    def project_path(self) -> str | None: ...


class OfSomeProject(RequestModel):
    """The project, by its id or its folder; none of them: the user alone."""

    project_id: str | None = Field(None, description="The id of a project.")
    project_path: str | None = Field(None, description="Or its folder.")


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


def chosen_by(configuration: Configuration, named: Named) -> ChosenProject:
    """The project, if one is named. Raises InvalidRequest, InvalidFolder."""
    folder = folder_of(configuration.workspace, named)
    return configuration.chosen(reference(folder)) if folder else ChosenProject()
