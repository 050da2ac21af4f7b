"""Write comments on changed lines, send them to Claude as one prompt, and mark files as viewed."""

from __future__ import annotations

import os
import time
import uuid
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote_to_bytes

from flask import Blueprint, abort, redirect, render_template, request
from werkzeug.wrappers import Response

from opcode_htmx.engines.claude.files import sessions
from opcode_htmx.features.changes import rows
from opcode_htmx.features.changes.listings import Listings, Seen
from opcode_htmx.features.changes.review import viewed as viewed_files
from opcode_htmx.features.changes.review.anchors import Anchored, anchored
from opcode_htmx.features.changes.review.prompt import prompt_of
from opcode_htmx.features.changes.review.recipients import Recipients
from opcode_htmx.features.changes.review.store import ID, NEW, OLD, Comment, Reviews
from opcode_htmx.features.changes.review.viewed import ViewedFiles
from opcode_htmx.features.changes.view import (
    PROJECT,
    SESSION,
    View,
    back_address,
    given_side,
    number,
    path_of_key,
)
from opcode_htmx.lib.audit_log import log_act
from opcode_htmx.lib.concurrency.cooperative import run_in_thread
from opcode_htmx.lib.git.changes import file_diffs
from opcode_htmx.lib.git.changes.model import Change
from opcode_htmx.sessions.submit import check_prompt
from opcode_htmx.web.auth.gate import current_identity
from opcode_htmx.web.http.forms import BadForm, by_htmx, session_url, typed

MOST_TEXT = 5000
MOST_LINES = 200
"""Lines that a comment may be about."""
MOST_CODE = 40_000
SHOWN_SESSIONS = 20
"""Sessions that the comments of a project can be sent to, the last used ones."""


def blueprint(
    listings: Listings, reviews: Reviews, viewed: ViewedFiles, to: Recipients
) -> Blueprint:
    pages = Blueprint("changes_review", __name__)

    @pages.app_template_global()
    def new_id() -> str:
        """An id for a form that must not act twice."""
        return str(uuid.uuid4())

    @pages.get(f"{PROJECT}/changes/comments", defaults={"session_id": ""})
    @pages.get(f"{SESSION}/changes/comments")
    def page(project_id: str, session_id: str) -> str:
        view = View.of_request(project_id, session_id)
        place = listings.places.at(project_id, session_id)
        review = reviews.of(session_id, place.folder)
        by_file: dict[str, list[Anchored]] = {}
        for each in anchored(place.top, review.comments):
            by_file.setdefault(each.comment.key, []).append(each)
        files = [
            (key, os.fsdecode(unquote_to_bytes(key)), sorted(found, key=lambda each: each.first))
            for key, found in sorted(by_file.items())
        ]
        return render_template(
            "changes/comments.html",
            **_context(view, review=review),
            files=files,
            sessions=[] if session_id else _sessions(project_id),
        )

    def _sessions(project_id: str) -> list[sessions.SessionSummary]:
        return sessions.sessions(to.config_dir, project_id)[:SHOWN_SESSIONS]

    _add_comments(pages, listings, reviews, viewed)
    _add_sending(pages, listings, reviews, to)
    return pages


