"""The page of budgets, and the decision on a session that one has paused."""

from __future__ import annotations

from collections.abc import Mapping

from flask import Blueprint, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from opcode_htmx.features.budgets.service import GoOn, InvalidBudget, amount
from opcode_htmx.lib.audit_log import log_act
from opcode_htmx.runs.policies.budget_book import BudgetBook
from opcode_htmx.runs.policies.budget_figures import Limits, as_typed, dollars
from opcode_htmx.web.auth.gate import current_identity
from opcode_htmx.web.http.flash import flash, flashed
from opcode_htmx.web.http.forms import by_htmx, session_url


def blueprint(book: BudgetBook, go_on: GoOn) -> Blueprint:
    pages = Blueprint("budgets", __name__)

    @pages.get("/budgets")
    def page() -> str:
        limits = book.limits
        fields = {"run": limits.run, "day": limits.day, "project": limits.project}
        return _page({name: as_typed(each) if each else "" for name, each in fields.items()})

    @pages.post("/budgets")
    def save() -> Response:
        try:
            names = ("run", "day", "project")
            limits = Limits(*(amount(request.form.get(name, "")) for name in names))
        except InvalidBudget as error:
            return make_response(_page(request.form, str(error)), 422)
        book.set_limits(limits)
        log_act(current_identity(), "budget.set")
        response = redirect(url_for(".page"), 303)
        flash(response, "budgets-saved")
        return response

    @pages.post("/budgets/held/<session_id>/go-on")
    def resume(session_id: str) -> Response | str:
        go_on.go_on(session_id, by=current_identity())
        return _back(session_id)

    @pages.post("/budgets/held/<session_id>/stop")
    def stop(session_id: str) -> Response | str:
        go_on.stop(session_id, by=current_identity())
        return _back(session_id)

    def _back(session_id: str) -> Response | str:
        if by_htmx():
            return render_template("alert.html", sentence="")
        location = go_on.locations.of(session_id)
        return redirect(session_url(location.claude_folder, location.session_id), 303)

    def _page(fields: Mapping[str, str], error: str = "") -> str:
        return render_template(
            "budgets/budgets.html",
            fields=fields,
            error=error or book.problem,
            today=dollars(book.spent_today()),
            notice=flashed()[0],
        )

    return pages
