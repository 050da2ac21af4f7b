"""/api/memory: CLAUDE.md, imports, rules and notes; /api/claude-md: the desktop app's verbs."""

from __future__ import annotations

import os
from pathlib import Path

from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Response

from opcode_htmx.features.claude_memory import schema
from opcode_htmx.lib.files.versioned_files import FileChanged
from opcode_htmx.sessions.configuration import memory
from opcode_htmx.sessions.configuration.memory import DELETABLE, Memory, MemoryFile
from opcode_htmx.sessions.configuration.named_project import NO_PROJECT, OfSomeProject, chosen_by
from opcode_htmx.sessions.configuration.revisions import CHANGED, TEXT_CHANGED, based_on
from opcode_htmx.sessions.configuration.service import ChosenProject, Configuration
from opcode_htmx.web.auth.gate import current_identity
from opcode_htmx.web.rest import envelope
from opcode_htmx.web.rest.endpoint import Endpoint
from opcode_htmx.web.rest.invalid_request import InvalidRequest

TAG = "Memory"
NO_FILE = {404: "There is no such file, or no such project."}


class MemoryApi:
    def __init__(self, configuration: Configuration) -> None:
        self._configuration = configuration

    def endpoints(self) -> tuple[Endpoint, ...]:
        return (*self._of_desktop(), *self._of_all(), *self._of_one())

    def _of_desktop(self) -> tuple[Endpoint, ...]:
        return (
            Endpoint(
                method="GET",
                path="/api/claude-md",
                tag=TAG,
                summary="The files with instructions for Claude",
                handler=self.found,
                response=list[schema.ClaudeMdFile],
                query=OfSomeProject,
                refusals=NO_PROJECT,
                description="Those that exist: of the user and, if one is named, of a project.",
            ),
            Endpoint(
                method="GET",
                path="/api/claude-md/read",
                tag=TAG,
                summary="The text of such a file",
                handler=self.read,
                response=str,
                query=schema.ClaudeMdPath,
                refusals=NO_FILE,
            ),
            Endpoint(
                method="PUT",
                path="/api/claude-md/save",
                tag=TAG,
                summary="Write such a file",
                handler=self.write,
                response=schema.MemoryText,
                body=schema.NewClaudeMd,
                refusals={**NO_FILE, **TEXT_CHANGED},
                description="Only files of Claude's memory are read and written, whatever the path "
                "says.",
            ),
        )

    def _of_all(self) -> tuple[Endpoint, ...]:
        return (
            Endpoint(
                method="GET",
                path="/api/memory",
                tag=TAG,
                summary="The memory of Claude, as it finds it",
                handler=self.all,
                response=schema.Memory,
                query=OfSomeProject,
                refusals=NO_PROJECT,
            ),
            Endpoint(
                method="POST",
                path="/api/memory-rules",
                tag=TAG,
                summary="Make an empty rule",
                handler=self.make_rule,
                response=schema.MemoryText,
                body=schema.NewMemoryRule,
                refusals={**NO_PROJECT, 409: "There is a rule with this name already."},
                status=201,
            ),
            Endpoint(
                method="PUT",
                path="/api/memory",
                tag=TAG,
                summary="Whether Claude takes notes",
                handler=self.switch,
                response=schema.Memory,
                body=schema.AutomaticMemory,
                refusals={**NO_PROJECT, 409: "The settings have changed at the same moment."},
            ),
        )

    def _of_one(self) -> tuple[Endpoint, ...]:
        path = "/api/memory/{memory_file}"
        return (
            Endpoint(
                method="GET",
                path=path,
                tag=TAG,
                summary="The text of a file of the memory",
                handler=self.one,
                response=schema.MemoryText,
                query=OfSomeProject,
                refusals=NO_FILE,
            ),
            Endpoint(
                method="PUT",
                path=path,
                tag=TAG,
                summary="Write a file of the memory",
                handler=self.save,
                response=schema.MemoryText,
                body=schema.NewMemoryText,
                refusals={**NO_FILE, **TEXT_CHANGED},
            ),
            Endpoint(
                method="DELETE",
                path=path,
                tag=TAG,
                summary="Delete a rule, a note, or the CLAUDE.md of a folder inside the project",
                handler=self.remove,
                response=str,
                query=schema.RemovedMemory,
                refusals={
                    404: "There is no such file, or it is not deleted here.",
                    **CHANGED,
                },
                description="The answer is the id by which "
                "`POST /api/settings/deleted-files/{deleted_id}` puts it back.",
            ),
        )

    # --- the desktop app's ----------------------------------------------------------------------

    def found(self, query: OfSomeProject) -> list[schema.ClaudeMdFile]:
        chosen = self._chosen(query)
        return [
            schema.ClaudeMdFile(
                relative_path=os.path.relpath(each.place.path, chosen.folder)
                if chosen.folder and each.place.path.is_relative_to(chosen.folder)
                else str(each.place.path),
                absolute_path=str(each.place.path),
                size=each.size or 0,
                modified=int(each.modified or 0),
            )
            for each in self._memory(chosen).files
            if each.exists
        ]

    def read(self, query: schema.ClaudeMdPath) -> str:
        file = self._at(self._chosen(query), query.file_path)
        return self._configuration.files.read(file.place).text

    def write(self, body: schema.NewClaudeMd) -> schema.MemoryText | Response:
        file = self._at(self._chosen(body), body.file_path)
        return self._saved(file, body.content, body.revision)

    # --- all ------------------------------------------------------------------------------------

    def all(self, query: OfSomeProject) -> schema.Memory:
        return self._described(self._chosen(query))

    def make_rule(self, body: schema.NewMemoryRule) -> schema.MemoryText:
        chosen = self._chosen(body)
        if body.scope == "project" and not chosen.folder:
            raise InvalidRequest("A rule of a project needs a project.")
        by = current_identity()
        return self._text(memory.make_rule(self._configuration, chosen, body.scope, body.name, by))

    def switch(self, body: schema.AutomaticMemory) -> schema.Memory:
        chosen = self._chosen(body)
        memory.set_automatic(self._configuration, chosen, body.enabled, current_identity())
        return self._described(self._chosen(body))

    # --- one ------------------------------------------------------------------------------------

    def one(self, memory_file: str, query: OfSomeProject) -> schema.MemoryText:
        return self._text(self._named(self._chosen(query), memory_file))

    def save(self, memory_file: str, body: schema.NewMemoryText) -> schema.MemoryText | Response:
        return self._saved(self._named(self._chosen(body), memory_file), body.text, body.revision)

    def remove(self, memory_file: str, query: schema.RemovedMemory) -> str:
        file = self._named(self._chosen(query), memory_file)
        if file.kind not in DELETABLE or not file.exists:
            raise NotFound("This file is not deleted here.")
        revision = based_on(self._configuration, file.place, query.revision)
        return self._configuration.remove(file.place, revision, current_identity()).id

    # --- shared ---------------------------------------------------------------------------------

    def _saved(
        self, file: MemoryFile, text: str, revision: str | None
    ) -> schema.MemoryText | Response:
        by, before = current_identity(), based_on(self._configuration, file.place, revision)
        try:
            self._configuration.save_text(file.place, text, before, by, is_json=False)
        except FileChanged as error:
            now = error.current
            return envelope.conflict(str(error), text, now.text, now.revision)
        return self._text(file)

    def _text(self, file: MemoryFile) -> schema.MemoryText:
        found = self._configuration.files.read(file.place)
        return schema.MemoryText(
            name=file.name, path=str(file.place.path), text=found.text, revision=found.revision
        )

    def _named(self, chosen: ChosenProject, name: str) -> MemoryFile:
        found = memory.find(self._configuration, chosen, name)
        if found is None:
            raise NotFound("There is no such file, or it needs a project.")
        return found

    def _at(self, chosen: ChosenProject, path: str) -> MemoryFile:
        """The file of the memory that lies at a path."""
        found = self._memory(chosen)
        for each in (*found.files, *found.notes):
            if each.place.path == Path(path):
                return each
        raise NotFound("No file of Claude's memory lies there, or it needs a project.")

    def _memory(self, chosen: ChosenProject) -> Memory:
        return memory.memory_of(self._configuration, chosen, self._configuration.report(chosen))

    def _described(self, chosen: ChosenProject) -> schema.Memory:
        report = self._configuration.report(chosen)
        found = memory.memory_of(self._configuration, chosen, report)
        return schema.Memory(
            files=[_file(each) for each in found.files],
            notes=[_file(each) for each in found.notes],
            automatic=found.automatic,
            is_trusted=chosen.is_trusted,
            problem=report.problem or None,
        )

    def _chosen(self, named: OfSomeProject) -> ChosenProject:
        return chosen_by(self._configuration, named)


def _file(file: MemoryFile) -> schema.MemoryFile:
    return schema.MemoryFile(
        name=file.name,
        kind=file.kind.value,
        title=file.title,
        path=str(file.place.path),
        size=file.size,
        modified=file.modified,
        description=file.description,
        depth=file.depth,
        is_deletable=file.kind in DELETABLE and file.exists,
    )
