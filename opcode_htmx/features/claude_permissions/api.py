"""/api/settings/permissions: the rules and folders, as the pages show and change them."""

from __future__ import annotations

from collections.abc import Mapping

from werkzeug.exceptions import NotFound, ServiceUnavailable

from opcode_htmx.engines.claude.config.scopes import Scope
from opcode_htmx.features.claude_permissions import schema
from opcode_htmx.features.claude_permissions.entries import FOLDERS, Entry
from opcode_htmx.features.claude_permissions.lately import LatelyMatched
from opcode_htmx.features.claude_permissions.service import PermissionEditor
from opcode_htmx.rendering.asks.permissions import MODES
from opcode_htmx.sessions.configuration.named_project import NO_PROJECT, OfSomeProject, chosen_by
from opcode_htmx.sessions.configuration.revisions import CHANGED
from opcode_htmx.sessions.configuration.service import ChosenProject
from opcode_htmx.web.auth.gate import current_identity
from opcode_htmx.web.rest.endpoint import Endpoint
from opcode_htmx.web.rest.invalid_request import InvalidRequest

TAG = "Permissions"
ADDRESS = "/api/settings/permissions"
NO_ENTRY = {404: "It does not stand there, or there is no such project."}


class PermissionsApi:
    def __init__(self, editor: PermissionEditor, lately: LatelyMatched) -> None:
        self._editor = editor
        self._lately = lately

    def endpoints(self) -> tuple[Endpoint, ...]:
        return (*self._of_all(), *self._of_rules(), *self._of_folders())

    def _of_all(self) -> tuple[Endpoint, ...]:
        return (
            Endpoint(
                method="GET",
                path=ADDRESS,
                tag=TAG,
                summary="What Claude may do: rules, additional folders and the permission mode",
                handler=self.get,
                response=schema.PermissionSettings,
                query=OfSomeProject,
                refusals=NO_PROJECT,
            ),
            Endpoint(
                method="PUT",
                path=f"{ADDRESS}/mode",
                tag=TAG,
                summary="Set the permission mode in which Claude starts",
                handler=self.set_mode,
                response=schema.PermissionSettings,
                body=schema.NewPermissionMode,
                refusals={**NO_PROJECT, **CHANGED},
            ),
            Endpoint(
                method="POST",
                path=f"{ADDRESS}/test",
                tag=TAG,
                summary="Whether a tool call would be allowed, asked for or denied",
                handler=self.test,
                response=schema.PermissionDecision,
                body=schema.PermissionTest,
                refusals=NO_PROJECT,
                description="Nothing is run.",
            ),
        )

    def _of_rules(self) -> tuple[Endpoint, ...]:
        path = f"{ADDRESS}/rules"
        return (
            Endpoint(
                method="POST",
                path=path,
                tag=TAG,
                summary="Add a rule",
                handler=self.add_rule,
                response=schema.PermissionSettings,
                body=schema.NewPermissionRule,
                refusals={**NO_PROJECT, **CHANGED},
                status=201,
            ),
            Endpoint(
                method="PUT",
                path=path,
                tag=TAG,
                summary="Change a rule, or move it to another file",
                handler=self.change_rule,
                response=schema.PermissionSettings,
                body=schema.ChangedPermissionRule,
                refusals={**NO_ENTRY, **CHANGED},
            ),
            Endpoint(
                method="DELETE",
                path=path,
                tag=TAG,
                summary="Remove a rule",
                description="One of more than 250 characters is removed by PUT.",
                handler=self.remove_rule,
                response=schema.PermissionSettings,
                query=schema.OnePermissionRule,
                refusals={**NO_ENTRY, **CHANGED},
            ),
            Endpoint(
                method="GET",
                path=f"{path}/matches",
                tag=TAG,
                summary="The latest tool calls that a rule matches",
                handler=self.matches,
                response=schema.PermissionMatches,
                query=schema.OnePermissionRule,
                refusals={**NO_ENTRY, 503: "There is no index of the sessions."},
            ),
        )

    def _of_folders(self) -> tuple[Endpoint, ...]:
        path = f"{ADDRESS}/folders"
        return (
            Endpoint(
                method="POST",
                path=path,
                tag=TAG,
                summary="Add a folder that Claude works in",
                handler=self.add_folder,
                response=schema.PermissionSettings,
                body=schema.NewPermissionFolder,
                refusals={**NO_PROJECT, **CHANGED},
                status=201,
            ),
            Endpoint(
                method="PUT",
                path=path,
                tag=TAG,
                summary="Change an additional folder, or move it to another file",
                handler=self.change_folder,
                response=schema.PermissionSettings,
                body=schema.ChangedPermissionFolder,
                refusals={**NO_ENTRY, **CHANGED},
            ),
            Endpoint(
                method="DELETE",
                path=path,
                tag=TAG,
                summary="Remove an additional folder",
                description="One of more than 250 characters is removed by PUT.",
                handler=self.remove_folder,
                response=schema.PermissionSettings,
                query=schema.OnePermissionFolder,
                refusals={**NO_ENTRY, **CHANGED},
            ),
        )

    # --- all ------------------------------------------------------------------------------------

    def get(self, query: OfSomeProject) -> schema.PermissionSettings:
        return self._shown(self._chosen(query))

    def set_mode(self, body: schema.NewPermissionMode) -> schema.PermissionSettings:
        chosen = self._chosen(body)
        scope = self._scope(chosen, body.scope)
        based_on = self._based_on(chosen, {scope: body.revision})[scope]
        self._editor.set_mode(chosen, scope, body.mode, based_on, current_identity())
        return self._shown(chosen)

    def test(self, body: schema.PermissionTest) -> schema.PermissionDecision:
        chosen = self._chosen(body)
        permissions = self._editor.permissions(chosen, self._editor.configuration.report(chosen))
        mode = permissions.mode if body.mode is None else body.mode
        if body.mode is not None and mode not in MODES:
            raise InvalidRequest(f"The mode must be one of {', '.join(MODES)}.")
        found = self._editor.decision(chosen, permissions, body.tool, body.subject, mode)
        rule = found.rule
        return schema.PermissionDecision(
            outcome=found.outcome.value,
            reason=found.reason,
            rule=schema.PermissionRuleName(
                kind=rule.behavior.value, text=rule.text, scope=rule.scope
            )
            if rule
            else None,
        )

    # --- rules ----------------------------------------------------------------------------------

    def add_rule(self, body: schema.NewPermissionRule) -> schema.PermissionSettings:
        entry = Entry(body.kind, body.text.strip(), body.scope)
        return self._changed(body, None, entry, {body.scope: body.revision})

    def change_rule(self, body: schema.ChangedPermissionRule) -> schema.PermissionSettings:
        old, new = body.old, body.new
        return self._changed(
            body,
            Entry(old.kind, old.text, old.scope),
            Entry(new.kind, new.text.strip(), new.scope) if new else None,
            body.revisions,
        )

    def remove_rule(self, query: schema.OnePermissionRule) -> schema.PermissionSettings:
        entry = Entry(query.kind, query.text, query.scope)
        return self._changed(query, entry, None, {query.scope: query.revision})

    def matches(self, query: schema.OnePermissionRule) -> schema.PermissionMatches:
        chosen = self._chosen(query)
        entry = Entry(query.kind, query.text, query.scope)
        rule = self._editor.find(chosen, entry)
        if rule is None:
            raise NotFound("There is no such rule.")
        found = self._lately.of(*self._editor.limits(rule, chosen))
        if found is None:
            raise ServiceUnavailable("There is no index of the sessions.")
        return schema.PermissionMatches(
            calls=[
                schema.PermissionCall(
                    subject=each.subject,
                    at=each.at,
                    project_id=each.claude_folder,
                    session_id=each.session_id,
                )
                for each in found.calls
            ],
            count=found.count,
            is_whole=found.is_whole,
        )

    # --- folders --------------------------------------------------------------------------------

    def add_folder(self, body: schema.NewPermissionFolder) -> schema.PermissionSettings:
        entry = Entry(FOLDERS, body.text.strip(), body.scope)
        return self._changed(body, None, entry, {body.scope: body.revision})

    def change_folder(self, body: schema.ChangedPermissionFolder) -> schema.PermissionSettings:
        old, new = body.old, body.new
        return self._changed(
            body,
            Entry(FOLDERS, old.text, old.scope),
            Entry(FOLDERS, new.text.strip(), new.scope) if new else None,
            body.revisions,
        )

    def remove_folder(self, query: schema.OnePermissionFolder) -> schema.PermissionSettings:
        entry = Entry(FOLDERS, query.text, query.scope)
        return self._changed(query, entry, None, {query.scope: query.revision})

    # --- shared ---------------------------------------------------------------------------------

    def _changed(
        self,
        named: OfSomeProject,
        old: Entry | None,
        new: Entry | None,
        revisions: Mapping[str, str | None],
    ) -> schema.PermissionSettings:
        chosen = self._chosen(named)
        if old and self._scope(chosen, old.scope) and old not in self._editor.entries(chosen):
            raise NotFound("It does not stand there.")
        based_on = self._based_on(chosen, revisions)
        self._editor.change(chosen, old, new, based_on, current_identity())
        return self._shown(chosen)

    def _based_on(
        self, chosen: ChosenProject, given: Mapping[str, str | None]
    ) -> Mapping[Scope, str]:
        """The revisions that a change is based on; those of now where none is given."""
        now = self._editor.revisions(chosen)
        named = {scope: given.get(scope) for scope in now}
        return {scope: now[scope] if each is None else each for scope, each in named.items()}

    def _scope(self, chosen: ChosenProject, scope: str) -> Scope:
        found = self._editor.configuration.settings_places(chosen)
        if scope not in found:
            raise InvalidRequest(
                f"The scope “{scope}” needs a project."
                if scope in ("project", "local")
                else "This one cannot be changed here."
            )
        return Scope(scope)

    def _shown(self, chosen: ChosenProject) -> schema.PermissionSettings:
        report = self._editor.configuration.report(chosen)
        found = self._editor.permissions(chosen, report)
        return schema.PermissionSettings(
            rules=[
                schema.PermissionRule(
                    kind=behavior.value,
                    text=each.entry.text,
                    scope=each.entry.scope,
                    words=str(each.words),
                    can_change=each.can_change,
                    is_in_force=each.is_in_force,
                )
                for behavior, rules in found.rules.items()
                for each in rules
            ],
            folders=[
                schema.PermissionFolder(
                    text=each.entry.text,
                    scope=each.entry.scope,
                    path=each.path,
                    can_change=each.can_change,
                    is_in_force=each.is_in_force,
                )
                for each in found.folders
            ],
            mode=found.mode,
            only_managed=found.only_managed,
            is_trusted=chosen.is_trusted,
            revisions={str(scope): each for scope, each in self._editor.revisions(chosen).items()},
            problem=report.problem or None,
        )

    def _chosen(self, named: OfSomeProject) -> ChosenProject:
        return chosen_by(self._editor.configuration, named)
