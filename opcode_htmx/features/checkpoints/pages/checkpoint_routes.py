"""The pages of one checkpoint: what it changes, the diff of a file, and what is done with it."""

from __future__ import annotations

from pathlib import Path

from flask import Blueprint, abort, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from opcode_htmx.features.checkpoints import forks, views, words
from opcode_htmx.features.checkpoints.pages.place import SessionPlace
from opcode_htmx.features.context import AppContext
from opcode_htmx.lib.audit_log import log_act
from opcode_htmx.lib.concurrency.cooperative import run_cpu_in_thread
from opcode_htmx.lib.git.snapshots import plan as plans
from opcode_htmx.markup.diff import number_width
from opcode_htmx.runs.policies.working_folders import reference
from opcode_htmx.sessions.checkpoints.trees import CheckpointRefused
from opcode_htmx.web.auth.gate import current_identity
from opcode_htmx.web.http.forms import BadForm, session_address


def add_to(pages: Blueprint, context: AppContext) -> None:
    sessions = context.sessions
    place, checkpoints = SessionPlace(sessions.lookup), sessions.checkpoints

    @pages.get("/checkpoints/<int:checkpoint>")
    def one(project_id: str, session_id: str, checkpoint: int) -> str:
        """What a restore would change now, and what changed up to this checkpoint."""
        session_id, _ = place.located(project_id, session_id)
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
        session_id, _ = place.located(project_id, session_id)
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
        session_id, _ = place.located(project_id, session_id)
        digest = request.form.get("digest", "")
        if not digest:
            raise BadForm("Look at what changes first.")
        checkpoints.restore(session_id, checkpoint, digest=digest, by=current_identity())
        context.runs.changes(session_id).notify()
        return place.to_page(project_id, session_id)

    @pages.post("/checkpoints/<int:checkpoint>/fork")
    def fork(project_id: str, session_id: str, checkpoint: int) -> Response:
        """A new session on the checkpoint's files, in a worktree."""
        session_id, _ = place.located(project_id, session_id)
        folder = sessions.lookup.folder(project_id, session_id)
        made = forks.fork(checkpoints, session_id, checkpoint, folder, current_identity())
        return redirect(url_for("new_session.new", folder=reference(made)), 303)

    @pages.post("/checkpoints/<int:checkpoint>/describe")
    def describe(project_id: str, session_id: str, checkpoint: int) -> Response:
        session_id, _ = place.located(project_id, session_id)
        checkpoints.describe(session_id, checkpoint, request.form.get("description", ""))
        return place.to_page(project_id, session_id, f"checkpoint-{checkpoint}")

    @pages.post("/checkpoints/<int:checkpoint>/delete")
    def delete(project_id: str, session_id: str, checkpoint: int) -> Response:
        session_id, _ = place.located(project_id, session_id)
        checkpoints.get(session_id, checkpoint)
        checkpoints.remove(session_id, {checkpoint})
        log_act(current_identity(), "checkpoint.delete", session=session_id, number=checkpoint)
        return place.to_page(project_id, session_id)
