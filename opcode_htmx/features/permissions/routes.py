"""Forms that answer Claude's permission requests and questions, and Stop.

They work without JavaScript: a page gets a redirect, htmx the elements that change immediately,
and everything else arrives over the socket.
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
from opcode_htmx.engines.messages import ElicitationRequest, PermissionRequest
from opcode_htmx.features.permissions import elicitations
from opcode_htmx.lib.coerce import Json
from opcode_htmx.rendering.asks.permissions import is_plan
from opcode_htmx.rendering.asks.questions import Question, questions_of
from opcode_htmx.rendering.element_ids import dom_id
from opcode_htmx.runs.control.run import Run
from opcode_htmx.runs.supervisor import Supervisor
from opcode_htmx.sessions.lookup import SessionLookup, shorten
from opcode_htmx.web.auth.gate import current_identity
from opcode_htmx.web.http.forms import BadForm, by_htmx, session_url, whole_number

MAX_REASON_CHARACTERS = 4000
SHOWN_SECONDS = 3.0
"""How long a page waits until the answer, or the end of the run, is on record."""
PLAN_MODES = ("default", "acceptEdits")
"""The modes in which an approved plan may be carried out."""


def blueprint(supervisor: Supervisor, lookup: SessionLookup) -> Blueprint:
    pages = Blueprint("permissions", __name__)

    @pages.post("/runs/<run_id>/stop")
    def stop(run_id: str) -> BaseResponse | str:
        run = supervisor.get(run_id)
        run.stop(by=current_identity())
        return _done(run)

    @pages.post("/runs/<run_id>/asks/<request_id>")
    def answer(run_id: str, request_id: str) -> BaseResponse | str:
        run = supervisor.get(run_id)
        ask, by = run.open_request(request_id), current_identity()
        if isinstance(ask, ElicitationRequest):
            location = lookup.locations.of_run(run)
            place = dom_id(request_id)
            back = session_url(location.claude_folder, location.session_id, place)
            return elicitations.answer(run, ask, back, by) or _done(run, request_id)
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
        return _done(run, request_id)

    def _done(run: Run, request_id: str = "") -> BaseResponse | str:
        if by_htmx():
            return render_template("alert.html", sentence="")
        lists = {"runs": "attention.runs", "home": "home.page"}
        back = next((url_for(lists[name]) for name in request.args if name in lists), None)
        # A page without a script that is loaded too early shows the request again, or “Stopping…”;
        # the lists follow what was answered, and have it already
        if back is None and request_id:
            run.wait_for_answer(request_id, SHOWN_SECONDS)
        elif not request_id and "follows" not in request.form:  # see run_rows.js
            run.join(SHOWN_SECONDS)
        location = lookup.locations.of_run(run)
        session_id = location.session_id
        place = lookup.place(session_id, but=request_id) if request_id else "end"
        return redirect(back or session_url(location.claude_folder, session_id, place), 303)

    return pages


def answers_to(ask: PermissionRequest, form: MultiDict[str, str]) -> dict[str, Any]:
    """Fields merged into the input of `ask`: for questions, the label or text for each, and notes.

    Raises BadForm when a question is unanswered, has no such choice, has another answer than one
    with the same words, or a note is too long.
    """
    answers, annotations = dict[str, str](), dict[str, dict[str, str]]()
    questions = questions_of(ask, {})
    for number, question in enumerate(questions):
        name = f"q-{ask.request_id}-{number}"
        words = form.get(f"{name}-text", "").replace("\r\n", "\n").strip()
        by_number = form.getlist(f"{name}-number")
        chosen = [_offered(question, label) for label in form.getlist(name)]
        chosen += [_label(question, number) for number in by_number]
        chosen += [words] if words else []
        if not chosen:
            which = f"question {number + 1} of {len(questions)}" if len(questions) > 1 else ""
            sentence = f"Choose an answer to {which or 'the question'}: “{shorten(question.text)}”."
            raise BadForm(sentence, which, f"asked-{dom_id(ask.request_id)}-{number}")
        answer = ", ".join(chosen)
        if answers.setdefault(question.text, answer) != answer:
            # Claude's answers have the words of questions as names; today's CLI asks none twice
            sentence = "Two of the questions have the same words, and Claude takes one answer for"
            place = f"asked-{dom_id(ask.request_id)}-{number}"
            raise BadForm(f"{sentence} both: answer them alike.", "answer them alike", place)
        if note := form.get(f"{name}-note", "").replace("\r\n", "\n").strip():
            if len(note) > MAX_REASON_CHARACTERS:
                raise BadForm(f"The note is longer than {MAX_REASON_CHARACTERS:,} characters.")
            before = annotations.get(question.text, {}).get("notes", "")
            annotations[question.text] = {"notes": f"{before}\n\n{note}" if before else note}
    fields = {"answers": answers, "annotations": annotations}
    return {name: value for name, value in fields.items() if value}


def _offered(question: Question, sent: str) -> str:
    """The label that a form has sent: a browser sends each end of a line in it as CR LF."""
    chosen = _with_plain_lines(sent)
    labels = (option.label for option in question.options)
    return next((label for label in labels if _with_plain_lines(label) == chosen), chosen)


def _with_plain_lines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _label(question: Question, number: str) -> str:
    chosen = whole_number(number)
    if chosen is None or chosen >= len(question.options):
        raise BadForm("Claude has not offered that: reload the page and choose again.")
    return question.options[chosen].label


def suggestion(ask: PermissionRequest, number: str) -> Json:
    """Claude's suggestion with this number; its content is never taken from the form."""
    chosen = whole_number(number)
    if chosen is None or chosen >= len(ask.suggestions):
        raise BadForm("Claude has not suggested that: reload the page and choose again.")
    return ask.suggestions[chosen]


def set_mode(mode: str) -> Json:
    """A change of a session's permission mode, in the form of Claude's suggestions."""
    return {"type": "setMode", "mode": mode, "destination": "session"}


def reason_for(ask: PermissionRequest, form: MultiDict[str, str]) -> str:
    """The reason sent to Claude with a denial: the person's text, if there is any."""
    words = form.get(f"reason-{ask.request_id}", "").replace("\r\n", "\n").strip()
    if len(words) > MAX_REASON_CHARACTERS:
        raise BadForm(f"The reason is longer than {MAX_REASON_CHARACTERS:,} characters.")
    if words:
        return words
    if is_plan(ask):
        return KEEP_PLANNING
    return NO_ANSWER if questions_of(ask, {}) else DENIED
