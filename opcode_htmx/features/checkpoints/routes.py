"""The pages of a session's checkpoints: the timeline, one of them, and the diff of a file."""

from __future__ import annotations

from pathlib import Path

from flask import Blueprint, abort, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from opcode_htmx.features.checkpoints import forks, views, words
from opcode_htmx.features.context import AppContext
from opcode_htmx.lib.audit_log import log_act
from opcode_htmx.lib.concurrency.cooperative import run_cpu_in_thread
from opcode_htmx.lib.git.snapshots import plan as plans
from opcode_htmx.lib.git.snapshots.plan import Kept
from opcode_htmx.markup.diff import number_width
from opcode_htmx.runs.policies.working_folders import reference
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
    sessions = context.sessions
    checkpoints, automatic = sessions.checkpoints, sessions.automatic_checkpoints

    def located(project_id: str, session_id: str) -> tuple[str, Path | None]:
        """The id of a session as its file spells it, and its folder if that is known."""
        location = sessions.lookup.at(project_id, session_id)
        return location.session_id, Path(location.folder) if location.folder else None

    def folder_of(project_id: str, session_id: str) -> Path:
        return sessions.lookup.folder(project_id, session_id)

    def to_page(project_id: str, session_id: str, place: str | None = None) -> Response:
        address = url_for(".page", project_id=project_id, session_id=session_id, _anchor=place)
        return redirect(address, 303)

    @pages.get("/checkpoints")
    def page(project_id: str, session_id: str) -> str:
        session_id, folder = located(project_id, session_id)
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
        session_id, _ = located(project_id, session_id)
        folder = folder_of(project_id, session_id)
        description = request.form.get("description", "")
        checkpoints.take(session_id, folder, description=description, by=current_identity())
        return to_page(project_id, session_id)

    @pages.post("/checkpoints/when")
    def when(project_id: str, session_id: str) -> Response:
        """Choose when checkpoints are taken, for the session or for its project."""
        session_id, _ = located(project_id, session_id)
        text = request.form.get("strategy", "")
        if text and text not in list(Strategy):
            raise BadForm("Choose when checkpoints are to be taken.")
        strategy = Strategy(text) if text else None
        folder = folder_of(project_id, session_id)
        automatic.choose(session_id, folder, strategy, for_project="project" in request.form)
        log_act(current_identity(), "checkpoint.when", session=session_id, strategy=text)
        return to_page(project_id, session_id, "when")

    @pages.post("/checkpoints/clean-up")
    def clean_up(project_id: str, session_id: str) -> Response:
        session_id, _ = located(project_id, session_id)
        by, number = request.form.get("by", ""), request.form.get("number", "")
        if by not in ("newest", "age") or number not in map(str, (*KEEP, *AGES)):
            raise BadForm("Choose what is to be kept.")
        if by == "newest":
            removed = checkpoints.remove_all_but(session_id, newest=int(number))
        else:
            removed = checkpoints.remove_all_but(session_id, older_than=int(number) * 86400.0)
        log_act(current_identity(), "checkpoint.clean-up", session=session_id, removed=removed)
        return to_page(project_id, session_id)

    @pages.post("/checkpoints/undo")
    def undo(project_id: str, session_id: str) -> Response:
        session_id, _ = located(project_id, session_id)
        checkpoints.undo(session_id, by=current_identity())
        return to_page(project_id, session_id)

    # --- one of them ------------------------------------------------------------------------

    @pages.get("/checkpoints/<int:checkpoint>")
    def one(project_id: str, session_id: str, checkpoint: int) -> str:
        """What a restore would change now, and what changed up to this checkpoint."""
        session_id, _ = located(project_id, session_id)
        found = checkpoints.get(session_id, checkpoint)
        changes = digest = None
        refusal = ""
        try:
            with checkpoints.preview(session_id, checkpoint) as preview:
                digest = preview.digest
                changes = views.of_preview(preview)
            checkpoints.check_rest(Path(found.top))
        except context.refusals as error:
            refusal = str(error)
        return render_template(
            "checkpoints/checkpoint.html",
            address=session_address(project_id, session_id),
            project_id=project_id,
            session_id=session_id,
            checkpoint=found,
            kinds=words.KINDS,
            changes=changes,
            digest=digest,
            since_parent=_since_parent(session_id, checkpoint),
            refusal=refusal,
        )

    def _since_parent(session_id: str, number: int) -> views.Files | None:
        try:
            with checkpoints.pair(session_id, number) as (tree, parent, then):
                if parent is None:
                    return None
                return views.files(tree, parent, then, plans.compare(tree, parent, then))
        except CheckpointRefused:
            return None

    @pages.get("/checkpoints/<int:checkpoint>/file")
    def file(project_id: str, session_id: str, checkpoint: int) -> str:
        """The diff of one file: from now to the checkpoint, or from its parent to it."""
        session_id, _ = located(project_id, session_id)
        found = checkpoints.get(session_id, checkpoint)
        path = views.path_of(request.args.get("file", "")) or abort(404)
        from_parent = request.args.get("against") == "parent"
        looked = (checkpoints.pair if from_parent else checkpoints.look)(session_id, checkpoint)
        with looked as (tree, first, then):
            if first is None:
                abort(404)
            changes = plans.compare(tree, first, then)
            change = next((each for each in changes if each.path == path), None)
            both = views.contents(tree, change) if change else (b"", b"")
        shown = run_cpu_in_thread(views.file_diff, change, *both) if change else None
        return render_template(
            "checkpoints/file.html",
            project_id=project_id,
            session_id=session_id,
            checkpoint=found,
            path=views.text(path),
            diff=shown,
            number_width=number_width,
            from_parent=from_parent,
        )

    @pages.post("/checkpoints/<int:checkpoint>/restore")
    def restore(project_id: str, session_id: str, checkpoint: int) -> Response:
        session_id, _ = located(project_id, session_id)
        digest = request.form.get("digest", "")
        if not digest:
            raise BadForm("Look at what changes first.")
        checkpoints.restore(session_id, checkpoint, digest=digest, by=current_identity())
        context.runs.changes(session_id).notify()
        return to_page(project_id, session_id)

    @pages.post("/checkpoints/<int:checkpoint>/fork")
    def fork(project_id: str, session_id: str, checkpoint: int) -> Response:
        """A new session on the checkpoint's files, in a worktree."""
        session_id, _ = located(project_id, session_id)
        folder = folder_of(project_id, session_id)
        made = forks.fork(checkpoints, session_id, checkpoint, folder, current_identity())
        return redirect(url_for("new_session.new", folder=reference(made)), 303)

    @pages.post("/checkpoints/<int:checkpoint>/describe")
    def describe(project_id: str, session_id: str, checkpoint: int) -> Response:
        session_id, _ = located(project_id, session_id)
        checkpoints.describe(session_id, checkpoint, request.form.get("description", ""))
        return to_page(project_id, session_id, f"checkpoint-{checkpoint}")

    @pages.post("/checkpoints/<int:checkpoint>/delete")
    def delete(project_id: str, session_id: str, checkpoint: int) -> Response:
        session_id, _ = located(project_id, session_id)
        checkpoints.get(session_id, checkpoint)
        checkpoints.remove(session_id, {checkpoint})
        log_act(current_identity(), "checkpoint.delete", session=session_id, number=checkpoint)
        return to_page(project_id, session_id)

    return pages
