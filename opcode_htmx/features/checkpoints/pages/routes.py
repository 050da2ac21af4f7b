"""The page of a session's checkpoints: the timeline, and when they are taken and removed."""

from __future__ import annotations

from flask import Blueprint, render_template, request
from werkzeug.wrappers import Response

from opcode_htmx.features.checkpoints import words
from opcode_htmx.features.checkpoints.pages import checkpoint_routes
from opcode_htmx.features.checkpoints.pages.place import SessionPlace
from opcode_htmx.features.context import AppContext
from opcode_htmx.lib.audit_log import log_act
from opcode_htmx.lib.git.snapshots.plan import Kept
from opcode_htmx.sessions.checkpoints import model
from opcode_htmx.sessions.checkpoints.model import Record, Strategy
from opcode_htmx.sessions.checkpoints.trees import CheckpointRefused
from opcode_htmx.web.auth.gate import current_identity
from opcode_htmx.web.http.forms import BadForm, session_address

AGES = (1, 7, 30)
"""Days, for the clean-up."""
KEEP = (0, 10, 50)
"""How many the clean-up may keep."""


def _kept_in_words(record: Record) -> list[tuple[str, str]]:
    """The paths that the last restore left alone, and why."""
    kept = record.restored.kept if record.restored else {}
    return [(path, words.KEPT.get(Kept(why), "")) for path, why in kept.items()]


def blueprint(context: AppContext) -> Blueprint:
    pages = Blueprint(
        "checkpoints", __name__, url_prefix="/projects/<project_id>/sessions/<session_id>"
    )
    _add_timeline(pages, context)
    checkpoint_routes.add_to(pages, context)
    return pages


def _add_timeline(pages: Blueprint, context: AppContext) -> None:
    sessions = context.sessions
    place = SessionPlace(sessions.lookup)
    checkpoints, automatic = sessions.checkpoints, sessions.automatic_checkpoints

    @pages.get("/checkpoints")
    def page(project_id: str, session_id: str) -> str:
        session_id, folder = place.located(project_id, session_id)
        record = checkpoints.store.read(session_id)
        strategy, refusal = None, ""
        try:
            if folder is None:
                raise CheckpointRefused("The folder of this session is not known.")
            context.workspace.folders.check(folder)
            strategy = automatic.expected(session_id, folder)
        except context.refusals as error:
            refusal = str(error)
        return render_template(
            "checkpoints/timeline.html",
            title=sessions.lookup.title(project_id, session_id),
            address=session_address(project_id, session_id),
            project_id=project_id,
            session_id=session_id,
            record=record,
            rows=list(reversed(model.timeline(record.checkpoints))),
            strategy=strategy,
            strategies=words.STRATEGIES,
            kinds=words.KINDS,
            restored_kept=_kept_in_words(record),
            refusal=refusal,
            ages=AGES,
            keep=KEEP,
        )

    @pages.post("/checkpoints")
    def take(project_id: str, session_id: str) -> Response:
        session_id, _ = place.located(project_id, session_id)
        folder = sessions.lookup.folder(project_id, session_id)
        description = request.form.get("description", "")
        checkpoints.take(session_id, folder, description=description, by=current_identity())
        return place.to_page(project_id, session_id)

    @pages.post("/checkpoints/when")
    def when(project_id: str, session_id: str) -> Response:
        """Choose when checkpoints are taken, for the session or for its project."""
        session_id, _ = place.located(project_id, session_id)
        text = request.form.get("strategy", "")
        if text and text not in list(Strategy):
            raise BadForm("Choose when checkpoints are to be taken.")
        strategy = Strategy(text) if text else None
        folder = sessions.lookup.folder(project_id, session_id)
        automatic.choose(session_id, folder, strategy, for_project="project" in request.form)
        log_act(current_identity(), "checkpoint.when", session=session_id, strategy=text)
        return place.to_page(project_id, session_id, "when")

    @pages.post("/checkpoints/clean-up")
    def clean_up(project_id: str, session_id: str) -> Response:
        session_id, _ = place.located(project_id, session_id)
        by, number = request.form.get("by", ""), request.form.get("number", "")
        if by not in ("newest", "age") or number not in map(str, (*KEEP, *AGES)):
            raise BadForm("Choose what is to be kept.")
        if by == "newest":
            removed = checkpoints.remove_all_but(session_id, newest=int(number))
        else:
            removed = checkpoints.remove_all_but(session_id, older_than=int(number) * 86400.0)
        log_act(current_identity(), "checkpoint.clean-up", session=session_id, removed=removed)
        return place.to_page(project_id, session_id)

    @pages.post("/checkpoints/undo")
    def undo(project_id: str, session_id: str) -> Response:
        session_id, _ = place.located(project_id, session_id)
        checkpoints.undo(session_id, by=current_identity())
        return place.to_page(project_id, session_id)
