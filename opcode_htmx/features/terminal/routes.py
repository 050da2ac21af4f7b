"""The list of terminals, the page of one, and the forms of both."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from opcode_htmx.engines.claude.files import sessions
from opcode_htmx.features.terminal.keys import BY_NAME, KEYS
from opcode_htmx.features.terminal.newest import newest_lines
from opcode_htmx.lib.concurrency.broadcast import Broadcast
from opcode_htmx.lib.concurrency.cooperative import run_in_thread
from opcode_htmx.runs.policies.working_folders import reference
from opcode_htmx.runs.supervisor import Supervisor
from opcode_htmx.sessions.locations import FolderUnknown, SessionLocations
from opcode_htmx.sessions.terminals.model import Program, Terminal
from opcode_htmx.sessions.terminals.services import TerminalServices
from opcode_htmx.sessions.workspace import Workspace
from opcode_htmx.web.auth.gate import current_identity
from opcode_htmx.web.http.flash import flashed, redirect_with_notice
from opcode_htmx.web.http.forms import BadForm, typed

RESUME = "resume"
"""The choice of a form: Claude, with the session that the page was opened from."""
MOST_TYPED = 100_000
"""Characters of one form."""
QUIET_SECONDS, SHOWN_SECONDS = 0.2, 1.0
"""How long the output has to rest before a page without scripts shows it, and its longest wait."""


def blueprint(
    services: TerminalServices,
    workspace: Workspace,
    locations: SessionLocations,
    runs: Supervisor,
) -> Blueprint:
    pages = Blueprint("terminal", __name__)
    terminals = services.terminals

    @pages.before_request
    def allow() -> None:
        services.allow(current_identity())

    @pages.get("/terminal")
    def page() -> str:
        folder, session_id = _asked_for(workspace, locations)
        return render_template(
            "terminal/list.html",
            terminals=terminals.all(),
            folder=folder,
            session_id=session_id,
            back_to=_back_to(locations, session_id),
            is_open_here=bool(session_id) and any(r.live for r in runs.of_session(session_id)),
            notice=flashed()[0],
        )

    @pages.post("/terminal")
    def new() -> Response:
        form = request.form
        choice, session_id = form.get("program", ""), ""
        if choice == RESUME:
            session_id = locations.of(form.get("session", "")).session_id
        elif choice not in tuple(Program):
            raise BadForm("Choose what to start.")
        folder = workspace.working_folder(form.get("folder", ""))
        program = Program.CLAUDE if choice == RESUME else Program(choice)
        started = services.start(program, folder, current_identity(), session_id=session_id)
        return redirect(url_for(".terminal", terminal_id=started.id), 303)

    @pages.get("/terminal/<terminal_id>")
    def terminal(terminal_id: str) -> str:
        found = terminals.get(terminal_id)
        return render_template(
            "terminal/terminal.html",
            terminal=found,
            keys=KEYS,
            lines=run_in_thread(newest_lines, terminals.output_of(terminal_id)),
            most_typed=MOST_TYPED,
        )

    @pages.post("/terminal/<terminal_id>/type")
    def type_text(terminal_id: str) -> Response:
        """What is typed without scripts: a line, or one of the keys."""
        key, text = request.form.get("key", ""), typed(request.form.get("text", ""))
        if len(text) > MOST_TYPED or (key and key not in BY_NAME):
            raise BadForm(f"Type at most {MOST_TYPED} characters at once.")
        line = text.replace("\n", "\r").encode("utf-8", "replace")
        _type(services, terminal_id, line + (BY_NAME[key].sends if key else b"\r"))
        return redirect(url_for(".terminal", terminal_id=terminal_id, _anchor="end"), 303)

    @pages.post("/terminal/<terminal_id>/end")
    def end(terminal_id: str) -> Response:
        services.end(terminal_id, current_identity())
        return redirect(url_for(".page"), 303)

    @pages.post("/terminal/<terminal_id>/remove")
    def remove(terminal_id: str) -> Response:
        services.remove(terminal_id, current_identity())
        return redirect_with_notice(url_for(".page"), "terminal-removed")

    @pages.app_template_filter("terminal_title")
    def title(terminal: Terminal) -> str:
        name = "Claude" if terminal.record.program is Program.CLAUDE else "Shell"
        return f"{name} in {Path(terminal.record.folder).name or '/'}"

    return pages


def _type(services: TerminalServices, terminal_id: str, data: bytes) -> None:
    """Type, and wait a moment for what comes of it: a page without scripts shows that once."""
    output = services.terminals.output_of(terminal_id)
    with contextlib.ExitStack() as stack:
        try:
            changes = stack.enter_context(services.watch.watching(output))
        except OSError:  # it cannot be watched: the page comes after the longest wait
            changes = Broadcast()
        seen, patience = changes.version, SHOWN_SECONDS
        services.terminals.type(terminal_id, data)
        until = time.monotonic() + SHOWN_SECONDS
        while (left := until - time.monotonic()) > 0:
            now = changes.wait(seen, min(left, patience))
            if now == seen:
                return
            seen, patience = now, QUIET_SECONDS


def _asked_for(workspace: Workspace, locations: SessionLocations) -> tuple[str, str]:
    """The folder for a new terminal, as the form has it, and the session to go on with."""
    project_id, session_id = request.args.get("project", ""), request.args.get("session", "")
    if session_id:
        try:
            location = locations.at(project_id, session_id)
            return reference(location.working_folder), location.session_id
        except (sessions.ProjectNotFound, sessions.SessionNotFound, FolderUnknown):
            pass
    return request.args.get("folder", "") or reference(workspace.task_folder), ""


def _back_to(locations: SessionLocations, session_id: str) -> str:
    """The address of the session or project whose link has led here; empty if none has."""
    project_id = locations.first_known(request.args.get("project", ""))
    if not project_id:
        return ""
    if session_id:
        address = url_for("session_page.session", project_id=project_id, session_id=session_id)
        return f"{address}#end"
    return url_for("projects.project", project_id=project_id)
