"""The page of budgets, and the decision on a session that one has paused."""

from __future__ import annotations

import time
from collections.abc import Mapping

from flask import Blueprint, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from opcode_htmx.features.budgets.service import (
    GoOn,
    InvalidBudget,
    amount,
    extras,
    of_projects,
    shown_more,
    used_up,
)
from opcode_htmx.lib.audit_log import log_act
from opcode_htmx.runs.budgets.amounts import as_typed, dollars, limit_words
from opcode_htmx.runs.budgets.book import BudgetBook
from opcode_htmx.runs.budgets.figures import Limits
from opcode_htmx.web.auth.gate import current_identity
from opcode_htmx.web.http.flash import flashed, redirect_with_notice
from opcode_htmx.web.http.forms import by_htmx, session_url

NAMES = {"run": "one run", "day": "a day", "project": "a day in one project"}
SAVED = "budgets-saved"
AGAIN = "Nothing is saved yet: save again to replace them by what stands here."


def blueprint(book: BudgetBook, go_on: GoOn, *, has_terminals: bool) -> Blueprint:
    pages = Blueprint("budgets", __name__)

    @pages.get("/budgets")
    def page() -> str:
        return _page(_fields(book.limits))

    @pages.post("/budgets")
    def save() -> Response:
        try:
            limits = Limits(*(amount(request.form.get(name, "")) for name in NAMES))
        except InvalidBudget as error:
            return make_response(_page(request.form, str(error), _seen_in(request.form)), 422)
        now = _fields(book.limits)
        if _seen_in(request.form) not in (None, _seen(now)):
            shown = ", ".join(f"{NAMES[name]}: {each or 'no limit'}" for name, each in now.items())
            sentence = f"The budgets were changed meanwhile, perhaps on another device ({shown})."
            return make_response(_page(request.form, f"{sentence} {AGAIN}"), 409)
        book.set_limits(limits)
        log_act(current_identity(), "budget.set")
        return redirect_with_notice(url_for(".page"), SAVED)

    @pages.post("/budgets/held/<session_id>/go-on")
    def resume(session_id: str) -> Response | str:
        more = shown_more(request.form.get("more", ""))
        target = go_on.go_on(session_id, by=current_identity(), more=more)
        if target != session_id and by_htmx():
            return make_response("", 200, {"HX-Redirect": _address(target)})
        return _back(target)

    @pages.post("/budgets/held/<session_id>/stop")
    def stop(session_id: str) -> Response | str:
        go_on.stop(session_id, by=current_identity())
        return _back(session_id)

    def _back(session_id: str) -> Response | str:
        if by_htmx():
            return render_template("alert.html", sentence="")
        return redirect(_address(session_id), 303)

    def _address(session_id: str) -> str:
        location = go_on.locations.of(session_id)
        return session_url(location.claude_folder, location.session_id)

    def _page(fields: Mapping[str, str], error: str = "", seen: str | None = None) -> str:
        is_saved = flashed()[0] == SAVED
        return render_template(
            "budgets/budgets.html",
            fields=fields,
            seen=_seen(_fields(book.limits)) if seen is None else seen,
            error=error or book.problem,
            today=dollars(book.spending.of_today()),
            day=book.standing_of_day(),
            projects=of_projects(book),
            limit_words=limit_words,
            extra=dollars(book.extra_today) if book.extra_today else "",
            project_extras=extras(book),
            has_terminals=has_terminals,
            is_saved=is_saved,
            used_up=used_up(book) if is_saved else None,
            dollars=dollars,
            zone=time.strftime("%Z"),
        )

    return pages


def _fields(limits: Limits) -> dict[str, str]:
    """The budgets as the form shows them."""
    amounts = {"run": limits.run, "day": limits.day, "project": limits.project}
    return {name: as_typed(each) if each else "" for name, each in amounts.items()}


def _seen(fields: Mapping[str, str]) -> str:
    """The budgets that a form was shown with: two phones do not undo each other's changes."""
    return " ".join(fields[name] or "-" for name in NAMES)


def _seen_in(form: Mapping[str, str]) -> str | None:
    return form.get("seen")
