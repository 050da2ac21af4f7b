"""/api/usage: cost and tokens, as the pages show them, and the limits of the plan."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from functools import partial
from typing import Any

from flask import Response

from opcode_htmx.engines.claude import prices
from opcode_htmx.engines.claude.protocol.usage.entries import PICO
from opcode_htmx.features.usage import schema
from opcode_htmx.features.usage.csv_export import name_of, text_of
from opcode_htmx.features.usage.limits import PlanLimits
from opcode_htmx.features.usage.page import UsagePage
from opcode_htmx.features.usage.query import date_of, day_of, today, zone_name
from opcode_htmx.sessions.index.usage.figures import By, Sums, UsageQuery
from opcode_htmx.sessions.index.usage.sums import UsageSums
from opcode_htmx.web.http.forms import BadForm
from opcode_htmx.web.rest.endpoint import Endpoint
from opcode_htmx.web.rest.invalid_request import InvalidRequest

TAG = "Usage"


def endpoints(usage: UsagePage, limits: PlanLimits) -> Iterable[Endpoint]:
    declared = partial(Endpoint, method="GET", tag=TAG)
    yield declared(
        path="/api/usage",
        summary="Cost and tokens, by model, day and project",
        handler=lambda query: _stats(usage, _newest(query)),
        query=schema.StatsQuery,
        response=schema.UsageStats,
    )
    yield declared(
        path="/api/usage/range",
        summary="The same between two days",
        handler=lambda query: _stats(usage, _query(query, query.start_date, query.end_date)),
        query=schema.RangeQuery,
        response=schema.UsageStats,
    )
    yield declared(
        path="/api/usage/sessions",
        summary="Cost and tokens of each session",
        handler=lambda query: _of_sessions(usage, query),
        query=schema.SessionsQuery,
        response=list[schema.SessionUsage],
    )
    yield declared(
        path="/api/usage/details",
        summary="Cost and tokens by session, day, model and agent, the newest first",
        handler=lambda query: _details(usage, query),
        query=schema.DetailsQuery,
        response=list[schema.UsageEntry],
    )
    yield declared(
        path="/api/usage/export",
        summary="Usage as comma-separated values",
        handler=lambda query: _export(usage, query),
        query=schema.UsageExportQuery,
        response=str,
        media=("text/csv",),
    )
    yield declared(
        path="/api/usage/limits",
        summary="What is used of the plan's limits, as Claude has reported it last",
        handler=lambda: _limits(limits),
        response=list[schema.PlanLimit],
    )


def _stats(usage: UsagePage, query: UsageQuery) -> schema.UsageStats:
    def work(sums: UsageSums) -> schema.UsageStats:
        total, models = sums.total(), sums.models_of_days(schema.MOST_NAMED)
        return schema.UsageStats(
            total_cost=_dollars(total),
            total_tokens=total.tokens,
            total_input_tokens=total.input,
            total_output_tokens=total.output,
            total_cache_creation_tokens=total.cache_write,
            total_cache_read_tokens=total.cache_read,
            total_sessions=total.sessions,
            total_prompts=total.prompts,
            total_seconds_worked=total.seconds,
            total_lines_added=total.added,
            total_lines_removed=total.removed,
            unpriced_answers=total.unpriced,
            subagent_cost=total.agent_cost / PICO,
            rewound_cost=total.rewound_cost / PICO,
            by_model=[
                schema.ModelUsage(model=each.key, **_tokens(each.sums))
                for each in sums.groups(By.MODEL, schema.MOST_MODELS)
            ],
            by_date=[
                schema.DailyUsage(
                    date=name_of(By.DAY, each.key) or None,
                    models_used=models.get(int(each.key), []),
                    **_tokens(each.sums),
                )
                for each in reversed(sums.groups(By.DAY))
            ],
            by_project=[
                schema.ProjectUsage(**_project(each.key, _name(each.key), each.sums))
                for each in sums.groups(By.PROJECT)
            ],
            time_zone=zone_name(),
            prices_as_of=prices.AS_OF,
            progress=0.0,
        )

    stats, progress = usage.read(query, work)
    return stats.model_copy(update={"progress": progress})


def _of_sessions(usage: UsagePage, query: schema.SessionsQuery) -> list[schema.SessionUsage]:
    asked = _query(query, query.since, query.until)
    groups, _ = usage.read(asked, lambda sums: sums.groups(By.SESSION))
    groups.sort(key=lambda each: each.sums.last_day, reverse=query.order == "desc")
    return [
        schema.SessionUsage(
            **_project(each.project, each.key, each.sums),
            session_id=each.key,
            project_id=each.folder,
            title=each.title,
            cost_by_claude_code=None if each.said is None else each.said / PICO,
        )
        for each in groups
    ]


def _details(usage: UsagePage, query: schema.DetailsQuery) -> list[schema.UsageEntry]:
    day = _day(query.date)
    asked = UsageQuery(since=day, until=day, project=query.project_path)
    return [
        schema.UsageEntry(
            project=each.project,
            project_path=each.project,
            session_id=each.session,
            timestamp=_day_start(each.day),
            model=each.model,
            agent=each.agent,
            rewound=each.is_rewound,
            input_tokens=each.input,
            output_tokens=each.output,
            cache_write_tokens=each.cache_write,
            cache_creation_tokens=each.cache_write,
            cache_read_tokens=each.cache_read,
            cost=None if each.cost is None else each.cost / PICO,
        )
        for each in usage.read(asked, lambda sums: sums.lines(query.limit))[0]
    ]


def _export(usage: UsagePage, query: schema.UsageExportQuery) -> Response:
    asked = _query(query, query.since, query.until)
    groups, _ = usage.read(asked, lambda sums: sums.groups(query.by))
    response = Response(text_of(query.by, groups), mimetype="text/csv")
    response.headers["Content-Disposition"] = f'attachment; filename="usage-by-{query.by}.csv"'
    return response


def _limits(limits: PlanLimits) -> list[schema.PlanLimit]:
    return [
        schema.PlanLimit(
            kind=each.window.kind,
            name=each.name,
            used_percent=each.percent,
            resets_at=_time(each.window.resets_at),
            used_up_at=_time(each.full_at),
            reported_at=_time(each.at) or "",
        )
        for each in limits.current()
    ]


def _newest(query: schema.StatsQuery) -> UsageQuery:
    since = None if query.days is None else today() - query.days + 1
    return UsageQuery(since=since, project=query.project, model=query.model)


def _query(query: schema.LimitedQuery, since: str, until: str) -> UsageQuery:
    return UsageQuery(
        since=_day(since), until=_day(until), project=query.project, model=query.model
    )


def _day(text: str) -> int | None:
    try:
        return day_of(text) if text else None
    except BadForm as error:
        raise InvalidRequest(str(error)) from error


def _day_start(day: int) -> str:
    if day < 0:
        return ""
    date = date_of(day)
    return datetime(date.year, date.month, date.day).astimezone().isoformat()


def _time(seconds: float | None) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat()


def _name(path: str) -> str:
    return path.rstrip("/").rpartition("/")[2] or path


def _dollars(sums: Sums) -> float | None:
    return sums.cost / PICO if sums.has_cost else None


def _project(path: str, name: str, sums: Sums) -> dict[str, Any]:
    last = date_of(sums.last_day).isoformat() if sums.last_day >= 0 else ""
    return {"project_path": path, "project_name": name, "last_used": last, **_tokens(sums)}


def _tokens(sums: Sums) -> dict[str, Any]:
    return {
        "total_cost": _dollars(sums),
        "total_tokens": sums.tokens,
        "input_tokens": sums.input,
        "output_tokens": sums.output,
        "cache_creation_tokens": sums.cache_write,
        "cache_read_tokens": sums.cache_read,
        "session_count": sums.sessions,
        "prompt_count": sums.prompts,
        "seconds_worked": sums.seconds,
        "lines_added": sums.added,
        "lines_removed": sums.removed,
        "unpriced_answers": sums.unpriced,
        "subagent_cost": sums.agent_cost / PICO,
        "rewound_cost": sums.rewound_cost / PICO,
    }
