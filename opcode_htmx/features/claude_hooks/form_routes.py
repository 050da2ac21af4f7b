"""The form of a hook: a new one, and one that stands in a file."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace

from flask import Blueprint, abort, render_template, request, url_for
from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response as BaseResponse

from opcode_htmx.engines.claude.config import json_text, secrets
from opcode_htmx.engines.claude.config.json_text import InvalidJson
from opcode_htmx.engines.claude.config.scopes import Scope
from opcode_htmx.features.claude_hooks import document
from opcode_htmx.features.claude_hooks.concerns import concerns_of
from opcode_htmx.features.claude_hooks.dangers import LONGEST
from opcode_htmx.features.claude_hooks.document import Entry, Hooks
from opcode_htmx.features.claude_hooks.errors import HookGone
from opcode_htmx.features.claude_hooks.kinds import HookKind
from opcode_htmx.features.claude_hooks.service import HookEditor
from opcode_htmx.features.claude_hooks.starters import STARTERS
from opcode_htmx.features.claude_hooks.trial.service import can_be_tried
from opcode_htmx.features.claude_hooks.values import BadField, as_form, from_form, others
from opcode_htmx.lib.coerce import Json
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.files.versioned_files import NO_FILE, FileChanged, FileRefused, Place
from opcode_htmx.sessions.configuration.service import ChosenProject, Configuration
from opcode_htmx.web.auth.gate import current_identity
from opcode_htmx.web.http.flash import flashed, redirect_with_notice
from opcode_htmx.web.http.forms import BadForm, typed

PREFIX = "hook-"
"""Of the names of a kind's fields in the form."""


@dataclass(frozen=True, slots=True)
class Draft:
    """What stands in the form. `entry` is the hook in the file, None for a new one."""

    kind: HookKind
    event: str
    matcher: str
    texts: Mapping[str, str]
    scope: Scope
    entry: Entry | None = None
    about: str = ""


def add_to(pages: Blueprint, configuration: Configuration) -> None:
    """Add the routes."""

    def chosen_by(given: MultiDict[str, str]) -> HookEditor:
        return HookEditor(configuration, configuration.chosen(given.get("folder", "")))

    @pages.get("/claude/hooks/new")
    def new() -> str:
        editor = chosen_by(request.args)
        return _form_page(editor, _new_draft(editor))

    @pages.post("/claude/hooks/new")
    def create() -> BaseResponse | tuple[str, int]:
        editor = chosen_by(request.form)
        return _save(editor, _sent(editor))

    @pages.get("/claude/hooks/hook")
    def hook() -> BaseResponse | str:
        editor = chosen_by(request.args)
        found = entry_of(editor, request.args)
        if found is None:
            return gone(editor)
        scope, entry = found
        kind = editor.kinds.get(str(entry.config.get("type"))) if entry.is_read else None
        if kind is None:
            return _shapeless_page(editor, scope, entry)
        return _form_page(editor, _draft_of(kind, scope, entry))

    @pages.post("/claude/hooks/hook")
    def change() -> BaseResponse | tuple[str, int]:
        form = request.form
        editor = chosen_by(form)
        scope = scope_named(form.get("scope", ""), editor.places)
        match form.get("act"):
            case "remove":
                return _rewrite(editor, scope, document.removed, "hook-removed")
            case "mend":
                return _rewrite(editor, scope, document.mended, "hook-mended")
            case _:
                found = entry_of(editor, form)
                return _save(editor, replace(_sent(editor), entry=found[1] if found else None))


def _save(editor: HookEditor, draft: Draft) -> BaseResponse | tuple[str, int]:
    act = request.form.get("act", "save")
    try:
        config = _checked(draft)
        concerns = concerns_of(editor, draft.event, draft.matcher, config)
        if act == "check" or (concerns and act != "anyway"):
            status = 200 if act == "check" else 422
            return _form_page(editor, draft, concerns=concerns, checked=True), status

        def hooks_of(content: Json) -> Hooks:
            args = draft.event, draft.matcher, config
            if draft.entry is None:
                return document.added(content, *args)
            return document.replaced(content, draft.entry, *args)

        based_on = request.form.get(f"revision_{draft.scope}", NO_FILE)
        place = editor.places[draft.scope]
        editor.change(place, based_on, current_identity(), hooks_of)
    except FileChanged as error:
        return _form_page(editor, draft, conflict=_conflict_of(error, draft)), 409
    except (BadField, InvalidJson, FileRefused) as error:
        return _form_page(editor, draft, error=str(error)), 422
    saved = Entry(draft.event, draft.matcher, config, is_read=True)
    return redirect_with_notice(address(editor.chosen, draft.scope, saved), "hook-saved")


def _rewrite(
    editor: HookEditor, scope: Scope, to: Callable[[Json, Entry], Hooks], notice: str
) -> BaseResponse | tuple[str, int]:
    """Remove or mend the hook of the form."""
    form = request.form
    wanted = form.get("old_event", ""), form.get("id", "")
    try:
        editor.change(
            editor.places[scope],
            form.get(f"revision_{scope}", NO_FILE),
            current_identity(),
            lambda content: to(content, document.found(content, *wanted)),
        )
    except HookGone:
        return gone(editor)
    except FileChanged as error:
        found = entry_of(editor, form)
        if found is None:
            return gone(editor)
        kind = editor.kinds.get(str(found[1].config.get("type")))
        if kind is None or not found[1].is_read:
            return _shapeless_page(editor, scope, found[1], str(error)), 409
        draft = _draft_of(kind, scope, found[1])
        return _form_page(editor, draft, error=f"{error} Nothing was saved."), 409
    except (InvalidJson, FileRefused) as error:
        raise BadForm(str(error)) from None
    return redirect_with_notice(url_for(".page", folder=editor.chosen.reference or None), notice)