def _add_comments(
    pages: Blueprint, listings: Listings, reviews: Reviews, viewed: ViewedFiles
) -> None:
    @pages.post(f"{PROJECT}/changes/comments", defaults={"session_id": ""})
    @pages.post(f"{SESSION}/changes/comments")
    def add(project_id: str, session_id: str) -> Response | str:
        view = View.of_request(project_id, session_id)
        text = _text()
        seen, change = _change(view)
        on = OLD if request.form.get("on") == OLD else NEW
        first = number("first")
        last = number("last") or first
        first, last = min(first, last), max(first, last)
        code = _code(seen, change, on, first, last)
        by = current_identity()
        comment = Comment(
            "", quote(change.path, safe="/"), on, first, last, code, text, by.user, time.time()
        )
        made = reviews.add(session_id, seen.place.folder, comment)
        log_act(by, "review.comment", session=session_id, comment=made.id)
        if by_htmx():
            return _changed_comment(view, seen.place.top, seen.place.folder, made.id)
        path = os.fsdecode(change.path)
        anchor = f"c-{made.id}"
        return redirect(view.address("changes.file", anchor, path=path, side=change.side), 303)

    @pages.post(f"{PROJECT}/changes/comments/<comment_id>", defaults={"session_id": ""})
    @pages.post(f"{SESSION}/changes/comments/<comment_id>")
    def edit_comment(project_id: str, session_id: str, comment_id: str) -> Response | str:
        """Change the text of a comment, or remove it."""
        view = View.of_request(project_id, session_id)
        if not ID.fullmatch(comment_id):
            abort(404)
        place = listings.places.at(project_id, session_id)
        by = current_identity()
        if request.form.get("act") == "remove":
            reviews.remove(session_id, place.folder, comment_id)
            log_act(by, "review.comment.remove", session=session_id, comment=comment_id)
        else:
            reviews.edit(session_id, place.folder, comment_id, _text())
            log_act(by, "review.comment.edit", session=session_id, comment=comment_id)
        if by_htmx():
            return _changed_comment(view, place.top, place.folder, comment_id)
        return redirect(view.address("changes_review.page"), 303)

    def _changed_comment(view: View, top: Path, folder: Path, comment_id: str) -> str:
        """The comment, if it is still there, and the bar."""
        review = reviews.of(view.session_id, folder)
        found = anchored(top, (each for each in review.comments if each.id == comment_id))
        return render_template(
            "changes/added.html",
            **_context(view, review=review),
            note=found[0] if found else None,
            whole=bool(request.form.get("whole")),
        )

    def _change(view: View) -> tuple[Seen, Change]:
        """The change that a form is about. 404 if it is not there any more."""
        path, side = path_of_key(request.form), given_side()
        seen = listings.recent(view.project_id, view.session_id, view.base)
        change = seen.change(path, side)
        if change is None:
            abort(404, "This file has no changes any more.")
        return seen, change

    # --- viewed -----------------------------------------------------------------------------

    @pages.post(f"{PROJECT}/changes/viewed", defaults={"session_id": ""})
    @pages.post(f"{SESSION}/changes/viewed")
    def mark(project_id: str, session_id: str) -> Response | str:
        view = View.of_request(project_id, session_id)
        seen, change = _change(view)
        top, folder = seen.place.top, seen.place.folder
        row = rows.row_of(top, change)
        is_viewed = bool(request.form.get("viewed"))
        version = viewed.version(top, row) if is_viewed else ""
        reviews.mark(session_id, folder, viewed_files.name(seen.choice.base, row), version)
        if by_htmx():
            context = _context(view, review=reviews.of(session_id, folder))
            return render_template("changes/marked.html", **context, row=row, is_viewed=is_viewed)
        return redirect(view.address("changes.page", f"f-{row.id}"), 303)


def _add_sending(pages: Blueprint, listings: Listings, reviews: Reviews, to: Recipients) -> None:
    @pages.post(f"{PROJECT}/changes/comments/send", defaults={"session_id": ""})
    @pages.post(f"{SESSION}/changes/comments/send")
    def send(project_id: str, session_id: str) -> Response:
        """Send what was not sent yet: to the session, into its message, or to one of a project."""
        view = View.of_request(project_id, session_id)
        place = listings.places.at(project_id, session_id)
        unsent = reviews.of(session_id, place.folder).unsent
        if not unsent:  # a second tap
            there = session_url(project_id, session_id) if session_id else back_address(view)
            return redirect(there, 303)
        way, target = request.form.get("to", ""), session_id
        if way == "session" and not session_id:
            target = request.form.get("session", "")
            to.locations.at(project_id, target)
        elif way == "new" and not session_id:
            target = ""
        elif way not in ("claude", "draft") or not session_id:
            raise BadForm("Choose where the comments are to go.")
        folder = to.locations.at(project_id, target).working_folder if target else place.folder
        words = prompt_of(anchored(place.top, unsent), place.top, folder.resolve())
        check_prompt(words)
        if way in ("claude", "session"):
            there = to.submit(project_id, target, words)
        else:
            there = to.put_into_draft(project_id, target, place.folder, words)
        ids = frozenset(each.id for each in unsent)
        reviews.note_sent(session_id, place.folder, ids, time.time())
        log_act(current_identity(), "review.send", session=target, comments=len(ids), to=way)
        return redirect(there, 303)


def _context(view: View, **more: Any) -> dict[str, Any]:
    return {"view": view, "address": view.address, "back_address": back_address(view), **more}


def _text() -> str:
    """The comment in the form. Raises BadForm."""
    text = typed(request.form.get("text", "")).strip()
    if not text:
        raise BadForm("Write a comment first.")
    if len(text) > MOST_TEXT:
        raise BadForm(f"A comment may have {MOST_TEXT:,} characters.")
    return text


def _code(seen: Seen, change: Change, on: str, first: int, last: int) -> str:
    """The lines of a file that a comment is about. Raises BadForm and GitProblem."""
    if not first:
        raise BadForm("Say which lines the comment is about.")
    if last - first >= MOST_LINES:
        raise BadForm(f"A comment may be about {MOST_LINES} lines.")
    lines = run_in_thread(_lines, seen.content(change, before=on == OLD), first, last)
    if len(lines) <= last - first:
        raise BadForm("The file has no such lines.")
    return b"\n".join(lines).decode("utf-8", "replace")[:MOST_CODE]


def _lines(content: bytes, first: int, last: int) -> list[bytes]:
    return file_diffs.lines(content)[first - 1 : last]
