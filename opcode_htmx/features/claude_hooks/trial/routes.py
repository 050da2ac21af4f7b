"""The page on which a hook is tried: its sample, and what came of a run."""

from __future__ import annotations

from collections.abc import Mapping

from flask import Blueprint, render_template, request
from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response as BaseResponse

from opcode_htmx.engines.claude.config.scopes import Scope
from opcode_htmx.features.claude_hooks.concerns import concerns_of
from opcode_htmx.features.claude_hooks.document import Entry, without_secrets
from opcode_htmx.features.claude_hooks.form_routes import address, entry_of, gone
from opcode_htmx.features.claude_hooks.kinds import main_text
from opcode_htmx.features.claude_hooks.service import HookEditor
from opcode_htmx.features.claude_hooks.trial.command import SECONDS, Outcome
from opcode_htmx.features.claude_hooks.trial.service import (
    NOT_TRUSTED,
    can_be_tried,
    refusal,
    run,
    sample_of,
    sentences,
)
from opcode_htmx.sessions.configuration.service import Configuration
from opcode_htmx.web.auth.gate import current_identity
from opcode_htmx.web.http.forms import typed


def add_to(
    pages: Blueprint,
    configuration: Configuration,
    variables: Mapping[str, str],
) -> None:
    """Add the routes."""

    def chosen_by(given: MultiDict[str, str]) -> HookEditor:
        return HookEditor(configuration, configuration.chosen(given.get("folder", "")))

    @pages.get("/claude/hooks/try", endpoint="trial")
    def trial() -> BaseResponse | str:
        editor = chosen_by(request.args)
        found = entry_of(editor, request.args)
        if found is None or not can_be_tried(found[1]):
            return gone(editor)
        scope, entry = found
        return trial_page(editor, scope, entry, sample_of(editor, entry))

    @pages.post("/claude/hooks/try")
    def try_out() -> BaseResponse | tuple[str, int] | str:
        form = request.form
        editor = chosen_by(form)
        found = entry_of(editor, form)
        if found is None or not can_be_tried(found[1]):
            return gone(editor)
        scope, entry = found
        text = typed(form.get("sample", ""))
        if error := refusal(editor, entry, text):
            return trial_page(editor, scope, entry, text, error), 422
        outcome = run(editor, scope, entry, text, variables, current_identity())
        return trial_page(editor, scope, entry, text, outcome=outcome)

    def trial_page(
        editor: HookEditor,
        scope: Scope,
        entry: Entry,
        text: str,
        error: str = "",
        outcome: Outcome | None = None,
    ) -> str:
        chosen, config = editor.chosen, entry.config
        is_http = config["type"] == "http"
        return render_template(
            "claude_hooks/try.html",
            chosen=chosen,
            scope=scope,
            entry=entry,
            is_http=is_http,
            does=main_text(without_secrets(config)),
            concerns=concerns_of(editor, entry.event, entry.matcher, config),
            refusal="" if chosen.is_trusted else NOT_TRUSTED,
            sample=text,
            error=error,
            outcome=outcome,
            sentences=sentences(entry, outcome) if outcome else [],
            seconds=SECONDS,
            back_to=address(chosen, scope, entry),
        )
