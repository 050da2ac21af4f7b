"""The form of a hook: a new one, and one that stands in a file."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from flask import Blueprint, abort, redirect, render_template, request, url_for
from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response as BaseResponse

from opcode_htmx.engines.claude.config import json_text, queries, secrets
from opcode_htmx.engines.claude.config.json_text import InvalidJson
from opcode_htmx.engines.claude.config.scopes import Scope
from opcode_htmx.features.claude_hooks import document
from opcode_htmx.features.claude_hooks.dangers import LONGEST, dangers_of
from opcode_htmx.features.claude_hooks.document import Entry, HookGone, Hooks
from opcode_htmx.features.claude_hooks.events import catalog
from opcode_htmx.features.claude_hooks.kinds import (
    BadField,
    HookKind,
    as_form,
    from_form,
    main_text,
    others,
)
from opcode_htmx.features.claude_hooks.service import HookEditor
from opcode_htmx.features.claude_hooks.starters import STARTERS
from opcode_htmx.features.claude_hooks.syntax import syntax_error
from opcode_htmx.features.claude_hooks.trial.http import is_address, is_allowed
from opcode_htmx.lib.coerce import Json
from opcode_htmx.lib.files.versioned_files import NO_FILE, FileChanged, FileRefused, Place
from opcode_htmx.sessions.configuration.service import ChosenProject, Configuration
from opcode_htmx.web.auth.gate import current_identity
from opcode_htmx.web.http.flash import flash, flashed
from opcode_htmx.web.http.forms import BadForm, typed

PREFIX = "hook-"
"""Of the names of a kind's fields in the form."""
TRIED = ("command", "http")
"""The kinds that can be tried without a model."""


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


def add_to(pages: Blueprint, configuration: Configuration, editor: HookEditor) -> None:
    """Add the routes."""

    @pages.get("/claude/hooks/new")
    def new() -> str:
        chosen = configuration.chosen(request.args.get("folder", ""))
        return form_page(chosen, _new_draft(editor))

    @pages.post("/claude/hooks/new")
    def create() -> BaseResponse | tuple[str, int]:
        chosen = configuration.chosen(request.form.get("folder", ""))
        draft = _sent(editor, configuration, chosen)
        return save(chosen, draft)

    @pages.get("/claude/hooks/hook")
    def hook() -> BaseResponse | str:
        chosen = configuration.chosen(request.args.get("folder", ""))
        places = configuration.settings_places(chosen)
        found = entry_of(editor, places, request.args)
        if found is None:
            return gone(chosen)
        scope, entry = found
        kind = editor.kinds.get(str(entry.config.get("type"))) if entry.is_read else None
        if kind is None:
            return shapeless_page(chosen, scope, entry)
        return form_page(chosen, _draft_of(kind, scope, entry))

    @pages.post("/claude/hooks/hook")
    def change() -> BaseResponse | tuple[str, int]:
        form = request.form
        chosen = configuration.chosen(form.get("folder", ""))
        places = configuration.settings_places(chosen)
        scope = scope_named(form.get("scope", ""), places)
        match form.get("act"):
            case "remove":
                return rewrite(chosen, scope, document.removed, "hook-removed")
            case "mend":
                return rewrite(chosen, scope, document.mended, "hook-mended")
            case _:
                found = entry_of(editor, places, form)
                draft = _sent(editor, configuration, chosen)
                return save(chosen, replace(draft, entry=found[1] if found else None))

    def save(chosen: ChosenProject, draft: Draft) -> BaseResponse | tuple[str, int]:
        place = configuration.settings_places(chosen)[draft.scope]
        act = request.form.get("act", "save")
        try:
            config = _checked(draft)
            concerns = concerns_of(editor, chosen, draft.event, config)
            if act == "check" or (concerns and act != "anyway"):
                status = 200 if act == "check" else 422
                return form_page(chosen, draft, concerns=concerns, checked=True), status

            def hooks_of(content: Json) -> Hooks:
                args = draft.event, draft.matcher, config
                if draft.entry is None:
                    return document.added(content, *args)
                return document.replaced(content, draft.entry, *args)

            based_on = request.form.get(f"revision_{draft.scope}", NO_FILE)
            editor.change(chosen, place, based_on, current_identity(), hooks_of)
        except FileChanged as error:
            return form_page(chosen, draft, conflict=conflict_of(error, draft)), 409
        except (BadField, InvalidJson, FileRefused) as error:
            return form_page(chosen, draft, error=str(error)), 422
        saved = Entry(draft.event, draft.matcher, config, is_read=True)
        response = redirect(address(chosen, draft.scope, saved), 303)
        flash(response, "hook-saved")
        return response

    def rewrite(
        chosen: ChosenProject, scope: Scope, to: Callable[[Json, Entry], Hooks], notice: str
    ) -> BaseResponse | tuple[str, int]:
        """Remove or mend the hook of the form."""
        place = configuration.settings_places(chosen)[scope]
        form = request.form
        wanted = form.get("old_event", ""), form.get("id", "")
        try:
            editor.change(
                chosen,
                place,
                form.get(f"revision_{scope}", NO_FILE),
                current_identity(),
                lambda content: to(content, document.found(content, *wanted)),
            )
        except HookGone:
            return gone(chosen)
        except FileChanged as error:
            found = entry_of(editor, configuration.settings_places(chosen), form)
            if found is None:
                return gone(chosen)
            kind = editor.kinds.get(str(found[1].config.get("type")))
            if kind is None or not found[1].is_read:
                return shapeless_page(chosen, scope, found[1], str(error)), 409
            draft = _draft_of(kind, scope, found[1])
            return form_page(chosen, draft, error=f"{error} Nothing was saved."), 409
        except (InvalidJson, FileRefused) as error:
            raise BadForm(str(error)) from None
        response = redirect(url_for(".page", folder=chosen.reference or None), 303)
        flash(response, notice)
        return response

    def gone(chosen: ChosenProject) -> BaseResponse:
        response = redirect(url_for(".page", folder=chosen.reference or None), 303)
        flash(response, "hook-gone")
        return response

    def shapeless_page(chosen: ChosenProject, scope: Scope, entry: Entry, error: str = "") -> str:
        """The page of what no form can show."""
        return render_template(
            "claude_hooks/shapeless.html",
            chosen=chosen,
            scope=scope,
            entry=entry,
            error=error,
            text=json.dumps(document.without_secrets(entry.config), indent=2, ensure_ascii=False),
            revisions=revisions(chosen),
        )

    def form_page(
        chosen: ChosenProject,
        draft: Draft,
        *,
        error: str = "",
        conflict: tuple[str, str] = ("", ""),
        concerns: list[str] | None = None,
        checked: bool = False,
    ) -> str:
        """The form; `conflict` is the name of the file and what it holds now."""
        report = configuration.report(chosen)
        events = catalog(report.answer(queries.HOOKS))
        entry = draft.entry
        if concerns is None and entry and not error:
            concerns = concerns_of(editor, chosen, draft.event, entry.config)
        return render_template(
            "claude_hooks/hook.html",
            chosen=chosen,
            report=report,
            draft=draft,
            kinds=editor.kinds,
            events=events,
            event=next((each for each in events if each.name == draft.event), None),
            more_is_set=any(
                draft.texts.get(field.name) for field in draft.kind.fields if not field.is_main
            ),
            others=others(draft.kind, entry.config) if entry else [],
            places=configuration.settings_places(chosen),
            revisions=revisions(chosen),
            address=address(chosen, draft.scope, entry) if entry else "",
            is_tried=entry is not None and entry.config.get("type") in TRIED,
            warning=editor.warning_of(entry, draft.scope, chosen) if entry else "",
            error=error,
            conflict=conflict,
            concerns=concerns or [],
            checked=checked,
            notice=flashed()[0],
        )

    def revisions(chosen: ChosenProject) -> Mapping[Scope, str]:
        places = configuration.settings_places(chosen)
        return {scope: revision_of(configuration, place) for scope, place in places.items()}

    def conflict_of(error: FileChanged, draft: Draft) -> tuple[str, str]:
        return error.place.path.name, _hooks_now(error.current.text, draft.event)


