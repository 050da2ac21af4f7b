"""What the search page shows: the query of a form, and the sessions that match with excerpts."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from flask import url_for

from opcode_htmx.engines.claude.protocol.entry_texts import Role
from opcode_htmx.features.search.filters import (
    ROLES,
    Filter,
    active_filters,
    address,
    query_of,
)
from opcode_htmx.lib.concurrency.cooperative import run_in_thread
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.late.patterns import late_pattern
from opcode_htmx.sessions.index.excerpts import Excerpt, excerpt_of
from opcode_htmx.sessions.index.reader import IndexReader, IndexUnavailable
from opcode_htmx.sessions.index.search import TEXTS_OF_PAGE, Choices, Found, FoundSession, Query
from opcode_htmx.sessions.index.terms import LONGEST_QUERY
from opcode_htmx.sessions.lookup import shorten
from opcode_htmx.web.http.forms import session_address

_ID = late_pattern(r"[\w.-]{1,100}", re.ASCII)
"""An id that stands in an address as it is."""


@dataclass(frozen=True, slots=True)
class Hit:
    """An excerpt with its address and its label."""

    excerpt: Excerpt
    address: str
    where: str
    at: float | None


@dataclass(frozen=True, slots=True)
class Result:
    """A session with the excerpts that are shown; `more` further texts match.

    `all_hits` is the address of a search in this session. In such a search, `first` is the number
    of the first hit, and `newer` and `older` are the addresses of the pages beside it, if any.
    """

    address: str
    title: str
    project: str
    hits: tuple[Hit, ...]
    count: int
    more: int
    all_hits: str
    first: int
    newer: str = ""
    older: str = ""


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
    filters: tuple[Filter, ...] = ()
    unfiltered: str = ""
    """The address of the search without the filters."""


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
        unfiltered = url_for("search.page", q=query.words or None)
        try:
            choices = self._index.choices() if with_choices else Choices()
            found = self._index.find(query)
        except IndexUnavailable:
            filters = tuple(active_filters(form, ""))
            return Results(
                query, progress=0.0, is_ready=False, filters=filters, unfiltered=unfiltered
            )
        read = run_in_thread(_with_excerpts, found)
        return Results(
            query,
            tuple(_result(form, query, session, excerpts) for session, excerpts in read),
            found.has_more,
            found.progress,
            choices,
            filters=tuple(active_filters(form, found.title)),
            unfiltered=unfiltered,
        )


def _with_excerpts(found: Found) -> list[tuple[FoundSession, list[Excerpt]]]:
    """The sessions of which there is something to show; a file may have changed meanwhile."""
    read = (
        (session, [each for place in session.places if (each := excerpt_of(place, found.phrases))])
        for session in found.sessions
    )
    return [each for each in read if each[1]]


def _result(
    form: Mapping[str, str], query: Query, session: FoundSession, excerpts: Sequence[Excerpt]
) -> Result:
    ids = session.claude_folder, session.session_id
    behind = session.first + len(session.places)
    page = session.first // TEXTS_OF_PAGE + 1
    return Result(
        f"{session_address(*ids)}#end",
        shorten(session.title) or "A session",
        session.project,
        tuple(_hit(ids, each, query.words) for each in excerpts),
        session.count,
        session.count - behind,
        address(form, session="/".join(ids)),
        session.first + 1,
        address(form, page=page - 1) if session.first else "",
        address(form, page=page + 1) if query.session and session.count > behind else "",
    )


def _hit(ids: tuple[str, str], excerpt: Excerpt, words: str) -> Hit:
    place = excerpt.place
    where = excerpt.tool or ROLES[place.role.name.lower()]
    more = [("in an agent", bool(place.agent)), ("rewound", place.is_rewound)]
    label = ", ".join([where, *(label for label, is_so in more if is_so)])
    line = url_for(
        "search.line",
        project_id=ids[0],
        session_id=ids[1],
        uuid=excerpt.line_uuid if _ID.fullmatch(excerpt.line_uuid) else "-",
        call=excerpt.call or None,
        q=words[:LONGEST_QUERY],
        output="1" if place.role is Role.OUTPUT else None,
    )
    return Hit(excerpt, line, label, place.at)
