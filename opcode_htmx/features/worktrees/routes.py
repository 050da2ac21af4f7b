"""The pages of copies: the list with what is left over, and one of them; and their forms."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from flask import Blueprint, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from opcode_htmx.engines.claude.files import history
from opcode_htmx.engines.claude.files.lists import worktree_state
from opcode_htmx.features.worktrees import settings_routes, start_routes
from opcode_htmx.features.worktrees.views import MOST, CopyPages, SessionLink
from opcode_htmx.lib.git.integration.merges import CannotMerge, Way
from opcode_htmx.sessions.worktrees.copies import copy_id
from opcode_htmx.sessions.worktrees.endings import CopyFailed, CopyInUse, Merge
from opcode_htmx.sessions.worktrees.naming import CopyLabel
from opcode_htmx.sessions.worktrees.service import SessionWorktrees
from opcode_htmx.web.auth.gate import current_identity
from opcode_htmx.web.http.flash import flashed, redirect_with_notice
from opcode_htmx.web.http.forms import BadForm, typed

REFUSALS = (CannotMerge, CopyInUse, CopyFailed)


def blueprint(parts: CopyPages) -> Blueprint:
    pages = Blueprint("worktrees", __name__)
    _add_labels(pages, parts.service, parts.context.workspace.config_dir)
    _add_copies(pages, parts)
    start_routes.add_to(pages, parts)
    settings_routes.add_to(pages, parts)
    return pages


def _add_labels(pages: Blueprint, service: SessionWorktrees, config_dir: Path) -> None:
    @pages.app_template_global("copy_of_folder")
    def label(folder: str) -> CopyLabel | None:
        """What a session's folder is a copy of."""
        return service.labels.of(folder)

    @pages.app_template_global("copy_of_session")
    def label_of_session(session_id: str, folder: str) -> CopyLabel | None:
        """The same of a session, which Claude may have taken into a worktree of its own."""
        known = service.labels.of(folder)
        if known is not None:
            return known
        file = history.find(config_dir, session_id)
        entered = worktree_state.of_file(file) if file else None
        return service.labels.of(entered.path) if entered else None


def _add_copies(pages: Blueprint, parts: CopyPages) -> None:
    service = parts.service

    @pages.get("/worktrees")
    def page() -> str:
        below = request.args.get("folder", "")
        folder = parts.context.workspace.working_folder(below) if below else None
        found = parts.copies.all(folder)
        rows = parts.rows(found[:MOST])
        return render_template(
            "worktrees/worktrees.html",
            left=[each for each in rows if each.survives],
            rows=[each for each in rows if not each.survives],
            waiting=[(each, parts.project_of(each)) for each in parts.copies.waiting()],
            kept=[(each, parts.project_of(each)) for each in service.kept.all()],
            more=len(found) - len(rows),
            folder=folder,
            reference=below,
            notice=flashed(),
        )

    @pages.get("/worktrees/<worktree_id>")
    def copy(worktree_id: str) -> str:
        return _copy_page(worktree_id)

    def _copy_page(worktree_id: str, error: str = "") -> str:
        row = parts.row(parts.copies.get(worktree_id))
        return render_template(
            "worktrees/worktree.html",
            row=row,
            copy=row.copy,
            ways=list(Way),
            chosen=request.form.get("way", Way.MERGE),
            message=request.form.get("message", _message(row.copy.name, row.sessions)),
            error=error,
            notice=flashed(),
        )

    @pages.post("/worktrees/<worktree_id>/merge")
    def merge(worktree_id: str) -> BaseResponse:
        found, form = parts.copies.get(worktree_id), request.form
        if form.get("way") not in {str(each) for each in Way}:
            raise BadForm("Choose how to merge.")
        wanted = Merge(
            Way(form["way"]), typed(form.get("message", "")), "commit" in form, "remove" in form
        )
        try:
            kept = parts.endings.merge(found, wanted, by=current_identity())
        except REFUSALS as error:
            return make_response(_copy_page(worktree_id, str(error)), 409)
        if kept is None:
            return redirect_with_notice(
                url_for(".copy", worktree_id=worktree_id), "copy-merged", found.base
            )
        return redirect_with_notice(url_for(".page"), "copy-merged", found.base)

    @pages.post("/worktrees/<worktree_id>/commit")
    def commit(worktree_id: str) -> BaseResponse:
        found = parts.copies.get(worktree_id)
        message = typed(request.form.get("message", ""))
        try:
            parts.endings.commit(found, message, by=current_identity())
        except REFUSALS as error:
            return make_response(_copy_page(worktree_id, str(error)), 409)
        return redirect_with_notice(url_for(".copy", worktree_id=worktree_id), "copy-committed")

    @pages.post("/worktrees/<worktree_id>/rebase")
    def rebase(worktree_id: str) -> BaseResponse:
        found = parts.copies.get(worktree_id)
        try:
            parts.endings.rebase(found, by=current_identity())
        except REFUSALS as error:
            return make_response(_copy_page(worktree_id, str(error)), 409)
        return redirect_with_notice(
            url_for(".copy", worktree_id=worktree_id), "copy-rebased", found.base
        )

    @pages.post("/worktrees/<worktree_id>/stop")
    def stop(worktree_id: str) -> BaseResponse:
        parts.endings.stop(parts.copies.get(worktree_id), by=current_identity())
        return redirect(url_for(".copy", worktree_id=worktree_id), 303)

    @pages.post("/worktrees/<worktree_id>/unlock")
    def unlock(worktree_id: str) -> BaseResponse:
        parts.endings.unlock(parts.copies.get(worktree_id), by=current_identity())
        return redirect(url_for(".copy", worktree_id=worktree_id), 303)

    @pages.get("/worktrees/<worktree_id>/discard")
    def losses(worktree_id: str) -> str:
        """What would be lost; nothing is done yet."""
        row = parts.row(parts.copies.get(worktree_id))
        return render_template(
            "worktrees/discard.html",
            row=row,
            copy=row.copy,
            ignored=parts.endings.losses(row.copy),
        )

    @pages.post("/worktrees/<worktree_id>/discard")
    def discard(worktree_id: str) -> BaseResponse:
        found = parts.copies.get(worktree_id)
        parts.endings.discard(found, by=current_identity())
        return redirect_with_notice(url_for(".page"), "copy-discarded", found.name)

    @pages.post("/worktrees/kept/<kept_copy>/restore")
    def restore(kept_copy: str) -> BaseResponse:
        path = parts.endings.restore(service.kept.get(kept_copy), by=current_identity())
        address = url_for(".copy", worktree_id=copy_id(path))
        return redirect_with_notice(address, "copy-restored")


def _message(name: str, found: Sequence[SessionLink]) -> str:
    """The message that is offered: the title of the session, or the name of the branch."""
    return found[0].title if found else f"Merge “{name}”"