def concerns_of(editor: HookEditor, chosen: ChosenProject, event: str, config: Json) -> list[str]:
    """What a person should read before this hook runs by itself."""
    match config:
        case {"type": "command"}:
            found = list(dangers_of(main_text(config), event))
            wrong = "args" not in config and config.get("shell") != "powershell"
            if wrong and (error := syntax_error(str(config.get("command", "")))):
                found.insert(0, f"bash cannot read it: {error}")
            return found
        case {"type": "http", "url": str(url)}:
            if not is_address(url):
                return ["Claude can send it only to an address with http:// or https://."]
            if not is_allowed(url, editor.allowed_urls(chosen)):
                return ["Claude does not send it: allowedHttpHookUrls does not have its address."]
            return []
        case _:
            return []


def scope_named(text: str, places: Mapping[Scope, Place]) -> Scope:
    """The scope of a form. Raises BadForm."""
    found = next((scope for scope in places if scope == text), None)
    if found is None:
        raise BadForm("Choose where the hook is to stand.")
    return found


def revision_of(configuration: Configuration, place: Place) -> str:
    """The revision of a file; that of none if it cannot be read."""
    try:
        return configuration.files.read(place).revision
    except FileRefused:
        return NO_FILE


def entry_of(
    editor: HookEditor, places: Mapping[Scope, Place], given: MultiDict[str, str]
) -> tuple[Scope, Entry] | None:
    """The hook that an address or a form names; None if it is not in its file any more."""
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
    scope = Scope.USER
    if starter and starter.config["type"] in kinds:
        kind = kinds[starter.config["type"]]
        about = starter.about + (f". It needs {starter.needs}." if starter.needs else ".")
        texts = as_form(kind, starter.config)
        return Draft(kind, starter.event, starter.matcher, texts, scope, about=about)
    kind = kinds.get(args.get("kind", "")) or next(iter(kinds.values()))
    return Draft(kind, args.get("event", "")[:100], "", {}, scope)


def _draft_of(kind: HookKind, scope: Scope, entry: Entry) -> Draft:
    return Draft(kind, entry.event, entry.matcher, as_form(kind, entry.config), scope, entry)


def _sent(editor: HookEditor, configuration: Configuration, chosen: ChosenProject) -> Draft:
    """The form as it was sent. Raises BadForm."""
    form = request.form
    kind = editor.kinds.get(form.get("kind", ""))
    if kind is None:
        abort(422, description="Claude has no such kind of hook.")
    texts = {field.name: typed(form.get(PREFIX + field.name, "")) for field in kind.fields}
    scope = scope_named(form.get("scope", ""), configuration.settings_places(chosen))
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
