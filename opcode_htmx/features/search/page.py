"""What the search page shows: the query of a form, and the sessions that match with excerpts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from flask import url_for

from opcode_htmx.lib.concurrency.cooperative import run_in_thread
from opcode_htmx.sessions.index.excerpts import Excerpt, excerpt_of
from opcode_htmx.sessions.index.reader import (
    Choices,
    Found,
    FoundSession,
    IndexReader,
    IndexUnavailable,
    Query,
)
from opcode_htmx.sessions.lookup import shorten
from opcode_htmx.web.http.forms import BadForm, session_address

ROLES = {
    "prompt": "You",
    "answer": "Claude",
    "thinking": "Thoughts",
    "call": "Tool",
    "output": "Output",
    "summary": "Summary",
}
"""The values of the field `role`, as they are shown."""


@dataclass(frozen=True, slots=True)
class Hit:
    """An excerpt with its address and its label."""

    excerpt: Excerpt
    address: str
    where: str
    at: float | None


@dataclass(frozen=True, slots=True)
class Result:
    """A session with the excerpts that are shown; `more` further texts match."""

    address: str
    title: str
    project: str
    hits: tuple[Hit, ...]
    more: int


@dataclass(frozen=True, slots=True)
class Results:
    """`progress`: the part of the history that was read, from 0 to 1."""

    query: Query
    sessions: tuple[Result, ...] = ()
    has_more: bool = False
    progress: float = 1.0
    choices: Choices = Choices()
    is_ready: bool = True
    """Whether there is an index already."""


class SearchPage:
    """Answers the form of the page; without an index, there is nothing to search in."""

    def __init__(self, index: IndexReader | None) -> None:
        self._index = index

    @property
    def is_on(self) -> bool:
        return self._index is not None

    def results(self, form: Mapping[str, str], *, with_choices: bool = True) -> Results:
        """Raises BadForm. `with_choices`: also the values that the query can be limited to."""
        query = query_of(form)
        if self._index is None:
            return Results(query)
        try:
            choices = self._index.choices() if with_choices else Choices()
            found = self._index.find(query)
        except IndexUnavailable:
            return Results(query, progress=0.0, is_ready=False)
        read = run_in_thread(_with_excerpts, found)
        sessions = tuple(_result(session, excerpts) for session, excerpts in read)
        return Results(query, sessions, found.has_more, found.progress, choices)


def _with_excerpts(found: Found) -> list[tuple[FoundSession, list[Excerpt]]]:
    """The sessions of which there is something to show; a file may have changed meanwhile."""
    read = (
        (session, [each for place in session.places if (each := excerpt_of(place, found.phrases))])
        for session in found.sessions
    )
    return [each for each in read if each[1]]


def _result(session: FoundSession, excerpts: Sequence[Excerpt]) -> Result:
    ids = session.claude_folder, session.session_id
    hits = tuple(_hit(ids, each) for each in excerpts)
    return Result(
        f"{session_address(*ids)}#end",
        shorten(session.title) or "A session",
        session.project,
        hits,
        session.count - len(hits),
    )


def _hit(ids: tuple[str, str], excerpt: Excerpt) -> Hit:
    place = excerpt.place
    where = excerpt.tool or ROLES[place.role.name.lower()]
    more = [("in an agent", bool(place.agent)), ("rewound", place.is_rewound)]
    words = ", ".join([where, *(label for label, is_so in more if is_so)])
    address = url_for(
        "search.line",
        project_id=ids[0],
        session_id=ids[1],
        uuid=excerpt.line_uuid or "-",
        call=excerpt.call or None,
    )
    return Hit(excerpt, address, words, place.at)


def query_of(form: Mapping[str, str]) -> Query:
    """The query of the page's form. Raises BadForm."""
    role = form.get("role", "")
    if role and role not in ROLES:
        raise BadForm("Choose who said it from the list.")
    return Query(
        words=form.get("q", "").strip(),
        project=form.get("project", ""),
        role=role,
        tool=form.get("tool", ""),
        branch=form.get("branch", ""),
        model=form.get("model", ""),
        file=form.get("file", "").strip(),
        since=_day(form.get("since", "")),
        until=_day(form.get("until", ""), timedelta(days=1)),
        with_rewound="rewound" in form,
        with_agents="no_agents" not in form,
        with_output="no_output" not in form,
    )


def _day(text: str, more: timedelta = timedelta()) -> float | None:
    """The beginning of a day of the server's calendar, as Unix seconds."""
    if not text:
        return None
    try:
        day = datetime.strptime(text, "%Y-%m-%d")
    except ValueError:
        raise BadForm("Write a date as 2026-11-28.") from None
    try:
        return (day + more).timestamp()
    except (ValueError, OverflowError, OSError):  # before or after all sessions
        return None if more else 0.0
