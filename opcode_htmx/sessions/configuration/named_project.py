"""The project that a request of the API names, by its id or by its folder."""

from __future__ import annotations

from pydantic import Field

from opcode_htmx.engines.claude.files import sessions
from opcode_htmx.runs.policies.working_folders import reference
from opcode_htmx.sessions.configuration.service import ChosenProject, Configuration
from opcode_htmx.web.rest.models import RequestModel
from opcode_htmx.web.rest.validation import InvalidRequest


class OfSomeProject(RequestModel):
    """The project, by its id or its folder; none of them: the user alone."""

    project_id: str | None = Field(None, description="The id of a project.")
    project_path: str | None = Field(None, description="Or its folder.")


def named_project(configuration: Configuration, named: OfSomeProject) -> ChosenProject:
    """The project that a request names, if it names one.

    Raises InvalidRequest, InvalidFolder, ProjectNotFound.
    """
    if named.project_id is not None and named.project_path is not None:
        raise InvalidRequest("Name the project by project_id or by project_path, not by both.")
    if named.project_path is not None:
        folder = configuration.workspace.working_folder(named.project_path)
        return configuration.chosen(reference(folder))
    if named.project_id is not None:
        return project_with_id(configuration, named.project_id)
    return ChosenProject()


def project_with_id(configuration: Configuration, project_id: str) -> ChosenProject:
    """The project with an id. Raises InvalidFolder, ProjectNotFound."""
    path = sessions.project(configuration.workspace.config_dir, project_id).path
    return configuration.chosen(path or "")
