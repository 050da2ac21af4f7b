"""The endpoints of /api/hooks."""

from __future__ import annotations

import json
from collections.abc import Mapping

from werkzeug.wrappers import Response

from opcode_htmx.engines.claude.config import json_text
from opcode_htmx.engines.claude.config.scopes import Scope
from opcode_htmx.features.claude_hooks.concerns import concerns_of
from opcode_htmx.features.claude_hooks.document import KEY, Hooks
from opcode_htmx.features.claude_hooks.rest import schema, whole
from opcode_htmx.features.claude_hooks.service import HookEditor, Row
from opcode_htmx.features.claude_hooks.starters import STARTERS
from opcode_htmx.features.claude_hooks.syntax import syntax_error
from opcode_htmx.features.claude_hooks.trial import service as trial
from opcode_htmx.features.claude_hooks.values import BadField
from opcode_htmx.lib.coerce import Json
from opcode_htmx.lib.files.versioned_files import Place
from opcode_htmx.sessions.configuration.named_project import NO_PROJECT, OfSomeProject, chosen_by
from opcode_htmx.sessions.configuration.revisions import CHANGED, based_on
from opcode_htmx.sessions.configuration.service import Configuration
from opcode_htmx.web.auth.gate import current_identity
from opcode_htmx.web.rest import envelope
from opcode_htmx.web.rest.endpoint import Endpoint
from opcode_htmx.web.rest.invalid_request import InvalidRequest

TAG = "Hooks"
ADDRESS = "/api/hooks"


class _Concerning(Exception):
    """New hooks are dangerous, and the request does not say to save them anyway."""

    def __init__(self, concerns: list[str]) -> None:
        super().__init__(" ".join(concerns))
        self.concerns = concerns


