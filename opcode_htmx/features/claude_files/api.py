"""/api/settings/files: the files that configure Claude as text, with their earlier versions."""

from __future__ import annotations

from dataclasses import asdict

from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Response

from opcode_htmx.engines.claude.config import secrets
from opcode_htmx.features.claude_files import catalog, schema
from opcode_htmx.features.claude_files.catalog import MOST_DELETED, ConfigFile
from opcode_htmx.lib.files.versioned_files import FileChanged, Version
from opcode_htmx.sessions.configuration.named_project import NO_PROJECT, OfSomeProject, chosen_by
from opcode_htmx.sessions.configuration.revisions import TEXT_CHANGED, based_on
from opcode_htmx.sessions.configuration.service import Configuration
from opcode_htmx.web.auth.gate import current_identity
from opcode_htmx.web.rest import envelope
from opcode_htmx.web.rest.endpoint import Endpoint

TAG = "Settings"
ADDRESS = "/api/settings/files"
NO_FILE = {404: "There is no such file or project, or the file needs a project."}
NO_VERSION = {404: "This version is no longer kept, or there is no such file or project."}


class FilesApi:
    def __init__(self, configuration: Configuration) -> None:
        self._configuration = configuration

    def endpoints(self) -> tuple[Endpoint, ...]:
        return (*self._of_files(), *self._of_versions())

    def _of_files(self) -> tuple[Endpoint, ...]:
        path = f"{ADDRESS}/{{file_name}}"
        return (
            Endpoint(
                method="GET",
                path=ADDRESS,
                tag=TAG,
                summary="The files that configure Claude",
                handler=self.all,
                response=schema.ConfigFiles,
                query=OfSomeProject,
                refusals=NO_PROJECT,
                description="Files of the memory, commands, skills and subagents have names here, "
                "too, such as commands.user.deploy.",
            ),
            Endpoint(
                method="GET",
                path=path,
                tag=TAG,
                summary="The text of a file",
                handler=self.one,
                response=schema.ConfigFileText,
                query=OfSomeProject,
                refusals=NO_FILE,
            ),
            Endpoint(
                method="PUT",
                path=path,
                tag=TAG,
                summary="Write a file",
                handler=self.save,
                response=schema.ConfigFileText,
                body=schema.NewFileText,
                refusals={**NO_FILE, **TEXT_CHANGED},
            ),
            Endpoint(
                method="POST",
                path="/api/settings/deleted-files/{deleted_id}",
                tag=TAG,
                summary="Write a file again that was deleted here",
                handler=self.put_back,
                response=str,
                refusals={
                    409: "There is a file in its place.",
                    422: "It is there again, or it is no longer kept.",
                },
                description="The answer is its path.",
            ),
        )

    def _of_versions(self) -> tuple[Endpoint, ...]:
        path = f"{ADDRESS}/{{file_name}}/versions/{{version_id}}"
        return (
            Endpoint(
                method="GET",
                path=path,
                tag=TAG,
                summary="An earlier text of a file",
                handler=self.version,
                response=schema.FileVersionText,
                query=OfSomeProject,
                refusals=NO_VERSION,
            ),
            Endpoint(
                method="POST",
                path=path,
                tag=TAG,
                summary="Put an earlier text of a file back",
                handler=self.restore,
                response=schema.ConfigFileText,
                body=schema.RestoredVersion,
                refusals={**NO_VERSION, **TEXT_CHANGED},
            ),
        )

    # --- files ----------------------------------------------------------------------------------

    def all(self, query: OfSomeProject) -> schema.ConfigFiles:
        files = catalog.files_of(self._configuration, chosen_by(self._configuration, query))
        deleted = self._configuration.files.all_deleted()[:MOST_DELETED]
        return schema.ConfigFiles(
            files=[_described(name, file) for name, file in files.items()],
            deleted=[
                schema.DeletedFile(id=each.id, path=str(each.place.path), at=each.at)
                for each in deleted
            ],
        )

    def one(self, file_name: str, query: OfSomeProject) -> schema.ConfigFileText:
        return self._shown(file_name, self._named(file_name, query))

    def save(self, file_name: str, body: schema.NewFileText) -> schema.ConfigFileText | Response:
        file, by = self._named(file_name, body), current_identity()
        before = based_on(self._configuration, file.place, body.revision)
        try:
            self._configuration.save_text(file.place, body.text, before, by, is_json=file.is_json)
        except FileChanged as error:
            return self._conflict(error, file, body.text)
        return self._shown(file_name, file)

    def put_back(self, deleted_id: str) -> str:
        return str(self._configuration.put_back(deleted_id, current_identity()).path)

    # --- versions -------------------------------------------------------------------------------

    def version(
        self, file_name: str, version_id: str, query: OfSomeProject
    ) -> schema.FileVersionText:
        file = self._named(file_name, query)
        text = self._hidden(file, self._version(file, version_id))
        versions = self._configuration.versions(file.place)
        found = next(each for each in versions if each.id == version_id)
        return schema.FileVersionText(**asdict(found), text=text)

    def restore(
        self, file_name: str, version_id: str, body: schema.RestoredVersion
    ) -> schema.ConfigFileText | Response:
        file = self._named(file_name, body)
        text = self._version(file, version_id)
        before = based_on(self._configuration, file.place, body.revision)
        try:
            self._configuration.save(file.place, text, before, current_identity())
        except FileChanged as error:
            return self._conflict(error, file, self._hidden(file, text))
        return self._shown(file_name, file)

    # --- shared ---------------------------------------------------------------------------------

    def _named(self, name: str, named: OfSomeProject) -> ConfigFile:
        found = catalog.find(self._configuration, chosen_by(self._configuration, named), name)
        if found is None:
            raise NotFound("There is no such file, or it needs a project.")
        return found

    def _version(self, file: ConfigFile, version_id: str) -> str:
        text = self._configuration.files.version(file.place, version_id)
        if text is None:
            raise NotFound("This version is no longer kept.")
        return text

    def _hidden(self, file: ConfigFile, text: str) -> str:
        return secrets.hidden(text) if file.is_json else text

    def _conflict(self, error: FileChanged, file: ConfigFile, sent: str) -> Response:
        current = self._hidden(file, error.current.text)
        return envelope.conflict(str(error), sent, current, error.current.revision)

    def _shown(self, name: str, file: ConfigFile) -> schema.ConfigFileText:
        found = catalog.read(self._configuration, file)
        return schema.ConfigFileText(
            **_described(name, file).model_dump(),
            text=found.text,
            revision=found.revision,
            problems=catalog.problems_of(self._configuration, file, found.text),
            versions=[_version(each) for each in self._configuration.versions(file.place)],
        )


def _described(name: str, file: ConfigFile) -> schema.ConfigFile:
    return schema.ConfigFile(
        name=name,
        title=file.title,
        holds=file.holds,
        path=str(file.place.path),
        is_json=file.is_json,
    )


def _version(version: Version) -> schema.FileVersion:
    return schema.FileVersion(id=version.id, until=version.until, size=version.size)
