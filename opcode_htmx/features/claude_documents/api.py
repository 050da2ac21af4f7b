"""/api/subagents: the subagents of Claude, listed, made, changed and deleted."""

from __future__ import annotations

from dataclasses import replace

from werkzeug.exceptions import NotFound

from opcode_htmx.engines.claude.config.documents.kinds import Kind
from opcode_htmx.engines.claude.config.documents.listing import Entry
from opcode_htmx.engines.claude.config.scopes import Scope
from opcode_htmx.engines.claude.config.slash_commands import tools_of
from opcode_htmx.features.claude_documents import in_force, schema
from opcode_htmx.features.claude_documents.in_force import Row
from opcode_htmx.sessions.configuration.documents import Content, Documents
from opcode_htmx.sessions.configuration.named_project import NO_PROJECT, OfSomeProject, chosen_by
from opcode_htmx.sessions.configuration.revisions import CHANGED, based_on
from opcode_htmx.sessions.configuration.service import ChosenProject
from opcode_htmx.web.auth.gate import current_identity
from opcode_htmx.web.rest.endpoint import Endpoint
from opcode_htmx.web.rest.invalid_request import InvalidRequest

TAG = "Subagents"
ADDRESS, ONE = "/api/subagents", "/api/subagents/{subagent_id}"
UNKNOWN = {404: "There is no such subagent or project."}


class SubagentsApi:
    def __init__(self, documents: Documents) -> None:
        self._documents = documents
        self._configuration = documents.configuration

    def endpoints(self) -> tuple[Endpoint, ...]:
        return (
            Endpoint(
                method="GET",
                path=ADDRESS,
                tag=TAG,
                summary="The subagents that Claude has, wherever they are from",
                handler=self.all,
                response=list[schema.SubagentRow],
                query=OfSomeProject,
                refusals=NO_PROJECT,
            ),
            Endpoint(
                method="POST",
                path=ADDRESS,
                tag=TAG,
                summary="Make a subagent",
                handler=self.make,
                response=schema.Subagent,
                body=schema.NewSubagent,
                refusals={**NO_PROJECT, 409: "There is one with this name already."},
                status=201,
            ),
            Endpoint(
                method="GET",
                path=ONE,
                tag=TAG,
                summary="One subagent",
                handler=self.one,
                response=schema.Subagent,
                query=OfSomeProject,
                refusals=UNKNOWN,
            ),
            Endpoint(
                method="PUT",
                path=ONE,
                tag=TAG,
                summary="Change a subagent",
                handler=self.change,
                response=schema.Subagent,
                body=schema.ChangedSubagent,
                refusals={**UNKNOWN, **CHANGED},
            ),
            Endpoint(
                method="DELETE",
                path=ONE,
                tag=TAG,
                summary="Delete a subagent",
                handler=self.remove,
                response=str,
                query=schema.RemovedSubagent,
                refusals={**UNKNOWN, **CHANGED},
                description="The answer is the id by which "
                "`POST /api/settings/deleted-files/{deleted_id}` puts it back.",
            ),
        )

    def all(self, query: OfSomeProject) -> list[schema.SubagentRow]:
        chosen = self._chosen(query)
        entries, report = (
            self._documents.all(Kind.AGENT, chosen),
            self._configuration.report(chosen),
        )
        return [_row(row) for section in in_force.agents(entries, report) for row in section.rows]

    def make(self, body: schema.NewSubagent) -> schema.Subagent:
        chosen = self._chosen(body)
        if body.scope == "project" and not chosen.folder:
            raise InvalidRequest("A subagent of a project needs a project.")
        values = {
            "description": body.description,
            "tools": ", ".join(body.tools),
            "model": body.model,
            "color": body.color,
        }
        scope, by = Scope(body.scope), current_identity()
        content = Content(values, body.prompt)
        return self._described(
            self._documents.create(Kind.AGENT, chosen, scope, body.name.strip(), content, by)
        )

    def one(self, subagent_id: str, query: OfSomeProject) -> schema.Subagent:
        return self._described(self._found(subagent_id, self._chosen(query)))

    def change(self, subagent_id: str, body: schema.ChangedSubagent) -> schema.Subagent:
        entry = self._found(subagent_id, self._chosen(body))
        before = self._documents.read(entry)
        given = {
            "description": body.description,
            "tools": None if body.tools is None else ", ".join(body.tools),
            "model": body.model,
            "color": body.color,
        }
        content = replace(
            before,
            values={**before.values, **{name: v for name, v in given.items() if v is not None}},
            body=before.body if body.prompt is None else body.prompt,
            revision=before.revision if body.revision is None else body.revision,
        )
        self._documents.save(entry, content, current_identity())
        return self._described(entry)

    def remove(self, subagent_id: str, query: schema.RemovedSubagent) -> str:
        entry = self._found(subagent_id, self._chosen(query))
        revision = based_on(self._configuration, entry.place, query.revision)
        return self._documents.remove(entry, revision, current_identity()).id

    # --- shared ---------------------------------------------------------------------------------

    def _chosen(self, named: OfSomeProject) -> ChosenProject:
        return chosen_by(self._configuration, named)

    def _found(self, subagent_id: str, chosen: ChosenProject) -> Entry:
        scope, _, name = subagent_id.partition("-")
        found = self._documents.find(Kind.AGENT, chosen, scope, name)
        if found is None:
            raise NotFound("There is no such subagent, or it needs a project.")
        return found

    def _described(self, entry: Entry) -> schema.Subagent:
        found = self._documents.read(entry)
        return schema.Subagent(
            id=_id(entry),
            name=entry.called,
            scope="project" if entry.scope is Scope.PROJECT else "user",
            file_path=str(entry.place.path),
            description=found.values["description"],
            tools=list(tools_of(found.values["tools"])),
            model=found.values["model"],
            color=found.values["color"],
            prompt=found.body,
            problem=found.problem or None,
            revision=found.revision,
        )


def _id(entry: Entry) -> str:
    return f"{entry.scope}-{entry.name}"


def _row(row: Row) -> schema.SubagentRow:
    other = "plugin" if ":" in row.name else "built in"
    return schema.SubagentRow(
        id=_id(row.entry) if row.entry else None,
        name=row.name,
        description=row.description,
        source=str(row.entry.scope) if row.entry else other,
        unused=row.state or None,
    )
