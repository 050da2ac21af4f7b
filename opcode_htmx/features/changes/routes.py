"""The pages of changed files: the list, one file's diff, and what lies between its hunks."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from hashlib import sha256
from typing import Any

from flask import Blueprint, Response, abort, make_response, render_template, request, url_for

from opcode_htmx.features.changes import hunks, rows
from opcode_htmx.features.changes.bases import Base, Choice, offered
from opcode_htmx.features.changes.colours import Contents
from opcode_htmx.features.changes.edits import MOST, EditedFile, edited
from opcode_htmx.features.changes.hunks import Gap
from opcode_htmx.features.changes.listings import Listings, Seen
from opcode_htmx.features.changes.places import CannotCompare, GitProblem, NotUnderGit
from opcode_htmx.features.changes.review.anchors import Anchored, anchored
from opcode_htmx.features.changes.review.store import NEW, Review, Reviews
from opcode_htmx.features.changes.review.viewed import ViewedFiles
from opcode_htmx.features.changes.rows import Row
from opcode_htmx.features.changes.view import View, given_path, given_side, number
from opcode_htmx.lib.git.changes.model import Change, Status
from opcode_htmx.lib.git.diffs import FileDiff
from opcode_htmx.sessions.lookup import SessionLookup
from opcode_htmx.web.http.forms import by_htmx, session_address

PROJECT = "/projects/<project_id>"
SESSION = f"{PROJECT}/sessions/<session_id>"
KEPT = 64
MOST_COLOURED = 400_000
"""Bytes of a file whose lines have the colours of their context."""
MODE_HEADERS = (b"old mode ", b"new mode ", b"new file mode 120000", b"new file mode 100755")
"""Lines of git that say more of a file than its status."""

Reading = Callable[[str, str, str], Seen]
"""As Listings.now and Listings.recent."""


def blueprint(
    listings: Listings, reviews: Reviews, viewed: ViewedFiles, lookup: SessionLookup
) -> Blueprint:
    pages = Blueprint("changes", __name__)
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
            **_common(view, seen, review),
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

    # --- one file ---------------------------------------------------------------------------

    @pages.get(f"{PROJECT}/changes/file", defaults={"session_id": ""})
    @pages.get(f"{SESSION}/changes/file")
    def file(project_id: str, session_id: str) -> str:
        """The diff of a file, a part of it, or both within a page."""
        view = View.of_request(project_id, session_id)
        path, side = given_path(), given_side()
        seen, change = _change(view, path, side)
        row = rows.row_of(seen.place.top, change)
        diff = seen.diff(change, ignores_space=view.ignores_space)
        at = number("at")
        part = hunks.part(diff, _contents(seen, change, diff), change.status, at)
        review = reviews.of(view.session_id, seen.place.folder)
        found = {
            **_common(view, seen, review),
            "row": row,
            "diff": diff,
            "part": part,
            "at": at,
            "mode_headers": MODE_HEADERS,
            "path_of": path_of,
            "hunk_side": _hunk_side(view, change, diff),
            **_comments(seen, review, row, part),
            "is_viewed": bool(viewed.among(seen.place.top, seen.choice.base, review, [row])),
        }
        if by_htmx():
            name = "changes/part.html" if at else "changes/body.html"
            return render_template(name, **found)
        around = {"previous": seen.after(change, -1), "next": seen.after(change, 1)}
        return render_template("changes/file.html", **found, **around)

    @pages.get(f"{PROJECT}/changes/lines", defaults={"session_id": ""})
    @pages.get(f"{SESSION}/changes/lines")
    def lines(project_id: str, session_id: str) -> str:
        """Lines between hunks, which have not changed."""
        view = View.of_request(project_id, session_id)
        path, side = given_path(), given_side()
        seen, change = _change(view, path, side)
        row = rows.row_of(seen.place.top, change)
        count = number("count", -1)
        is_known = count >= 0
        gap = Gap(
            max(1, number("old", 1)),
            max(1, number("new", 1)),
            count if is_known else None,
            at_end=not is_known,
        )
        is_from_end = request.args.get("end") == "1" and is_known
        items, _ = hunks.opened(seen.content(change), gap, row.name, from_end=is_from_end)
        review = reviews.of(view.session_id, seen.place.folder)
        found = {**_common(view, seen, review), "row": row, "items": items}
        if by_htmx():
            return render_template("changes/lines.html", **found)
        return render_template("changes/lines_page.html", **found)

    def _change(view: View, path: bytes, side: str) -> tuple[Seen, Change]:
        """The change of a file. 404 if it has none."""
        seen = listings.recent(view.project_id, view.session_id, view.base)
        change = seen.change(path, side)
        if change is None:
            seen = listings.now(view.project_id, view.session_id, view.base)
            change = seen.change(path, side)
        if change is None:
            abort(404, "This file has no changes any more.")
        return seen, change

    return pages


def _first(seen: Seen) -> int:
    """The index of the first file that the request asks for."""
    return min(number("first"), max(0, len(seen.ordered) - 1))


def path_of(change: Change) -> str:
    return os.fsdecode(change.path)


def _hunk_side(view: View, change: Change, diff: FileDiff) -> str:
    """The side of the change if its hunks can be staged or unstaged one by one; empty if not."""
    is_whole = view.ignores_space or change.status is Status.UNTRACKED or diff.is_combined
    return "" if is_whole else change.side


def _contents(seen: Seen, change: Change, diff: FileDiff) -> Contents:
    """The file before and after, where the diff is short enough for its colours."""
    name = os.fsdecode(change.path).rpartition("/")[2]
    if not diff.hunks or change.is_submodule or diff.sections > 1:
        return Contents(name)
    has_old = any(hunk.old_count for hunk in diff.hunks)
    try:
        old = seen.content(change, before=True) if has_old else b""
        return Contents(name, old[:MOST_COLOURED], seen.content(change)[:MOST_COLOURED])
    except GitProblem:
        return Contents(name)


def _common(view: View, seen: Seen, review: Review) -> dict[str, Any]:
    """What all templates here are given."""
    return {
        "view": view,
        "address": view.address,
        "place": seen.place,
        "choice": seen.choice,
        "listing": seen.listing,
        "bases": offered(view.session_id),
        "Base": Base,
        "Status": Status,
        "review": review,
        "back_address": back_address(view),
    }


def back_address(view: View) -> str:
    """The page that these belong to."""
    if view.session_id:
        return session_address(view.project_id, view.session_id)
    return url_for("projects.project", project_id=view.project_id)


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


def _comments(seen: Seen, review: Review, row: Row, part: hunks.Part) -> dict[str, Any]:
    """The comments of a file: by the line that they stand under, and those of lines not shown."""
    own = anchored(seen.place.top, (each for each in review.comments if each.key == row.key))
    shown = list(hunks.numbers(part.items))
    new = {number for _, number in shown if number}
    old = {number for number, _ in shown if number}
    under: dict[tuple[str, int], list[Anchored]] = {}
    others = []
    for each in own:
        place = (each.comment.on, each.last)
        if each.last in (new if each.comment.on == NEW else old):
            under.setdefault(place, []).append(each)
        else:
            others.append(each)
    return {"under": under, "other_comments": others}
