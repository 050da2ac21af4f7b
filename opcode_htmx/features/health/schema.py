"""The responses of /api/health/checks. Their names and docstrings are in the OpenAPI document."""

from __future__ import annotations

from datetime import UTC, datetime

from pydantic import Field

from opcode_htmx.features.health.self_check import Report
from opcode_htmx.sessions.health.check import Result, State, has_problem
from opcode_htmx.web.rest.models import ResponseModel


class CheckResult(ResponseModel):
    """What was found of one thing that the server needs."""

    name: str
    title: str
    state: State = Field(description="Only a problem keeps the server from its work.")
    summary: str = Field(description="A sentence.")
    mend: str = Field(description="What to do about it; empty if there is nothing to do.")
    command: str = Field(description="A command that does it, or leads on; may be empty.")
    facts: dict[str, str]

    @classmethod
    def of(cls, result: Result) -> CheckResult:
        return cls(**result.as_json())


class HealthReport(ResponseModel):
    """A self-check of the server."""

    at: datetime = Field(description="When it was begun.")
    problem: bool = Field(description="Whether something keeps the server from its work.")
    checks: list[CheckResult]

    @classmethod
    def of(cls, report: Report) -> HealthReport:
        return cls(
            at=datetime.fromtimestamp(report.at, UTC),
            problem=has_problem(report.results),
            checks=[CheckResult.of(each) for each in report.results],
        )
