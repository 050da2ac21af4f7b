"""The pages of Claude's settings: all of them, and one to be changed."""

from __future__ import annotations

from collections.abc import Mapping

from flask import Blueprint, abort, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from opcode_htmx.engines.claude.config.scopes import Scope
from opcode_htmx.engines.claude.config.settings_schema import Kind, Setting
from opcode_htmx.features.claude_settings import proxy
from opcode_htmx.features.claude_settings.service import (
    LABELS,
    SOURCES,
    SettingsEditor,
    sources_of,
)
from opcode_htmx.features.claude_settings.values import (
    InvalidValue,
    as_text,
    from_text,
    preview,
)
from opcode_htmx.lib.files.versioned_files import FileChanged, Place
from opcode_htmx.runs.capabilities.cache import CapabilityCache
from opcode_htmx.sessions.configuration.project_choices import project_choices
from opcode_htmx.sessions.configuration.reports import INITIALIZE, ClaudeReport
from opcode_htmx.sessions.configuration.service import ChosenProject, Configuration
from opcode_htmx.web.auth.gate import current_identity
from opcode_htmx.web.http.flash import flashed, redirect_with_notice
from opcode_htmx.web.http.forms import BadForm, typed

MOST_PROJECTS = 50


def blueprint(configuration: Configuration, capabilities: CapabilityCache) -> Blueprint:
    pages = Blueprint("claude_settings", __name__)
    editor = SettingsEditor(configuration)
    proxy.add_to(pages, configuration)

    @pages.get("/claude/settings")
    def page() -> str:
        chosen = configuration.chosen(request.args.get("folder", ""))
        words = request.args.get("q", "")[:200]
        report = configuration.report(chosen)
        return render_template(
            "claude_settings/settings.html",
            chosen=chosen,
            projects=project_choices(configuration.workspace, MOST_PROJECTS),
            report=report,
            settings=editor.all(report, words),
            words=words,
            labels=LABELS,
        )

    @pages.get("/claude/settings/<setting_name>")
    def setting(setting_name: str) -> str:
        chosen = configuration.chosen(request.args.get("folder", ""))
        return edit_page(_known(editor, setting_name, chosen), chosen)

    @pages.post("/claude/settings/<setting_name>")
    def change(setting_name: str) -> BaseResponse | tuple[str, int]:
        form = request.form
        chosen = configuration.chosen(form.get("folder", ""))
        known = _known(editor, setting_name, chosen)
        scope = _scope(form.get("scope", ""), configuration.settings_places(chosen))
        text = typed(form.get("value", ""))
        try:
            value = None
            if form.get("act") != "remove":
                value = from_text(known, text, editor.values(known, chosen)[scope])
                if problems := editor.schema.problems_of(known, value):
                    raise InvalidValue(problems[0].reason)
            based_on = form.get("revision", "")
            editor.change(known, chosen, scope, value, based_on, current_identity())
        except InvalidValue as error:
            return edit_page(known, chosen, scope, text, str(error)), 422
        except FileChanged as error:
            now = editor.values(known, chosen)[scope]
            words = preview(known, now) if now is not None else "It is not set any more."
            page = edit_page(known, chosen, scope, text, str(error), current=words)
            return page, 409
        where = url_for(
            ".setting", setting_name=setting_name, folder=chosen.reference or None, scope=scope
        )
        return redirect_with_notice(where, "setting-removed" if value is None else "setting-saved")

    def edit_page(
        known: Setting,
        chosen: ChosenProject,
        scope: Scope | None = None,
        text: str | None = None,
        error: str = "",
        current: str = "",
    ) -> str:
        """The page of one setting; `text` is what was typed, if it was not saved."""
        report = configuration.report(chosen)
        places = configuration.settings_places(chosen)
        values = editor.values(known, chosen)
        if scope is None:
            asked = request.args.get("scope", "")
            scope = Scope(asked) if asked in places else _usual_scope(values)
        given = sources_of(report, known)
        return render_template(
            "claude_settings/setting.html",
            setting=known,
            label=LABELS.get(known.name, ""),
            chosen=chosen,
            report=report,
            scope=scope,
            places=places,
            values={
                SOURCES[s]: preview(known, v)
                for s, v in given.items()
                if v is not None and s in SOURCES
            },
            is_set=values[scope] is not None,
            value=as_text(known, values[scope]) if text is None else text,
            revision=configuration.files.read(places[scope]).revision,
            suggestions=_suggestions(known, report, capabilities),
            error=error,
            current=current,
            notice=flashed()[0],
            kinds=Kind,
        )

    return pages


def _known(editor: SettingsEditor, name: str, chosen: ChosenProject) -> Setting:
    found = editor.setting(name, chosen)
    if found is None:
        abort(404, description="Claude has no setting with this name.")
    return found


def _scope(text: str, places: Mapping[Scope, Place]) -> Scope:
    """Raises BadForm."""
    found = next((scope for scope in places if scope == text), None)
    if found is None:
        raise BadForm("Choose where the setting is to stand.")
    return found


def _usual_scope(values: Mapping[Scope, object]) -> Scope:
    """The scope that holds now, or else the user's."""
    found = [scope for scope, value in values.items() if value is not None]
    return found[-1] if found else Scope.USER


def _suggestions(
    setting: Setting, report: ClaudeReport, capabilities: CapabilityCache
) -> list[str]:
    """Values that a text may have."""
    match setting.name:
        case "model" | "advisorModel":
            found = report.answer(INITIALIZE).get("models")
            named = [each.get("value") for each in found or () if isinstance(each, dict)]
            named = named or [model.value for model in capabilities.models]
            # "default" is the choice that removes the setting
            return [name for name in named if isinstance(name, str) and name != "default"]
        case "outputStyle":
            found = report.answer(INITIALIZE).get("available_output_styles")
            return [str(each) for each in found] if isinstance(found, list) else []
        case "agent":
            found = report.answer(INITIALIZE).get("agents")
            names = [each.get("name") for each in found or () if isinstance(each, dict)]
            return [name for name in names if isinstance(name, str)]
        case _:
            return []
