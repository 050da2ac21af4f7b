"""The pages of one changed file: its diff, and lines between its hunks."""

from __future__ import annotations

import os
from typing import Any

from flask import Blueprint, abort, render_template, request

from opcode_htmx.features.changes import hunks, rows
from opcode_htmx.features.changes.colours import Contents
from opcode_htmx.features.changes.hunks import Gap
from opcode_htmx.features.changes.listings import Listings, Seen
from opcode_htmx.features.changes.places import GitProblem
from opcode_htmx.features.changes.review.anchors import Anchored, anchored
from opcode_htmx.features.changes.review.store import NEW, Review, Reviews
from opcode_htmx.features.changes.review.viewed import ViewedFiles
from opcode_htmx.features.changes.rows import Row
from opcode_htmx.features.changes.view import (
    PROJECT,
    SESSION,
    View,
    common,
    given_path,
    given_side,
    number,
)
from opcode_htmx.lib.git.changes.model import Change, Status
from opcode_htmx.lib.git.diffs import FileDiff
from opcode_htmx.web.http.forms import by_htmx

MOST_COLOURED = 400_000
"""Bytes of a file whose lines have the colours of their context."""
MODE_HEADERS = (b"old mode ", b"new mode ", b"new file mode 120000", b"new file mode 100755")
"""Lines of git that say more of a file than its status."""


def add_to(pages: Blueprint, listings: Listings, reviews: Reviews, viewed: ViewedFiles) -> None:
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
            **common(view, seen, review),
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
        found = {**common(view, seen, review), "row": row, "items": items}
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
