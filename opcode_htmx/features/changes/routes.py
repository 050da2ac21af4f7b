"""The list of changed files, which its page asks for again every few seconds."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from hashlib import sha256
from typing import Any

from flask import Blueprint, Response, make_response, render_template, request

from opcode_htmx.features.changes import file_routes, rows
from opcode_htmx.features.changes.bases import Base, Choice, offered
from opcode_htmx.features.changes.edits import MOST, EditedFile, edited
from opcode_htmx.features.changes.listings import Listings, Seen
from opcode_htmx.features.changes.places import CannotCompare, GitProblem, NotUnderGit
from opcode_htmx.features.changes.review.store import Review, Reviews
from opcode_htmx.features.changes.review.viewed import ViewedFiles
from opcode_htmx.features.changes.view import (
    PROJECT,
    SESSION,
    View,
    back_address,
    common,
    number,
)
from opcode_htmx.sessions.lookup import SessionLookup

KEPT = 64
Reading = Callable[[str, str, str], Seen]
"""As Listings.now and Listings.recent."""


def blueprint(
    listings: Listings, reviews: Reviews, viewed: ViewedFiles, lookup: SessionLookup
) -> Blueprint:
    pages = Blueprint("changes", __name__)
    _add_list(pages, listings, reviews, viewed, lookup)
    file_routes.add_to(pages, listings, reviews, viewed)
    return pages


def _add_list(
    pages: Blueprint,
    listings: Listings,
    reviews: Reviews,
    viewed: ViewedFiles,
    lookup: SessionLookup,
) -> None:
    answered: dict[str, tuple[float, Review, int]] = {}
    """By the digests of lists: what they were made of, so that a poll makes none again."""

    @pages.get(f"{PROJECT}/changes", defaults={"session_id": ""})
    @pages.get(f"{SESSION}/changes")
    def page(project_id: str, session_id: str) -> str:
        view = View.of_request(project_id, session_id)
        try:
            seen = listings.now(project_id, session_id, view.base)
        except NotUnderGit:
            return _edits(view, lookup)
        except CannotCompare as error:
            return _nothing(view, str(error))
        return render_template("changes/changes.html", **_listing(view, seen, listings.now))

    @pages.get(f"{PROJECT}/changes/state", defaults={"session_id": ""})
    @pages.get(f"{SESSION}/changes/state")
    def state(project_id: str, session_id: str) -> Response:
        """The list again if it is another one than the page has; it asks every few seconds."""
        view = View.of_request(project_id, session_id)
        seen = listings.recent(project_id, session_id, view.base)
        review = reviews.of(session_id, seen.place.folder)
        if answered.get(request.args.get("seen", "")) == (seen.at, review, _first(seen)):
            return Response(status=204)
        found = _listing(view, seen, listings.recent)
        if found["digest"] == request.args.get("seen"):
            return Response(status=204)
        return make_response(render_template("changes/list.html", **found))

    def _listing(view: View, seen: Seen, read: Reading) -> dict[str, Any]:
        """What the template of the list is given; `read` is for the lists from other bases."""
        place = seen.place
        first = _first(seen)
        shown = rows.part(place.top, seen.ordered, first)
        review = reviews.of(view.session_id, place.folder)
        looked_at = viewed.among(place.top, seen.choice.base, review, shown)
        counts = comment_counts(review)
        elsewhere = [] if seen.ordered else list(_elsewhere(view, read))
        edits, is_part = _edits_of(view, lookup) if seen.choice.is_late else ([], False)
        parts = (
            [(row.id, row.version, row.change.added, row.change.removed) for row in shown],
            *(len(seen.ordered), sorted(looked_at), sorted(counts.items()), seen.choice),
            *(review.comments, elsewhere, edits, is_part),
        )
        digest = sha256(repr(parts).encode()).hexdigest()[:16]
        answered[digest] = seen.at, review, first
        while len(answered) > KEPT:
            del answered[next(iter(answered))]
        return {
            **common(view, seen, review),
            "groups": list(rows.grouped(shown, seen.totals)),
            "totals": seen.totals,
            "viewed": looked_at,
            "comment_counts": counts,
            "first": first,
            "shown": len(shown),
            "count": len(seen.ordered),
            "page_size": rows.PAGE,
            "digest": digest,
            "elsewhere": elsewhere,
            "edited": edits[:MOST],
            "edited_count": len(edits),
            "is_part": is_part,
        }

    def _elsewhere(view: View, read: Reading) -> Iterator[tuple[Choice, int]]:
        """The other bases from which something differs, with the numbers of files."""
        for base in offered(view.session_id):
            if base is not view.base:
                with contextlib.suppress(CannotCompare, GitProblem):
                    other = read(view.project_id, view.session_id, base)
                    if other.ordered:
                        yield other.choice, other.totals.files


def _first(seen: Seen) -> int:
    """The index of the first file that the request asks for."""
    return min(number("first"), max(0, len(seen.ordered) - 1))


def _edits(view: View, lookup: SessionLookup) -> str:
    """The page of a folder that is in no repository: what Claude's own tools have changed."""
    files, is_part = _edits_of(view, lookup)
    return render_template(
        "changes/edits.html",
        view=view,
        address=view.address,
        files=files[:MOST],
        total=len(files),
        is_part=is_part,
        back_address=back_address(view),
    )


def _edits_of(view: View, lookup: SessionLookup) -> tuple[list[EditedFile], bool]:
    """The files that Claude edited in a session, and whether only its end was looked through."""
    if not view.session_id:
        return [], False
    session = lookup.read(view.project_id, view.session_id)
    files = edited(session.conversation.blocks(), session.folder)
    return files, session.conversation.earlier is not None


def _nothing(view: View, sentence: str) -> str:
    return render_template(
        "changes/nothing.html",
        view=view,
        address=view.address,
        sentence=sentence,
        bases=offered(view.session_id),
        Base=Base,
        choice=None,
        back_address=back_address(view),
    )


def comment_counts(review: Review) -> dict[str, int]:
    """The numbers of comments by the paths of files, percent-encoded."""
    found: dict[str, int] = {}
    for each in review.comments:
        found[each.key] = found.get(each.key, 0) + 1
    return found
