"""/api/logs: lines of the log, for programs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from pydantic import Field

from opcode_htmx.features.logs.query import LONGEST_TEXT, form_of
from opcode_htmx.features.logs.service import LogReader
from opcode_htmx.lib.logs.formats import iso_time
from opcode_htmx.web.auth.visitor import require_owner
from opcode_htmx.web.http.forms import BadForm
from opcode_htmx.web.rest.endpoint import Endpoint
from opcode_htmx.web.rest.invalid_request import InvalidRequest
from opcode_htmx.web.rest.models import RequestModel, ResponseModel

MOST = 1_000


class LogsQuery(RequestModel):
    """Which lines of the log; all limits hold together."""

    level: Literal["", "debug", "info", "warning", "error"] = Field(
        "", description="The least level."
    )
    text: str = Field("", max_length=LONGEST_TEXT, description="In any case of letters.")
    run: str = ""
    request: str = Field("", description="The id that an answer had in `X-Request-Id`.")
    since: str = Field("", description="As 2026-11-29T13:30 or 2026-11-29T13:30:00Z.")
    until: str = ""
    cursor: str = Field("", description="`older` of another answer: the lines before those.")
    limit: int = Field(100, ge=1, le=MOST)


class LogLine(ResponseModel):
    """A line of the log."""

    time: str = Field(description="In UTC.")
    level: str
    logger: str
    message: str
    request: str
    run: str
    error: str = Field(description="A traceback; empty without one.")
    pid: int
    fields: dict[str, str | int] = Field(description="Further ids, names and numbers.")


class LogLines(ResponseModel):
    """Lines of the log, the newest first."""

    lines: list[LogLine]
    older: str = Field(description="For `cursor`; empty at the end.")


def endpoints(log: LogReader) -> Iterable[Endpoint]:
    yield Endpoint(
        method="GET",
        path="/api/logs",
        tag="Log",
        summary="Lines of the server's log, the newest first",
        handler=lambda query: _read(log, query),
        query=LogsQuery,
        response=LogLines,
    )


def _read(log: LogReader, query: LogsQuery) -> LogLines:
    require_owner("read the log")
    fields = query.model_dump(exclude={"limit"})
    try:
        asked = form_of(fields).query
    except BadForm as error:
        raise InvalidRequest(str(error)) from error
    found = log.read(asked, query.limit)
    lines = [
        LogLine(
            time=iso_time(each.at),
            level=each.level,
            logger=each.logger,
            message=each.message,
            request=each.request,
            run=each.run,
            error=each.error,
            pid=each.pid,
            fields=each.fields,
        )
        for each in found.entries
    ]
    return LogLines(lines=lines, older=found.older)
