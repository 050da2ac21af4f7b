"""The page on which a hook is tried: its sample, and what came of a run."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response as BaseResponse

from opcode_htmx.engines.claude.config import queries
from opcode_htmx.engines.claude.config.scopes import Scope
from opcode_htmx.features.claude_hooks.concerns import concerns_of
from opcode_htmx.features.claude_hooks.document import Entry, without_secrets
from opcode_htmx.features.claude_hooks.form_routes import TRIED, address, entry_of
from opcode_htmx.features.claude_hooks.kinds import main_text
from opcode_htmx.features.claude_hooks.service import HookEditor
from opcode_htmx.features.claude_hooks.trial.command import SECONDS, Outcome, run_command
from opcode_htmx.features.claude_hooks.trial.http import is_allowed, send
from opcode_htmx.features.claude_hooks.trial.samples import sample
from opcode_htmx.features.claude_hooks.trial.verdict import verdict
from opcode_htmx.lib.audit_log import log_act
from opcode_htmx.sessions.configuration.service import Configuration
from opcode_htmx.web.auth.gate import current_identity
from opcode_htmx.web.http.flash import flash
from opcode_htmx.web.http.forms import typed

MOST_CHARACTERS = 100_000
WITH_ENV_FILE = frozenset({"SessionStart", "Setup", "CwdChanged", "FileChanged"})
"""Events at which Claude names a file in CLAUDE_ENV_FILE."""
NOT_TRUSTED = "The files of this project are not trusted, so nothing is run in it."


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
        if found is None or not _can_be_tried(found[1]):
            return gone(editor)
        scope, entry = found
        chosen = editor.chosen
        folder = str(chosen.folder) if chosen.folder else "/tmp"  # noqa: S108 - a sample's text
        text = json.dumps(sample(entry.event, entry.matcher, folder), indent=2, ensure_ascii=False)
        return trial_page(editor, scope, entry, text)

    @pages.post("/claude/hooks/try")
    def try_out() -> BaseResponse | tuple[str, int] | str:
        form = request.form
        editor = chosen_by(form)
        found = entry_of(editor, form)
        if found is None or not _can_be_tried(found[1]):
            return gone(editor)
        scope, entry = found
        text = typed(form.get("sample", ""))
        if error := _refusal(editor, entry, text):
            return trial_page(editor, scope, entry, text, error), 422
        log_act(current_identity(), "hook.try", event=entry.event, scope=str(scope))
        outcome = run(editor, entry, text)
        return trial_page(editor, scope, entry, text, outcome=outcome)

    def run(editor: HookEditor, entry: Entry, text: str) -> Outcome:
        environment = {**variables, **_settings_env(editor)}
        if entry.config["type"] == "http":
            return send(entry.config, text, environment)
        with tempfile.TemporaryDirectory(prefix="opcode-hook-") as empty:
            if entry.event in WITH_ENV_FILE:
                file = Path(empty) / "env"
                file.touch(mode=0o600)
                environment["CLAUDE_ENV_FILE"] = str(file)
            return run_command(entry.config, text, editor.chosen.folder or Path(empty), environment)

    def _settings_env(editor: HookEditor) -> Mapping[str, str]:
        """The variables that Claude's settings give to its hooks."""
        effective = editor.report.answer(queries.SETTINGS).get("effective")
        env = effective.get("env") if isinstance(effective, dict) else None
        given = env.items() if isinstance(env, dict) else ()
        return {
            name: value
            for name, value in given
            if isinstance(value, str) and name and "=" not in name and "\0" not in name + value
        }

    def gone(editor: HookEditor) -> BaseResponse:
        response = redirect(url_for(".page", folder=editor.chosen.reference or None), 303)
        flash(response, "hook-gone")
        return response

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
        sentences = (
            verdict(entry.event, config, outcome.status, outcome.stdout, outcome.timed_out)
            if outcome
            else []
        )
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
            sentences=sentences,
            seconds=SECONDS,
            back_to=address(chosen, scope, entry),
        )


def _can_be_tried(entry: Entry) -> bool:
    return entry.is_read and entry.config.get("type") in TRIED


def _refusal(editor: HookEditor, entry: Entry, text: str) -> str:
    """Why a hook is not tried with a sample; empty if it may be."""
    if not editor.chosen.is_trusted:
        return NOT_TRUSTED
    if len(text) > MOST_CHARACTERS:
        return f"The sample must not be longer than {MOST_CHARACTERS} characters."
    url = entry.config.get("url")
    if entry.config["type"] == "http" and not is_allowed(str(url), editor.allowed_urls()):
        return "Claude does not send it: allowedHttpHookUrls does not have its address."
    try:
        found = json.loads(text)
    except json.JSONDecodeError as error:
        return f"The sample is no valid JSON: line {error.lineno}, column {error.colno}."
    except (ValueError, RecursionError):
        return "The sample holds something that JSON cannot hold."
    return "" if isinstance(found, dict) else "The sample must be an object: { … }."
