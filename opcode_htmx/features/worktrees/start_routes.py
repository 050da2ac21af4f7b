"""The page of a session that begins in a copy: how its set-up gets on, and what to do then."""

from __future__ import annotations

from pathlib import Path

from flask import Blueprint, redirect, render_template, url_for
from werkzeug.wrappers import Response as BaseResponse

from opcode_htmx.engines.claude.files.folder_names import claude_folder
from opcode_htmx.features.worktrees.views import CopyPages
from opcode_htmx.runs.policies.project_trust import TrustNeeded
from opcode_htmx.sessions.worktrees.kept_copies import NoSuchCopy
from opcode_htmx.sessions.worktrees.records import CopyState, SessionWorktree
from opcode_htmx.web.auth.gate import current_identity
from opcode_htmx.web.http.forms import BadForm, session_url


def add_to(pages: Blueprint, parts: CopyPages) -> None:
    service = parts.service

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
