"""/api/budgets: what runs may cost, and what they have cost today."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import Field

from opcode_htmx.features.budgets.service import check
from opcode_htmx.lib.audit_log import log_act
from opcode_htmx.runs.budgets.book import BudgetBook
from opcode_htmx.runs.budgets.figures import MOST_USD, Limits
from opcode_htmx.web.auth.gate import current_identity
from opcode_htmx.web.rest.endpoint import Endpoint
from opcode_htmx.web.rest.models import RequestModel, ResponseModel

TAG = "Budgets"
PATH = "/api/budgets"


class NewBudgets(RequestModel):
    """Budgets in US dollars; null: no limit. At 80 % there is a warning, at 100 % a pause."""

    run: float | None = Field(None, gt=0, le=MOST_USD, description="Of one run.")
    day: float | None = Field(None, gt=0, le=MOST_USD, description="Of all runs of a day.")
    project: float | None = Field(
        None, gt=0, le=MOST_USD, description="Of all runs of a day in any one project."
    )


class ProjectToday(ResponseModel):
    """A project in which today has cost something, or more was allowed."""

    path: str
    spent_today: float
    extra_today: float = Field(description="What a person has allowed beyond `project`.")


class Budgets(ResponseModel):
    """The budgets in US dollars, and what is used of today's."""

    run: float | None
    day: float | None
    project: float | None
    spent_today: float = Field(description="By the runs of this server, as Claude reports it.")
    extra_today: float = Field(
        description="What a person has allowed beyond `day` for today; 0 without that budget."
    )
    projects: list[ProjectToday] = Field(description="Today's, the dearest first.")


def endpoints(book: BudgetBook) -> Iterable[Endpoint]:
    """GET and PUT /api/budgets."""

    def budgets() -> Budgets:
        limits = book.limits
        return Budgets(
            run=limits.run,
            day=limits.day,
            project=limits.project,
            spent_today=book.spending.of_today(),
            extra_today=book.extra_today,
            projects=_projects(book),
        )

    def save(body: NewBudgets) -> Budgets:
        limits = Limits(body.run, body.day, body.project)
        check(limits)
        book.set_limits(limits)
        log_act(current_identity(), "budget.set")
        return budgets()

    yield Endpoint(
        method="GET", path=PATH, tag=TAG, summary="The budgets", handler=budgets, response=Budgets
    )
    yield Endpoint(
        method="PUT",
        path=PATH,
        tag=TAG,
        summary="Set the budgets",
        handler=save,
        response=Budgets,
        body=NewBudgets,
    )


def _projects(book: BudgetBook) -> list[ProjectToday]:
    spent, extras = book.spending.by_project(), book.project_extras_today
    found = [
        ProjectToday(
            path=str(path),
            spent_today=spent.get(path, 0.0),
            extra_today=extras.get(path, 0.0),
        )
        for path in spent.keys() | extras.keys()
    ]
    return sorted(found, key=lambda each: (-each.spent_today, each.path))
