"""The page that goes back to before a prompt: first what changes, then the choice."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from opcode_htmx.features.checkpoints import history_end, views
from opcode_htmx.features.checkpoints.rewind import Rewind
from opcode_htmx.features.context import AppContext
from opcode_htmx.transcript.conversation import history_position
from opcode_htmx.web.auth.gate import current_identity
from opcode_htmx.web.http.forms import BadForm, block_url, session_address, session_url

PROMPT_CHARACTERS = 600


def blueprint(context: AppContext, rewind: Rewind) -> Blueprint:
    pages = Blueprint("rewind", __name__, url_prefix="/projects/<project_id>/sessions/<session_id>")
    lookup, checkpoints = context.sessions.lookup, context.sessions.checkpoints

    @pages.get("/rewind")
    def page(project_id: str, session_id: str) -> str:
        location = lookup.at(project_id, session_id)
        session_id = location.session_id
        block = rewind.prompt(project_id, session_id, request.args.get("prompt", ""))
        found: dict[str, Any] = {"changes": None, "digest": "", "refusal": ""}
        checkpoint = checkpoints.of_session_prompt(session_id, block.id)
        asked = rewind.asked(session_id, block.id) if checkpoint is None else None
        try:
            context.runs.starts.check_folder(location.working_folder)
            if checkpoint is not None:
                found.update(_preview(session_id, checkpoint.number))
                checkpoints.check_rest(Path(checkpoint.top))
            rewind.check_rest(session_id)
        except context.refusals as error:
            found["refusal"] = str(error)
        address = session_address(project_id, session_id)
        can_act = not found["refusal"]
        changes = found["changes"]
        by_claude = asked is not None and asked.can and bool(asked.files)
        return render_template(
            "checkpoints/rewind.html",
            **found,
            project_id=project_id,
            session_id=session_id,
            address=block_url(address, block, block),
            prompt=block.text[:PROMPT_CHARACTERS],
            prompt_id=block.id,
            checkpoint=checkpoint,
            checkpoint_address=checkpoint
            and url_for(
                "checkpoints.one",
                project_id=project_id,
                session_id=session_id,
                checkpoint=checkpoint.number,
            ),
            asked=asked,
            asked_files=_changed_later(asked.files, location.file) if asked else (),
            can_files=can_act and (by_claude or bool(changes and changes.count)),
            can_conversation=can_act and history_position.can_fork(block),
        )

    def _preview(session_id: str, number: int) -> dict[str, Any]:
        with checkpoints.preview(session_id, number) as preview:
            return {"changes": views.of_preview(preview), "digest": preview.digest}

    @pages.post("/rewind/look")
    def look(project_id: str, session_id: str) -> Response:
        """Ask Claude what it would put back: that may start its process."""
        location = lookup.at(project_id, session_id)
        block = rewind.prompt(project_id, session_id, request.form.get("prompt", ""))
        rewind.look(
            location.session_id,
            location.working_folder,
            block.id,
            time.time(),
            current_identity(),
        )
        return redirect(
            url_for(".page", project_id=project_id, session_id=session_id, prompt=block.id), 303
        )

    @pages.post("/rewind")
    def go(project_id: str, session_id: str) -> Response:
        location = lookup.at(project_id, session_id)
        session_id, folder = location.session_id, location.working_folder
        block = rewind.prompt(project_id, session_id, request.form.get("prompt", ""))
        what, means = request.form.get("what", ""), request.form.get("means", "")
        if what not in ("files", "conversation", "both"):
            raise BadForm("Choose what is to go back.")
        by = current_identity()
        if what != "conversation":
            if means == "checkpoint":
                digest = request.form.get("digest", "")
                rewind.files_by_checkpoint(session_id, block.id, digest, by)
            elif means == "claude":
                rewind.files_by_claude(session_id, folder, block.id, by)
            else:
                raise BadForm("Look at what changes first.")
        if what != "files":
            rewind.conversation(project_id, session_id, folder, block, by)
            return redirect(session_url(project_id, session_id), 303)
        context.runs.changes(session_id).notify()
        return redirect(
            url_for("checkpoints.page", project_id=project_id, session_id=session_id), 303
        )

    return pages


def _changed_later(files: tuple[str, ...], history: Path | None) -> list[tuple[str, bool]]:
    """Each path, and whether it was changed after the last that Claude has said or done."""
    last = history_end.last_words_at(history) if history else 0.0
    return [(path, bool(last) and _time_of(path) > last) for path in files]


def _time_of(path: str) -> float:
    try:
        return Path(path).lstat().st_mtime
    except (OSError, ValueError):
        return 0.0
