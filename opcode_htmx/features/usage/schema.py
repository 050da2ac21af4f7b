"""The requests and responses of /api/usage, in the shapes that the reference's client reads.

Their names and docstrings are in the OpenAPI document.
"""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, Field

from opcode_htmx.sessions.index.usage.figures import By
from opcode_htmx.web.rest.models import RequestModel, ResponseModel

MOST_ENTRIES = 10_000
MOST_MODELS = 1_000
"""A made-up history may name any number of them."""
MOST_NAMED = 20_000
"""Models in all days together."""


class _Query(RequestModel):
    model_config = ConfigDict(populate_by_name=True)


class LimitedQuery(_Query):
    """What the usage is limited to."""

    project: str = Field("", description="The path of its folder.")
    model: str = Field("", max_length=200)


class StatsQuery(LimitedQuery):
    """The newest days; all of them without a number."""

    days: int | None = Field(None, ge=1, le=36_500)


class RangeQuery(LimitedQuery):
    """Both days are included."""

    start_date: str = Field("", alias="startDate", description="As 2026-11-28.")
    end_date: str = Field("", alias="endDate")


class SessionsQuery(LimitedQuery):
    """Both days are included."""

    since: str = Field("", description="As 20261128 or 2026-11-28.")
    until: str = ""
    order: Literal["asc", "desc"] = Field("desc", description="By the day of the last answer.")


class DetailsQuery(_Query):
    """Limits of the entries."""

    project_path: str = Field("", alias="projectPath")
    date: str = Field("", description="The only day.")
    limit: int = Field(1_000, ge=1, le=MOST_ENTRIES)


class UsageExportQuery(SessionsQuery):
    """What the rows are."""

    by: By = By.DAY


class Tokens(ResponseModel):
    """Counts of tokens; costs are in US dollars."""

    total_cost: float | None = Field(
        description="Of the answers with a known price; null if none has one, and not 0."
    )
    total_tokens: int
    input_tokens: int
    output_tokens: int
    cache_creation_tokens: int
    cache_read_tokens: int
    session_count: int
    prompt_count: int
    seconds_worked: int
    lines_added: int
    lines_removed: int
    unpriced_answers: int = Field(description="Answers of models without a known price.")
    subagent_cost: float = Field(description="The part of subagents.")
    rewound_cost: float = Field(description="The part of turns that were rewound.")


class ModelUsage(Tokens):
    """Of one model."""

    model: str


class DailyUsage(Tokens):
    """Of one day, in the server's time zone."""

    date: str | None = Field(description="Null: answers without a time.")
    models_used: list[str]


class ProjectUsage(Tokens):
    """Of one project, or of one session of it."""

    project_path: str
    project_name: str = Field(description="Of a session: its id.")
    last_used: str = Field(description="The day of the last answer.")


class SessionUsage(ProjectUsage):
    """Of one session."""

    session_id: str
    project_id: str
    title: str
    cost_by_claude_code: float | None = Field(
        description="What the CLI has noted as the cost of the whole session."
    )


class UsageStats(ResponseModel):
    """Sums, and their parts by model, day and project."""

    total_cost: float | None
    total_tokens: int
    total_input_tokens: int
    total_output_tokens: int
    total_cache_creation_tokens: int
    total_cache_read_tokens: int
    total_sessions: int
    total_prompts: int
    total_seconds_worked: int
    total_lines_added: int
    total_lines_removed: int
    unpriced_answers: int
    subagent_cost: float
    rewound_cost: float
    by_model: list[ModelUsage] = Field(
        description=f"The {MOST_MODELS:,} models with the highest cost."
    )
    by_date: list[DailyUsage]
    by_project: list[ProjectUsage]
    time_zone: str = Field(description="In which days begin and end.")
    prices_as_of: str
    progress: float = Field(
        description="The part of the history that is counted, from 0 to 1. It is 0 while there is "
        "no index, and where it is switched off.",
    )


class UsageEntry(ResponseModel):
    """The answers of one model in one session on one day.

    The index keeps no line for each answer. A program that adds up entries gets the same sums.
    """

    project: str = Field(description="The same as `project_path`.")
    project_path: str
    session_id: str
    timestamp: str = Field(description="The beginning of the day, in the server's time zone.")
    model: str
    agent: str = Field(description="Empty for Claude itself, else the kind of subagent.")
    rewound: bool
    input_tokens: int
    output_tokens: int
    cache_write_tokens: int = Field(description="The same as `cache_creation_tokens`.")
    cache_creation_tokens: int
    cache_read_tokens: int
    cost: float | None


class PlanLimit(ResponseModel):
    """A limit of the plan."""

    kind: str = Field(description="Claude's name: five_hour, seven_day and so on.")
    name: str
    used_percent: int | None = Field(description="Null: not reported.")
    resets_at: str | None
    used_up_at: str | None = Field(
        description="At the pace since it began; null if it lasts until the reset."
    )
    reported_at: str
