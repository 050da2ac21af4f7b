"""The pages of the permission rules: all of them with a tester, and one to be changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from flask import Blueprint, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from opcode_htmx.engines.claude.config import json_text
from opcode_htmx.engines.claude.config.json_text import InvalidJson
from opcode_htmx.engines.claude.config.scopes import Scope
from opcode_htmx.engines.claude.permissions import rules
from opcode_htmx.engines.claude.permissions.rulebook import Decision, Outcome
from opcode_htmx.engines.claude.permissions.rules import Behavior, InvalidRule, Words
from opcode_htmx.features.claude_permissions.entries import FOLDERS, NO_KIND, Entry
from opcode_htmx.features.claude_permissions.lately import LatelyMatched
from opcode_htmx.features.claude_permissions.service import (
    ListedRule,
    PermissionEditor,
    Permissions,
)
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.files.versioned_files import FileChanged, FileRefused
from opcode_htmx.rendering.asks.permissions import MODES
from opcode_htmx.sessions.configuration.project_choices import project_choices
from opcode_htmx.sessions.configuration.service import ChosenProject
from opcode_htmx.web.auth.gate import current_identity
from opcode_htmx.web.http.flash import flashed, redirect_with_notice

MOST_PROJECTS = 50
LONGEST_SUBJECT = 4000
TOOLS = {
    "Bash": "Run a command",
    "Read": "Read a file",
    "Edit": "Edit a file",
    "Write": "Write a file",
    "WebFetch": "Fetch an address",
    "WebSearch": "Search the web",
}
"""The tools of the tester."""
HEADINGS = {
    Behavior.DENY: "Denied",
    Behavior.ASK: "Asked for",
    Behavior.ALLOW: "Allowed",
}
OUTCOMES = {
    Outcome.ALLOWED: "Allowed without asking",
    Outcome.ASKED: "You would be asked",
    Outcome.DENIED: "Denied without asking",
    Outcome.JUDGED: "A model would decide",
}


def blueprint(editor: PermissionEditor, lately: LatelyMatched) -> Blueprint:
    pages = Blueprint("claude_permissions", __name__)
    configuration = editor.configuration

    @pages.get("/claude/permissions")
    def page() -> str:
        chosen = configuration.chosen(request.args.get("folder", ""))
        report = configuration.report(chosen)
        permissions = editor.permissions(chosen, report)
        mode = request.args.get("mode", "")
        mode = mode if mode in MODES else permissions.mode
        tool = request.args.get("tool", "")
        subject = request.args.get("subject", "").replace("\r\n", "\n").strip()[:LONGEST_SUBJECT]
        return render_template(
            "claude_permissions/permissions.html",
            chosen=chosen,
            projects=project_choices(configuration.workspace, MOST_PROJECTS),
            report=report,
            permissions=permissions,
            headings=HEADINGS,
            modes=MODES,
            tools=TOOLS,
            tool=tool,
            subject=subject,
            mode=mode,
            decision=_tested(editor, chosen, permissions, tool, subject, mode),
            outcomes=OUTCOMES,
            notice=flashed()[0],
        )

    _add_rule(pages, editor, lately)
    _add_folder(pages, editor)
    return pages


def _add_rule(pages: Blueprint, editor: PermissionEditor, lately: LatelyMatched) -> None:
    """The form of a rule."""

    @pages.get("/claude/permissions/rule")
    def rule() -> str:
        args = request.args
        chosen = editor.configuration.chosen(args.get("folder", ""))
        old = _entry(args, "", tuple(Behavior))
        found = editor.find(chosen, old) if old else None
        kind = args.get("kind", "")
        kind = kind if kind in list(Behavior) else Behavior.ALLOW
        return form_page(_Form(chosen, old, old or Entry(kind, "", _usual_scope(chosen))), found)

    @pages.post("/claude/permissions/rule")
    def change_rule() -> BaseResponse | tuple[str, int]:
        kind = request.form.get("kind", "")
        return _submit(editor, tuple(Behavior), kind, form_page, "rule")

    def form_page(form: _Form, found: ListedRule | None = None) -> str:
        matches = lately.of(*editor.limits(found, form.chosen)) if found else None
        return render_template(
            "claude_permissions/rule.html",
            found=found,
            words=_words(form.old, found),
            headings=HEADINGS,
            matches=matches,
            **form.context(editor),
        )


def _add_folder(pages: Blueprint, editor: PermissionEditor) -> None:
    """The form of a folder that Claude works in besides the project."""

    @pages.get("/claude/permissions/folder")
    def folder() -> str:
        chosen = editor.configuration.chosen(request.args.get("folder", ""))
        old = _entry(request.args, "", (FOLDERS,))
        return form_page(_Form(chosen, old, old or Entry(FOLDERS, "", _usual_scope(chosen))))

    @pages.post("/claude/permissions/folder")
    def change_folder() -> BaseResponse | tuple[str, int]:
        return _submit(editor, (FOLDERS,), FOLDERS, form_page, "folder")

    def form_page(form: _Form) -> str:
        return render_template("claude_permissions/folder.html", **form.context(editor))


@dataclass(frozen=True)
class _Form:
    """The form of an entry: `new` is what it holds, and `old` what it replaces."""

    chosen: ChosenProject
    old: Entry | None
    new: Entry
    error: str = ""
    changed: FileChanged | None = None

    def context(self, editor: PermissionEditor) -> dict[str, object]:
        return {
            "chosen": self.chosen,
            "old": self.old,
            "new": self.new,
            "places": editor.configuration.settings_places(self.chosen),
            "revisions": editor.revisions(self.chosen),
            "error": self.error,
            "changed": self.changed,
            "current": _permissions_in(self.changed) if self.changed else "",
        }


def _submit(
    editor: PermissionEditor,
    kinds: tuple[str, ...],
    kind: str,
    form_page: Callable[[_Form], str],
    noun: str,
) -> BaseResponse | tuple[str, int]:
    """Save or remove the entry of a form; where that is refused, the form with the reason."""
    form = request.form
    chosen = editor.configuration.chosen(form.get("folder", ""))
    old = _entry(form, "old-", kinds)
    new = Entry(kind, form.get("text", "").strip(), form.get("scope", ""))
    is_removed = form.get("act") == "remove"
    based_on = {
        scope: form.get(f"revision-{scope}", "")
        for scope in editor.configuration.settings_places(chosen)
    }
    try:
        if kind not in kinds and not is_removed:
            raise InvalidRule(NO_KIND)
        editor.change(chosen, old, None if is_removed else new, based_on, current_identity())
    except FileChanged as error:
        return form_page(_Form(chosen, old, new, str(error), error)), 409
    except (InvalidRule, InvalidJson, FileRefused) as error:
        return form_page(_Form(chosen, old, new, str(error))), 422
    notice = f"{noun}-removed" if is_removed else f"{noun}-saved"
    return redirect_with_notice(url_for(".page", folder=chosen.reference or None), notice)


def _permissions_in(changed: FileChanged) -> str:
    """What the file that has changed says of permissions."""
    try:
        found = json_text.parse(changed.current.text).get("permissions")
    except InvalidJson as error:
        return str(error)
    return json_text.with_value("", ("permissions",), found) if found else "No permissions."


def _tested(
    editor: PermissionEditor,
    chosen: ChosenProject,
    permissions: Permissions,
    tool: str,
    subject: str,
    mode: str,
) -> Decision | None:
    """The decision about the call in the tester; None where nothing was asked."""
    name = subject if tool == "mcp" else tool
    if not name or not (subject or tool == "WebSearch"):
        return None
    return editor.decision(chosen, permissions, name, subject, mode)


def _words(entry: Entry | None, found: ListedRule | None) -> Words | None:
    if found:
        return found.words
    return rules.in_words(entry.text) if entry else None


def _entry(fields: Mapping[str, str], prefix: str, kinds: tuple[str, ...]) -> Entry | None:
    """The entry that a form or an address names."""
    kind = fields.get(f"{prefix}kind", "")
    entry = Entry(kind, fields.get(f"{prefix}text", ""), fields.get(f"{prefix}scope", ""))
    return entry if kind in kinds and entry.text and entry.scope else None


def _usual_scope(chosen: ChosenProject) -> Scope:
    """Where a new entry is to stand unless the person chooses otherwise: where it has an effect."""
    return Scope.LOCAL if chosen.folder and chosen.is_trusted else Scope.USER