def gone(editor: HookEditor) -> BaseResponse:
    """Back to the list, with the notice that the hook is not in its file any more."""
    return redirect_with_notice(
        url_for(".page", folder=editor.chosen.reference or None), "hook-gone"
    )


def _shapeless_page(editor: HookEditor, scope: Scope, entry: Entry, error: str = "") -> str:
    """The page of what no form can show."""
    return render_template(
        "claude_hooks/shapeless.html",
        chosen=editor.chosen,
        scope=scope,
        entry=entry,
        error=error,
        text=json.dumps(document.without_secrets(entry.config), indent=2, ensure_ascii=False),
        revisions=editor.revisions(),
    )


def _form_page(
    editor: HookEditor,
    draft: Draft,
    *,
    error: str = "",
    conflict: tuple[str, str] = ("", ""),
    concerns: list[str] | None = None,
    checked: bool = False,
) -> str:
    """The form; `conflict` is the name of the file and what it holds now."""
    entry = draft.entry
    if concerns is None and entry and not error:
        concerns = concerns_of(editor, entry.event, entry.matcher, entry.config)
    return render_template(
        "claude_hooks/hook.html",
        chosen=editor.chosen,
        report=editor.report,
        draft=draft,
        kinds=editor.kinds,
        events=list(editor.events.values()),
        event=editor.events.get(draft.event),
        more_is_set=any(
            draft.texts.get(field.name) for field in draft.kind.fields if not field.is_main
        ),
        others=others(draft.kind, entry.config) if entry else [],
        places=editor.places,
        revisions=editor.revisions(),
        is_tried=entry is not None and can_be_tried(entry),
        warning=editor.warning_of(entry, draft.scope) if entry else "",
        error=error,
        conflict=conflict,
        concerns=concerns or [],
        checked=checked,
        notice=flashed()[0],
    )


def _conflict_of(error: FileChanged, draft: Draft) -> tuple[str, str]:
    return error.place.path.name, _hooks_now(error.current.text, draft.event)


def scope_named(text: str, places: Mapping[Scope, Place]) -> Scope:
    """The scope of a form. Raises BadForm."""
    found = next((scope for scope in places if scope == text), None)
    if found is None:
        raise BadForm("Choose where the hook is to stand.")
    return found


def entry_of(editor: HookEditor, given: MultiDict[str, str]) -> tuple[Scope, Entry] | None:
    """The hook that an address or a form names; None if it is not in its file any more."""
    places = editor.places
    scope = next((each for each in places if each == given.get("scope")), None)
    name = given.get("old_event") or given.get("event", "")
    if scope is None:
        return None
    try:
        return scope, editor.entry(places[scope], name, given.get("id", ""))
    except (HookGone, InvalidJson, FileRefused):
        return None


def address(chosen: ChosenProject, scope: Scope, entry: Entry, endpoint: str = ".hook") -> str:
    """The address of a hook's page."""
    return url_for(
        endpoint, scope=scope, event=entry.event, id=entry.id, folder=chosen.reference or None
    )


def _new_draft(editor: HookEditor) -> Draft:
    """A new hook: of a kind, for an event, or from a starter."""
    args = request.args
    kinds = editor.kinds
    starter = STARTERS.get(args.get("starter", ""))
    project = editor.chosen
    scope = Scope.LOCAL if project.folder and project.is_trusted else Scope.USER
    if starter and starter.config["type"] in kinds:
        kind = kinds[starter.config["type"]]
        about = starter.about + (f". It needs {starter.needs}." if starter.needs else ".")
        texts = as_form(kind, starter.config)
        return Draft(kind, starter.event, starter.matcher, texts, scope, about=about)
    kind = kinds.get(args.get("kind", "")) or next(iter(kinds.values()))
    return Draft(kind, args.get("event", "")[:100], "", {}, scope)


def _draft_of(kind: HookKind, scope: Scope, entry: Entry) -> Draft:
    return Draft(kind, entry.event, entry.matcher, as_form(kind, entry.config), scope, entry)


def _sent(editor: HookEditor) -> Draft:
    """The form as it was sent. Raises BadForm."""
    form = request.form
    kind = editor.kinds.get(form.get("kind", ""))
    if kind is None:
        abort(422, description="Claude has no such kind of hook.")
    texts = {field.name: typed(form.get(PREFIX + field.name, "")) for field in kind.fields}
    scope = scope_named(form.get("scope", ""), editor.places)
    return Draft(
        kind, form.get("event", "").strip()[:100], form.get("matcher", "").strip(), texts, scope
    )


def _checked(draft: Draft) -> Json:
    """The hook of a form. Raises BadField."""
    if not draft.event:
        raise BadField("Choose the event at which it runs.")
    if any(len(text) > LONGEST for text in (draft.matcher, *draft.texts.values())):
        raise BadField(f"A field must not be longer than {LONGEST} characters.")
    return from_form(draft.kind, draft.texts, draft.entry.config if draft.entry else {})


def _hooks_now(text: str, event: str) -> str:
    """The hooks of an event in a file, for a person who has other ones in the form."""
    try:
        hooks = json_text.parse(secrets.hidden(text)).get(document.KEY)
    except InvalidJson as error:
        return str(error)
    found = hooks.get(event) if isinstance(hooks, dict) else None
    if found is None:
        return f"No hook for {event}."
    return json.dumps({event: found}, indent=2, ensure_ascii=False)
