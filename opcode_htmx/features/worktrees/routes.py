"""The pages of copies: the list with what is left over, one of them, and the start of a session."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from flask import Blueprint, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from opcode_htmx.engines.claude.files import history
from opcode_htmx.engines.claude.files.folder_names import claude_folder
from opcode_htmx.engines.claude.files.lists import worktree_state
from opcode_htmx.features.worktrees.views import MOST, CopyPages, SessionLink
from opcode_htmx.lib.git import worktrees
from opcode_htmx.lib.git.integration.merges import CannotMerge, Way
from opcode_htmx.lib.git.process import GitFailed
from opcode_htmx.lib.git.repository import RepositoryRefused
from opcode_htmx.runs.policies.project_trust import TrustNeeded
from opcode_htmx.sessions.worktrees.copies import copy_id
from opcode_htmx.sessions.worktrees.endings import CopyFailed, CopyInUse, Merge
from opcode_htmx.sessions.worktrees.kept_copies import NoSuchCopy
from opcode_htmx.sessions.worktrees.naming import CopyLabel
from opcode_htmx.sessions.worktrees.project_setup import InvalidSetup, ProjectSetup, patterns_in
from opcode_htmx.sessions.worktrees.records import CopyState, SessionWorktree
from opcode_htmx.sessions.worktrees.service import CannotCopy
from opcode_htmx.web.auth.gate import current_identity
from opcode_htmx.web.http.flash import flash, flashed
from opcode_htmx.web.http.forms import BadForm, session_url, typed

LONGEST_FOLDER = 12_288
REFUSALS = (CannotMerge, CopyInUse, CopyFailed)


def blueprint(parts: CopyPages) -> Blueprint:
    pages = Blueprint("worktrees", __name__)
    service = parts.service

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
        file = history.find(parts.context.workspace.config_dir, session_id)
        entered = worktree_state.of_file(file) if file else None
        return service.labels.of(entered.path) if entered else None

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
            return _done(url_for(".copy", worktree_id=worktree_id), "merged", found.base)
        return _done(url_for(".page"), "merged", found.base)

    @pages.post("/worktrees/<worktree_id>/commit")
    def commit(worktree_id: str) -> BaseResponse:
        found = parts.copies.get(worktree_id)
        message = typed(request.form.get("message", ""))
        try:
            parts.endings.commit(found, message, by=current_identity())
        except REFUSALS as error:
            return make_response(_copy_page(worktree_id, str(error)), 409)
        return _done(url_for(".copy", worktree_id=worktree_id), "committed")

    @pages.post("/worktrees/<worktree_id>/rebase")
    def rebase(worktree_id: str) -> BaseResponse:
        found = parts.copies.get(worktree_id)
        try:
            parts.endings.rebase(found, by=current_identity())
        except REFUSALS as error:
            return make_response(_copy_page(worktree_id, str(error)), 409)
        return _done(url_for(".copy", worktree_id=worktree_id), "rebased", found.base)

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
        return _done(url_for(".page"), "discarded", found.name)

    @pages.post("/worktrees/kept/<kept_copy>/restore")
    def restore(kept_copy: str) -> BaseResponse:
        path = parts.endings.restore(service.kept.get(kept_copy), by=current_identity())
        return _done(url_for(".copy", worktree_id=copy_id(path)), "restored")

    # --- a session that begins in a copy ------------------------------------------------------

    @pages.get("/worktrees/starting/<session_id>")
    def starting(session_id: str) -> BaseResponse | str:
        """How the set-up gets on; leads to the session once that has begun."""
        record = _record(session_id)
        if record.state is CopyState.BEGUN:
            return redirect(_session_of(record))
        if record.state.is_over:
            return redirect(url_for(".page"))
        is_made = record.state is CopyState.MADE and Path(record.folder).is_dir()
        return render_template(
            "worktrees/starting.html",
            record=record,
            needed=service.trust_needed(record) if is_made else None,
            project=parts.project_of(record),
            command=service.setups.of(Path(record.repository)).command,
            output=service.output(session_id),
            is_working=service.is_starting(session_id) or service.is_setting_up(session_id),
        )

    @pages.post("/worktrees/starting/<session_id>/<start_act>")
    def start(session_id: str, start_act: str) -> BaseResponse:
        """Go on with a start: with the set-up once more, without it, or not at all; or stop."""
        record, by = _record(session_id), current_identity()
        if start_act == "drop":
            parts.endings.drop(record, by=by)
            return redirect(url_for(".page"), 303)
        if start_act == "stop":
            service.stop_setup(session_id, by=by)
            return redirect(url_for(".starting", session_id=session_id), 303)
        if start_act not in ("again", "without", "bare"):
            raise BadForm("There is no such choice.")
        if record.state is CopyState.BEGUN:
            return redirect(_session_of(record), 303)
        if start_act == "bare":
            parts.context.runs.work_without_project_settings(session_id, by=by)
        record = service.go_on(session_id, by=by)
        send = service.send_noted(session_id, by=by)
        try:
            if start_act != "without" and service.needs_setup(record):
                service.begin(session_id, send, by=by)
                return redirect(url_for(".starting", session_id=session_id), 303)
            service.begin_now(session_id, send, by=by, without_setup=True)
        except TrustNeeded:
            return redirect(url_for(".starting", session_id=session_id), 303)
        return redirect(_session_of(record), 303)

    def _record(session_id: str) -> SessionWorktree:
        record = service.of_session(session_id)
        if record is None:
            raise NoSuchCopy("There is no such start any more.")
        return record

    def _session_of(record: SessionWorktree) -> str:
        return session_url(claude_folder(record.folder), record.session_id)

    # --- what copies begin with -----------------------------------------------------------------

    @pages.get("/worktrees/settings")
    def settings() -> str:
        return _settings_page(request.args.get("folder", ""))

    @pages.post("/worktrees/settings")
    def change() -> BaseResponse:
        text = request.form.get("folder", "")[:LONGEST_FOLDER]
        main = _main(text)
        wanted = ProjectSetup(
            str(main),
            patterns_in(typed(request.form.get("patterns", ""))),
            typed(request.form.get("command", "")).strip(),
        )
        try:
            service.setups.set(wanted)
        except InvalidSetup as error:
            return make_response(_settings_page(text, str(error)), 422)
        return _done(url_for(".settings", folder=text), "saved")

    def _settings_page(text: str, error: str = "") -> str:
        main = _main(text)
        known = service.setups.of(main)
        return render_template(
            "worktrees/settings.html",
            folder=text,
            main=main,
            patterns=request.form.get("patterns", "\n".join(known.patterns)),
            command=request.form.get("command", known.command),
            error=error,
            notice=flashed(),
        )

    def _main(text: str) -> Path:
        """The main checkout of a folder's repository. Raises InvalidFolder, CannotCopy."""
        folder = parts.context.workspace.working_folder(text[:LONGEST_FOLDER])
        try:
            git = service.git(folder)
        except (GitFailed, RepositoryRefused) as error:
            raise CannotCopy(str(error)) from None
        if git is None:
            raise CannotCopy(f"{folder} is in no git repository, so there are no copies of it.")
        return worktrees.main_top(git.repository)

    def _done(address: str, key: str, text: str = "") -> BaseResponse:
        response = redirect(address, 303)
        flash(response, f"copy-{key}", text)
        return response

    return pages


def _message(name: str, found: Sequence[SessionLink]) -> str:
    """The message that is offered: the title of the session, or the name of the branch."""
    return found[0].title if found else f"Merge “{name}”"
