"""What a person decides about a run, as forms: answers to what Claude asks, and Stop.

They work without JavaScript: a page gets a redirect, htmx the elements that change at once, and
everything else comes over the socket.
"""

from __future__ import annotations

from typing import Any

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response as BaseResponse

from opcode_htmx.engines.claude.protocol.encoder import (
    DENIED,
    KEEP_PLANNING,
    NO_ANSWER,
)
from opcode_htmx.engines.messages import PermissionRequest
from opcode_htmx.lib.coerce import Json
from opcode_htmx.rendering.permissions import is_plan
from opcode_htmx.rendering.questions import questions_of
from opcode_htmx.runs.control.run import Run
from opcode_htmx.runs.supervisor import Supervisor
from opcode_htmx.sessions.lookup import SessionLookup, shorten
from opcode_htmx.web.auth.gate import current_identity
from opcode_htmx.web.http.forms import BadForm, by_htmx, session_url

MAX_REASON_CHARACTERS = 4000
PLAN_MODES = ("default", "acceptEdits")
"""In which a plan may be carried out."""


def blueprint(supervisor: Supervisor, lookup: SessionLookup) -> Blueprint:
    decisions = Blueprint("permissions", __name__)

    @decisions.post("/runs/<run_id>/stop")
    def stop(run_id: str) -> BaseResponse | str:
        run = supervisor.get(run_id)
        run.stop(by=current_identity())
        return _done(run)

    @decisions.post("/runs/<run_id>/asks/<request_id>")
    def answer(run_id: str, request_id: str) -> BaseResponse | str:
        run = supervisor.get(run_id)
        ask, by = run.open_ask(request_id), current_identity()
        match request.form.get("decision", "").split("-"):
            case ["allow"]:
                supervisor.allow(run, request_id, answers_to(ask, request.form), by=by)
            case ["always", number]:
                supervisor.allow(run, request_id, permissions=[suggestion(ask, number)], by=by)
            case ["approve", mode] if is_plan(ask) and mode in PLAN_MODES:
                supervisor.allow(run, request_id, permissions=[set_mode(mode)], by=by)
                supervisor.options.approved_plan(run.record.session_id, mode)
            case ["deny"]:
                run.deny(request_id, reason_for(ask, request.form), by=by)
            case _:
                raise BadForm("Choose Allow or Deny.")
        return _done(run)

    def _done(run: Run) -> BaseResponse | str:
        if by_htmx():
            return render_template("alert.html", sentence="")
        back = url_for("attention.runs") if "runs" in request.args else None
        place = lookup.locations.of_run(run)
        return redirect(back or session_url(place.claude_folder, place.session_id), 303)

    return decisions


def answers_to(ask: PermissionRequest, form: MultiDict[str, str]) -> dict[str, Any]:
    """What is laid over the input of `ask`: for questions, the label or words for each, and notes.

    Raises BadForm when a question is left open or a note is too long.
    """
    answers, annotations = {}, {}
    for number, question in enumerate(questions_of(ask, {})):
        name = f"q-{ask.request_id}-{number}"
        words = form.get(f"{name}-text", "").strip()
        chosen = [*form.getlist(name), *([words] if words else [])]
        if not chosen:
            raise BadForm(f"Choose an answer to “{shorten(question.text)}”.")
        answers[question.text] = ", ".join(chosen)
        if note := form.get(f"{name}-note", "").replace("\r\n", "\n").strip():
            if len(note) > MAX_REASON_CHARACTERS:
                raise BadForm(f"The note is longer than {MAX_REASON_CHARACTERS:,} characters.")
            annotations[question.text] = {"notes": note}
    found = {"answers": answers, "annotations": annotations}
    return {name: given for name, given in found.items() if given}


def suggestion(ask: PermissionRequest, number: str) -> Json:
    """The suggestion of Claude's with this number: the form names it, and says no more about it."""
    if not (number.isascii() and number.isdigit()) or int(number) >= len(ask.suggestions):
        raise BadForm("Claude has not suggested that: reload the page and choose again.")
    return ask.suggestions[int(number)]


def set_mode(mode: str) -> Json:
    """The mode in which a session goes on, as Claude writes such a suggestion."""
    return {"type": "setMode", "mode": mode, "destination": "session"}


def reason_for(ask: PermissionRequest, form: MultiDict[str, str]) -> str:
    """What Claude is told when it may not: the person's words, if there are any."""
    words = form.get(f"reason-{ask.request_id}", "").replace("\r\n", "\n").strip()
    if len(words) > MAX_REASON_CHARACTERS:
        raise BadForm(f"The reason is longer than {MAX_REASON_CHARACTERS:,} characters.")
    if words:
        return words
    if is_plan(ask):
        return KEEP_PLANNING
    return NO_ANSWER if questions_of(ask, {}) else DENIED
