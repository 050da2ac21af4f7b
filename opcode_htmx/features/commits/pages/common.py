"""What the pages of git share: reading their forms, the page after an act, and refusals."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from opcode_htmx.features.commits.acts import Act
from opcode_htmx.features.commits.changes import Done, Selection
from opcode_htmx.features.commits.projects import Answer, NoFolder, Unconfirmed
from opcode_htmx.features.commits.services import ERRORS
from opcode_htmx.lib.audit_log import log_act
from opcode_htmx.lib.git.commands import words
from opcode_htmx.lib.git.commands.state import NoRepository
from opcode_htmx.lib.git.commands.words import GitRefused
from opcode_htmx.lib.git.login import Typed
from opcode_htmx.lib.git.process import GitFailed
from opcode_htmx.sessions.repositories import logins
from opcode_htmx.web.auth.gate import current_identity
from opcode_htmx.web.auth.login import local_path
from opcode_htmx.web.http.flash import flash, flashed
from opcode_htmx.web.server.base_path import start_page

DONE = "git-done"
"""The key of the notice that something was done."""
MOST_NAMED = 2000
_OWN = frozenset({"csrf_token", "programs", "digest", "login_origin", *logins.FIELDS})


def answer_of(form: Mapping[str, str]) -> Answer:
    """What the person has said to the programs that were shown."""
    return Answer(form.get("programs", ""), form.get("digest", ""))


def login_of(form: Mapping[str, str]) -> Typed | None:
    """The login for a remote that the person has typed. Raises InvalidLogin."""
    origin = form.get("login_origin", "")
    return logins.typed_in(form, origin) if origin else None


def selection_of() -> Selection:
    """The files, hunks and lines of the posted form."""
    form = request.form
    return Selection(
        tuple(form.getlist("path")[:MOST_NAMED]),
        tuple(form.getlist("hunk")[:MOST_NAMED]),
        tuple(form.getlist("line")[:MOST_NAMED]),
    )


def back_of(project_id: str) -> str:
    """The page that the form was on, if it names one of ours; else the git page."""
    back = local_path(request.form.get("back", ""))
    return back if back != start_page() else url_for("commits.page", project_id=project_id)


def log(action: str, project_id: str, **more: str | int | bool) -> None:
    """Log that the person has done something to a project's repository."""
    log_act(current_identity(), f"git.{action}", session="", run="", project=project_id, **more)


def after(done: Done, address: str) -> BaseResponse:
    """To a page of ours, which shows what was done, and how to undo it."""
    response: BaseResponse = redirect(address, 303)
    flash(response, DONE, f"{done.kept_id or '-'} {done.words}")
    return response


def notice() -> Done | None:
    """What was done just before this page; None if nothing was."""
    key, text = flashed()
    if key != DONE:
        return None
    kept_id, _, words = text.partition(" ")
    return Done(words, "" if kept_id == "-" else kept_id)


def after_act(act: Act) -> BaseResponse | tuple[str, int]:
    """To the page behind an act that is done, or to its own while it runs; else why it failed."""
    if act.is_done:
        return after(Done(act.message), local_path(act.back))
    if act.is_running:
        address = url_for("commits.act", project_id=act.project_id, act_id=act.id)
        return redirect(address, 303)
    return refused(GitRefused(act.outcome, act.output), act.project_id, act.back, act=act)


def refused(
    error: Exception, project_id: str, back: str = "", status: int = 409, act: Act | None = None
) -> tuple[str, int]:
    """The page of a refusal, with what was typed, and what git wrote behind a fold."""
    page = render_template(
        "commits/refused.html",
        error=error,
        output=error.output if isinstance(error, GitRefused) else "",
        project_id=project_id,
        back=back,
        typed=request.form.get("message", ""),
        act=act,
    )
    return page, status


def unusable(error: Exception, project_id: str, status: int) -> tuple[str, int]:
    """The page of a project without a repository, or with one that cannot be used."""
    page = render_template(
        "commits/unusable.html",
        error=error,
        project_id=project_id,
        has_none=isinstance(error, NoRepository) and not isinstance(error, NoFolder),
    )
    return page, status


def handle_refusals(pages: Blueprint) -> None:
    """Show failures of git, and programs that nobody has confirmed, as pages of their own."""

    def failed(error: GitFailed) -> tuple[str, int]:
        return refused(words.refusal(error), _project_id(), back_of(_project_id()))

    def answer(error: Exception) -> tuple[str, int] | BaseResponse:
        status = next(code for kind, code in ERRORS.items() if isinstance(error, kind))
        if isinstance(error, NoRepository) or request.endpoint == "commits.page":
            return unusable(error, _project_id(), status)
        return refused(error, _project_id(), back_of(_project_id()), status)

    def unconfirmed(error: Unconfirmed) -> tuple[str, int]:
        fields = [
            (name, value)
            for name, values in request.form.lists()
            for value in values
            if name not in _OWN
        ]
        page = render_template(
            "commits/confirm.html",
            programs=error.programs,
            fields=fields,
            project_id=_project_id(),
            back=back_of(_project_id()),
        )
        return page, 409

    pages.register_error_handler(GitFailed, failed)
    for each in ERRORS.keys() - {Unconfirmed}:
        pages.register_error_handler(each, answer)
    pages.register_error_handler(Unconfirmed, unconfirmed)


def _project_id() -> str:
    found: dict[str, Any] = request.view_args or {}
    return str(found.get("project_id", ""))