class HooksApi:
    def __init__(self, configuration: Configuration, variables: Mapping[str, str]) -> None:
        """`variables` is the environment of Claude's processes, in which hooks are tried."""
        self._configuration = configuration
        self._variables = variables

    def endpoints(self) -> tuple[Endpoint, ...]:
        return (*self._of_files(), *self._of_one())

    def _of_files(self) -> tuple[Endpoint, ...]:
        return (
            Endpoint(
                method="GET",
                path=ADDRESS,
                tag=TAG,
                summary="All hooks, wherever they stand, and the events of the installed Claude",
                handler=self.all,
                response=schema.HookListing,
                query=OfSomeProject,
                refusals=NO_PROJECT,
            ),
            Endpoint(
                method="GET",
                path=f"{ADDRESS}/config",
                tag=TAG,
                summary="The hooks of a settings file",
                handler=self.config,
                response=schema.HookConfig,
                query=schema.InHookFile,
                refusals=NO_PROJECT,
            ),
            Endpoint(
                method="PUT",
                path=f"{ADDRESS}/config",
                tag=TAG,
                summary="Write the hooks of a settings file",
                handler=self.save_config,
                response=schema.HookConfig,
                body=schema.NewHookConfig,
                refusals={**NO_PROJECT, **CHANGED},
                description="Hooks that are not in the file yet are checked. What is dangerous in "
                "them gets 422 with `concerns`, unless `anyway` is true. All else in the file "
                "stays.",
            ),
            Endpoint(
                method="PUT",
                path=f"{ADDRESS}/enabled",
                tag=TAG,
                summary="Switch all hooks on or off",
                handler=self.switch,
                response=schema.HookListing,
                body=schema.HookSwitch,
                refusals={**NO_PROJECT, **CHANGED},
            ),
        )

    def _of_one(self) -> tuple[Endpoint, ...]:
        return (
            Endpoint(
                method="GET",
                path=f"{ADDRESS}/templates",
                tag=TAG,
                summary="Hooks to start from",
                handler=self.templates,
                response=list[schema.HookTemplate],
            ),
            Endpoint(
                method="POST",
                path=f"{ADDRESS}/validate",
                tag=TAG,
                summary="Check a command or a hook without running it",
                handler=self.validate,
                response=schema.HookValidity,
                body=schema.HookCheck,
                refusals=NO_PROJECT,
            ),
            Endpoint(
                method="POST",
                path=f"{ADDRESS}/try",
                tag=TAG,
                summary="Run a hook once, on a sample of its event",
                handler=self.try_out,
                response=schema.HookOutcome,
                body=schema.HookTry,
                refusals={404: "There is no such hook, or no such project."},
                description="Only those that run a command or send a request, and none in a "
                "project that is not trusted.",
            ),
        )

    # --- files ----------------------------------------------------------------------------------

    def all(self, query: OfSomeProject) -> schema.HookListing:
        return _listed(self._editor(query))

    def config(self, query: schema.InHookFile) -> schema.HookConfig:
        editor = self._editor(query)
        return self._config(query.scope, self._place(editor, query.scope))

    def save_config(self, body: schema.NewHookConfig) -> schema.HookConfig | Response:
        editor = self._editor(body)
        place = self._place(editor, body.scope)

        def hooks_of(content: Json) -> Hooks:
            hooks = whole.revealed(body.hooks, content)
            concerns = [
                concern
                for each in whole.check_new(hooks, content, editor.kinds)
                for concern in concerns_of(editor, each.event, each.matcher, each.config)
            ]
            if concerns and not body.anyway:
                raise _Concerning(concerns)
            return hooks

        try:
            revision = based_on(self._configuration, place, body.revision)
            editor.change(place, revision, current_identity(), hooks_of)
        except _Concerning as error:
            return envelope.failure(str(error), 422, {"concerns": error.concerns})
        return self._config(body.scope, place)

    def switch(self, body: schema.HookSwitch) -> schema.HookListing:
        editor = self._editor(body)
        place = self._place(editor, body.scope)
        revision = based_on(self._configuration, place, body.revision)
        editor.switch(place, revision, current_identity(), off=not body.enabled)
        return _listed(self._editor(body))

    # --- one ------------------------------------------------------------------------------------

    def templates(self) -> list[schema.HookTemplate]:
        return [
            schema.HookTemplate(
                name=each.name,
                title=each.title,
                about=each.about,
                event=each.event,
                matcher=each.matcher,
                config=each.config,
                needs=each.needs or None,
            )
            for each in STARTERS.values()
        ]

    def validate(self, body: schema.HookCheck) -> schema.HookValidity:
        if (body.command is None) == (body.config is None):
            raise InvalidRequest("Send either a command or a config.")
        editor = self._editor(body)
        config = body.config or {"type": "command", "command": body.command}
        try:
            whole.check_config(config, editor.kinds)
        except BadField as error:
            return schema.HookValidity(valid=False, message=str(error), concerns=[])
        is_bash = config.get("type") == "command" and "args" not in config
        error_of_bash = syntax_error(str(config["command"])) if is_bash else ""
        return schema.HookValidity(
            valid=not error_of_bash,
            message=error_of_bash or "It can be read.",
            concerns=concerns_of(editor, body.event, body.matcher, config),
        )

    def try_out(self, body: schema.HookTry) -> schema.HookOutcome:
        editor = self._editor(body)
        entry = editor.entry(self._place(editor, body.scope), body.event, body.id)
        if not trial.can_be_tried(entry):
            raise InvalidRequest("Only commands and HTTP requests can be tried.")
        text = trial.sample_of(editor, entry) if body.sample is None else json.dumps(body.sample)
        if error := trial.refusal(editor, entry, text):
            raise InvalidRequest(error)
        scope, by = Scope(body.scope), current_identity()
        found = trial.run(editor, scope, entry, text, self._variables, by)
        return schema.HookOutcome(
            status=found.status,
            stdout=found.stdout,
            stderr=found.stderr,
            seconds=found.seconds,
            timed_out=found.timed_out,
            problem=found.problem or None,
            sentences=trial.sentences(entry, found),
            sample=json.loads(text),
        )

    # --- shared ---------------------------------------------------------------------------------

    def _editor(self, named: OfSomeProject) -> HookEditor:
        return HookEditor(self._configuration, chosen_by(self._configuration, named))

    def _place(self, editor: HookEditor, scope: str) -> Place:
        place = editor.places.get(Scope(scope))
        if place is None:
            raise InvalidRequest(f"The scope “{scope}” needs a project.")
        return place

    def _config(self, scope: schema.Where, place: Place) -> schema.HookConfig:
        file = self._configuration.files.read(place)
        hooks = whole.hidden(json_text.parse(file.text).get(KEY))
        return schema.HookConfig(scope=scope, hooks=hooks, revision=file.revision)


def _listed(editor: HookEditor) -> schema.HookListing:
    found = editor.listing()
    return schema.HookListing(
        hooks=[_hook(group.event.name, row) for group in found.groups for row in group.rows],
        events=[
            schema.HookEvent(
                name=each.name,
                summary=each.summary,
                has_matcher=each.has_matcher,
                matched=each.matched,
                values=list(each.values),
            )
            for each in editor.events.values()
        ],
        problems=list(found.problems),
        policy=found.policy or None,
        off_in=found.off_in or None,
        is_trusted=editor.chosen.is_trusted,
        problem=editor.report.problem or None,
    )


def _hook(event: str, row: Row) -> schema.Hook:
    return schema.Hook(
        event=event,
        matcher=row.matcher,
        kind=row.kind,
        text=row.text,
        source=row.source,
        scope=row.scope.value if row.scope else None,
        id=row.id or None,
        warning=row.warning or None,
    )
