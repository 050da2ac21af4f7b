"""/api/slash-commands: commands and skills of a user and a project, listed, written, deleted."""

from __future__ import annotations

from pathlib import Path

from werkzeug.exceptions import NotFound

from opcode_htmx.api.rest.refusals import NOT_FOUND
from opcode_htmx.api.schema import requests, responses
from opcode_htmx.engines.claude.config import slash_commands
from opcode_htmx.engines.claude.config.documents.kinds import Kind
from opcode_htmx.engines.claude.config.documents.listing import Entry
from opcode_htmx.engines.claude.config.scopes import Scope
from opcode_htmx.engines.claude.config.slash_commands import CommandFile
from opcode_htmx.runs.policies.working_folders import reference
from opcode_htmx.sessions.configuration.documents import Content, Documents
from opcode_htmx.sessions.configuration.named_project import folder_of
from opcode_htmx.sessions.configuration.service import ChosenProject
from opcode_htmx.web.auth.gate import current_identity
from opcode_htmx.web.rest.endpoint import Endpoint
from opcode_htmx.web.rest.invalid_request import InvalidRequest

TAG = "Catalog"
ADDRESS, ONE = "/api/slash-commands", "/api/slash-commands/{command_id}"
UNKNOWN = {404: "There is no such project or command."}


class SlashCommandsApi:
    def __init__(self, documents: Documents) -> None:
        self._documents = documents
        self._workspace = documents.configuration.workspace

    def endpoints(self) -> tuple[Endpoint, ...]:
        return (
            Endpoint(
                method="GET",
                path=ADDRESS,
                tag=TAG,
                summary="Commands and skills of the user and, if one is named, of a project",
                handler=self.all,
                response=list[responses.SlashCommand],
                query=requests.OfProject,
                refusals=NOT_FOUND,
            ),
            Endpoint(
                method="POST",
                path=ADDRESS,
                tag=TAG,
                summary="Make a command, or change one",
                handler=self.save,
                response=responses.SlashCommand,
                body=requests.NewSlashCommand,
                refusals={**NOT_FOUND, 409: "The command changed at the same moment."},
                description="Fields of its front matter that are not named here stay. What is "
                "replaced is kept as an earlier version.",
            ),
            Endpoint(
                method="GET",
                path=ONE,
                tag=TAG,
                summary="One command or skill",
                handler=self.one,
                response=responses.SlashCommand,
                query=requests.OfProject,
                refusals=UNKNOWN,
            ),
            Endpoint(
                method="DELETE",
                path=ONE,
                tag=TAG,
                summary="Delete a command or skill",
                handler=self.delete,
                response=str,
                query=requests.OfProject,
                refusals={**UNKNOWN, 409: "The command changed at the same moment."},
                description="It can be put back on the page /claude/files.",
            ),
        )

    def all(self, query: requests.OfProject) -> list[responses.SlashCommand]:
        return [_described(each) for each in self._files(folder_of(self._workspace, query))]

    def one(self, command_id: str, query: requests.OfProject) -> responses.SlashCommand:
        return _described(self._found(command_id, folder_of(self._workspace, query)))

    def save(self, body: requests.NewSlashCommand) -> responses.SlashCommand:
        folder, by = folder_of(self._workspace, body), current_identity()
        name = ":".join(filter(None, (body.namespace, body.name)))
        project, scope = _chosen(folder), Scope(body.scope)
        given = {"description": body.description or ""}
        given["allowed-tools"] = ", ".join(body.allowed_tools)
        entry = self._documents.find(Kind.COMMAND, project, scope, name)
        if entry is None:
            content = Content(given, body.content)
            entry = self._documents.create(Kind.COMMAND, project, scope, name, content, by)
        else:
            before = self._documents.read(entry)
            content = Content({**before.values, **given}, body.content, before.revision)
            self._documents.save(entry, content, by)
        path = entry.place.path
        return _described(next(each for each in self._files(folder) if each.path == path))

    def delete(self, command_id: str, query: requests.OfProject) -> str:
        folder = folder_of(self._workspace, query)
        found = self._found(command_id, folder)
        entry = self._entry(found, folder)
        revision = self._documents.configuration.files.read(entry.place).revision
        self._documents.remove(entry, revision, current_identity())
        return f"/{found.full_name} is deleted."

    def _files(self, folder: Path | None) -> list[CommandFile]:
        return slash_commands.files(folder, self._workspace.config_dir)

    def _found(self, command_id: str, folder: Path | None) -> CommandFile:
        """The command with an id. Raises NotFound, InvalidRequest."""
        found = [each for each in self._files(folder) if _id(each) == command_id]
        if not found:
            raise NotFound("There is no such command.")
        if len(found) > 1:
            raise InvalidRequest("Several commands have this id; rename one of them.")
        return found[0]

    def _entry(self, found: CommandFile, folder: Path | None) -> Entry:
        for kind in (Kind.COMMAND, Kind.SKILL):
            for each in self._documents.all(kind, _chosen(folder)):
                if each.place.path == found.path:
                    return each
        raise NotFound("There is no such command.")


def _chosen(folder: Path | None) -> ChosenProject:
    return ChosenProject(folder, reference(folder)) if folder else ChosenProject()


def _id(found: CommandFile) -> str:
    return f"{found.scope}-{found.full_name.replace(':', '-')}"


def _described(found: CommandFile) -> responses.SlashCommand:
    return responses.SlashCommand(
        id=_id(found),
        name=found.name,
        full_command=f"/{found.full_name}",
        scope=found.scope,
        namespace=found.namespace or None,
        file_path=str(found.path),
        content=found.content,
        description=found.description or found.problem or None,
        allowed_tools=list(found.allowed_tools),
        has_bash_commands=found.runs_commands,
        has_file_references=found.refers_to_files,
        accepts_arguments=found.takes_arguments,
    )
