"""/api/budgets: what runs may cost, what they have cost today, and decisions on pauses."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from pydantic import Field

from opcode_htmx.features.budgets.service import GoOn, check
from opcode_htmx.lib.audit_log import log_act
from opcode_htmx.runs.budgets.book import BudgetBook
from opcode_htmx.runs.budgets.figures import MOST_USD, Limits, Scope
from opcode_htmx.web.auth.gate import current_identity
from opcode_htmx.web.rest.endpoint import Endpoint
from opcode_htmx.web.rest.models import RequestModel, ResponseModel

TAG = "Budgets"
PATH = "/api/budgets"
HELD = f"{PATH}/held"


class NewBudgets(RequestModel):
    """Budgets in US dollars; null: no limit. At 80 % there is a warning, at 100 % a pause."""

    run: float | None = Field(None, strict=True, gt=0, le=MOST_USD, description="Of one run.")
    day: float | None = Field(
        None, strict=True, gt=0, le=MOST_USD, description="Of all runs of a day."
    )
    project: float | None = Field(
        None,
        strict=True,
        gt=0,
        le=MOST_USD,
        description="Of all runs of a day in any one project.",
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


class PausedSession(ResponseModel):
    """A session that waits for a person's decision."""

    session_id: str
    cause: str = Field(description="A sentence.")
    scope: Scope = Field(description="The budget; `unknown` where its file is damaged.")
    spent: float = Field(description="At the pause.")
    limit: float = Field(description="At the pause.")
    paused_at: float = Field(description="A Unix time.")


class GoOnWith(RequestModel):
    """What is allowed beyond the budget that has paused the session."""

    more: float | None = Field(
        None,
        strict=True,  # `true` is no dollar
        ge=0,
        le=MOST_USD,
        description="In US dollars; null: as much as the button on the session's page offers.",
    )


class Decided(ResponseModel):
    """The session in which Claude goes on, or would."""

    session_id: str = Field(
        description="After a `/clear` another one than that in which it was decided."
    )


def endpoints(book: BudgetBook, going: Callable[[], GoOn]) -> Iterable[Endpoint]:
    """GET and PUT /api/budgets, and the decisions on sessions that a budget has paused."""

    def paused() -> list[PausedSession]:
        return [
            PausedSession(
                session_id=session_id,
                cause=hold.standing.cause,
                scope=hold.scope,
                spent=hold.spent,
                limit=hold.limit,
                paused_at=hold.at,
            )
            for session_id, hold in book.held().items()
        ]

    def go_on(session_id: str, body: GoOnWith) -> Decided:
        found = going().go_on(session_id, by=current_identity(), more=body.more)
        return Decided(session_id=found)

    def stop(session_id: str) -> Decided:
        going().stop(session_id, by=current_identity())
        return Decided(session_id=session_id)

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

    yield Endpoint(
        method="GET",
        path=HELD,
        tag=TAG,
        summary="The sessions that a budget has paused, the newest pause first",
        handler=paused,
        response=list[PausedSession],
    )
    yield Endpoint(
        method="POST",
        path=f"{HELD}/{{session_id}}/go-on",
        tag=TAG,
        summary="Allow more of the budget that has paused a session, and go on with it",
        handler=go_on,
        body=GoOnWith,
        response=Decided,
        refusals={
            404: "There is no such session.",
            409: "It would not be enough, another budget is used up, or Claude cannot go on now.",
        },
        description="Once: in a session that is not paused nothing happens.",
    )
    yield Endpoint(
        method="POST",
        path=f"{HELD}/{{session_id}}/stop",
        tag=TAG,
        summary="Leave a session that a budget has paused as it is; its next prompt is sent again",
        handler=stop,
        response=Decided,
        refusals={404: "There is no such session."},
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
