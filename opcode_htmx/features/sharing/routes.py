"""Receive what another app shares, as the draft of a new session. Nothing is ever sent by it.

The manifest (static/manifest.webmanifest) names this address. The browser posts to it by itself,
without a CSRF token; see `fetch_metadata.is_share` for what the gate lets through.
"""

from __future__ import annotations

from collections.abc import Iterable

from flask import Blueprint, make_response, redirect, render_template, request, url_for
from werkzeug.exceptions import RequestEntityTooLarge, Unauthorized
from werkzeug.wrappers import Response

from opcode_htmx.features.sharing.service import (
    Shared,
    appended,
    from_cookie,
    text_of,
    to_cookie,
)
from opcode_htmx.lib.audit_log import log_act
from opcode_htmx.lib.files.disk_space import SENTENCE, DiskFull
from opcode_htmx.sessions.storage import uploads
from opcode_htmx.sessions.storage.drafts import Drafts, DraftTooLarge, draft_name
from opcode_htmx.web.auth.gate import current_identity
from opcode_htmx.web.auth.visitor import visitor
from opcode_htmx.web.http.forms import new_session_address
from opcode_htmx.web.http.request_body import accepts_up_to
from opcode_htmx.web.origin.fetch_metadata import takes_shares
from opcode_htmx.web.server.base_path import cookie_name

KEPT_SECONDS = 600
"""For how long a text waits for a login."""
TOO_LARGE = (
    f"That is too large: {uploads.MAX_REQUEST // 1_000_000} MB can be shared at once. "
    "Nothing of it was taken."
)
TOO_LONG = "This is too long to be kept while you are not logged in. Log in, then share it again."


def blueprint(drafts: Drafts) -> Blueprint:
    pages = Blueprint("sharing", __name__)

    @pages.get("/share")
    def page() -> str:
        """What waits for a login, with a button that takes it into a new session."""
        return render_template("sharing/share.html", shared=from_cookie(_cookie()), refusals=[])

    @pages.post("/share")
    @takes_shares
    @accepts_up_to(uploads.MAX_REQUEST)
    def receive() -> Response:
        try:
            text = text_of(request.form)
            files = [each for each in request.files.getlist("files") if each.filename]
        except RequestEntityTooLarge as error:
            raise RequestEntityTooLarge(TOO_LARGE) from error
        if visitor() is None:
            return _wait_for_login(Shared(text, bool(files)))
        refusals = list(_add(text, files))
        by = current_identity()
        log_act(by, "share.receive", characters=len(text), files=len(files), refused=len(refusals))
        response = redirect(new_session_address(""), 303)
        if refusals:
            page = render_template("sharing/share.html", shared=Shared(), refusals=refusals)
            response = make_response(page, 422)
        if _cookie():
            response.delete_cookie(_name(), path=url_for(".page"), httponly=True, samesite="Strict")
        return response

    def _add(text: str, files: Iterable[uploads.Upload]) -> Iterable[str]:
        """Add to the draft of a new session; a sentence for each part that is refused."""
        draft = draft_name("")
        try:
            drafts.save_text(draft, appended(drafts.get(draft).text, text))
        except DraftTooLarge as error:
            yield str(error)
        except DiskFull:
            yield SENTENCE
        try:
            uploads.keep(drafts, draft, files)
        except (uploads.FileTooLarge, uploads.FileEmpty, DraftTooLarge) as error:
            yield str(error)
        except DiskFull:
            yield SENTENCE

    return pages


def _wait_for_login(shared: Shared) -> Response:
    """Lead to the login, and keep a text in a cookie meanwhile: here nothing is stored."""
    value = to_cookie(shared)
    if value is None:
        raise Unauthorized(TOO_LONG)
    response = redirect(url_for("access.login", next=url_for(".page")), 303)
    response.set_cookie(
        _name(),
        value,
        max_age=KEPT_SECONDS,
        path=url_for(".page"),
        secure=request.is_secure,
        httponly=True,
        samesite="Strict",
    )
    return response


def _cookie() -> str:
    return request.cookies.get(_name(), "")


def _name() -> str:
    return cookie_name("opcode_shared")
