"""The usage page, and its export."""

from __future__ import annotations

from flask import Blueprint, Response, render_template, request

from opcode_htmx.engines.claude import prices
from opcode_htmx.features.usage import amounts, chart, csv_export
from opcode_htmx.features.usage.limits import Limit, PlanLimits
from opcode_htmx.features.usage.page import ALL_ROWS, MOST_UNPRICED, UsagePage
from opcode_htmx.features.usage.query import RANGES, UsageForm, address, form_of, zone_name
from opcode_htmx.sessions.index.usage.figures import By
from opcode_htmx.web.http.forms import BadForm, session_url
from opcode_htmx.web.http.way_back import lists_sessions


def blueprint(usage: UsagePage, limits: PlanLimits) -> Blueprint:
    pages = Blueprint("usage", __name__)
    amounts.install(pages)

    @pages.app_template_global("plan_limits")
    def plan_limits() -> list[Limit]:
        """What is left of the plan, for other pages as well."""
        return limits.current()

    @pages.get("/usage", endpoint="page")
    @lists_sessions("Usage")
    def page() -> str:
        form = form_of(request.args)
        show_all = request.args.get("all", "")

        def other(endpoint: str = "usage.page", **changes: str) -> str:
            return address(form, endpoint, **changes)

        return render_template(
            "usage/usage.html",
            form=form,
            report=usage.report(form, show_all),
            ranges=RANGES,
            other=other,
            limits=limits.current(),
            said_cost=_said_cost,
            prices=prices,
            zone=zone_name(),
            day_label=chart.label_of,
            agent_name=csv_export.agent_name,
            session_url=session_url,
            show_all=show_all,
            all_rows=ALL_ROWS,
            most_unpriced=MOST_UNPRICED,
            by=By,
        )

    def _said_cost(session_id: str, from_file: int | None) -> int | None:
        """What Claude Code says a session cost: in the file, or meanwhile in the run."""
        found = [each for each in (limits.cost_of(session_id), from_file) if each is not None]
        return max(found, default=None)

    @pages.get("/usage/export.csv")
    def export() -> Response:
        form = form_of(request.args)
        return csv_response(usage, form, request.args.get("by", By.DAY.value))

    return pages


def csv_response(usage: UsagePage, form: UsageForm, by: str) -> Response:
    """The file with all groups of a kind. Raises BadForm."""
    if by not in set(By):
        raise BadForm("Choose day, project, model, session or agent.")
    groups, _ = usage.read(form.query, lambda sums: sums.groups(By(by)))
    response = Response(csv_export.text_of(By(by), groups), mimetype="text/csv")
    response.headers["Content-Disposition"] = f'attachment; filename="usage-by-{by}.csv"'
    return response
