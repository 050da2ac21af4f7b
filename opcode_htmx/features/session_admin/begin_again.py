"""Begin again from the newest entry, when a session went on at the computer beside our run.

The run's process does not read what others add to its session. So it is ended, and the next prompt
resumes the session from the newest entry.
"""

from __future__ import annotations

from flask import Blueprint, redirect, render_template
from werkzeug.wrappers import Response as BaseResponse

from opcode_htmx.engines.claude.files import lineage, titles
from opcode_htmx.runs.control.run import RunNotLive
from opcode_htmx.runs.model.lifecycle import Phase
from opcode_htmx.runs.model.record import Outcome
from opcode_htmx.runs.starts import END_GRACE_SECONDS
from opcode_htmx.runs.supervisor import Supervisor
from opcode_htmx.sessions.lookup import SessionLookup
from opcode_htmx.web.auth.gate import current_identity
from opcode_htmx.web.http.forms import by_htmx, session_url

CAUSE = "Ended, to begin again from what was said at the computer."


def blueprint(supervisor: Supervisor, lookup: SessionLookup, stop_deadline: float) -> Blueprint:
    """`stop_deadline`: seconds within which a run and its process tree are ended."""
    pages = Blueprint("begin_again", __name__)

    @pages.post("/projects/<project_id>/sessions/<session_id>/begin-again")
    def begin_again(project_id: str, session_id: str) -> BaseResponse | str:
        location = lookup.at(project_id, session_id)
        if location.folder is not None:
            supervisor.starts.check_folder(location.working_folder)
        conversation = lookup.read(project_id, session_id).conversation
        run, newest = conversation.run, conversation.newest_elsewhere
        if run is not None and run.live and newest:
            if run.phase is not Phase.IDLE:
                raise RunNotLive("Claude is at work here. Wait until it is done, or stop it first.")
            run.stop(Outcome.COMPLETED, CAUSE, by=current_identity())
            if not run.join(stop_deadline + END_GRACE_SECONDS):
                raise RunNotLive("Claude is still being stopped. Try again in a moment.")
            conversation.refresh()
            # The process that ended may have recorded its own position as the one to resume from
            if location.file is not None and not conversation.continues_from(newest):
                titles.append(location.file, lineage.checkpoint_line(location.session_id, newest))
        supervisor.changes(location.session_id).notify()
        if by_htmx():
            return render_template("alert.html", sentence="")
        return redirect(session_url(project_id, session_id), 303)

    return pages
