"""What a person decides about a run, as forms: answers to what Claude asks, and Stop.

They work without JavaScript: a page gets a redirect, htmx the elements that change at once, and
everything else comes over the socket.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response as BaseResponse

from ..claude.messages import PermissionRequest
from ..runs.run import Run
from ..runs.supervisor import Supervisor
from ..view.questions import questions_of
from .forms import BadForm, by_htmx, session_url
from .pages import shorten

DENIED = "The user does not want to do this. Ask what to do instead."
NO_ANSWER = "The user does not want to answer. Go on without, or ask differently."


def blueprint(supervisor: Supervisor) -> Blueprint:
    decisions = Blueprint("decisions", __name__)

    @decisions.post("/runs/<run_id>/stop")
    def stop(run_id: str) -> BaseResponse | str:
        run = supervisor.get(run_id)
        run.stop()
        return _done(run)

    @decisions.post("/runs/<run_id>/asks/<request_id>")
    def answer(run_id: str, request_id: str) -> BaseResponse | str:
        run = supervisor.get(run_id)
        ask = run.open_ask(request_id)
        match request.form.get("decision"):
            case "allow":
                run.allow(request_id, answers_to(ask, request.form))
            case "deny":
                run.deny(request_id, NO_ANSWER if questions_of(ask, {}) else DENIED)
            case _:
                raise BadForm("Choose Allow or Deny.")
        return _done(run)

    return decisions


def answers_to(ask: PermissionRequest, form: MultiDict[str, str]) -> dict[str, Any]:
    """What is laid over the input of `ask`: for questions, the label or words for each.

    Raises BadForm when a question is left open.
    """
    answers = {}
    for number, question in enumerate(questions_of(ask, {})):
        name = f"q-{ask.request_id}-{number}"
        words = form.get(f"{name}-text", "").strip()
        chosen = [*form.getlist(name), *([words] if words else [])]
        if not chosen:
            raise BadForm(f"Choose an answer to “{shorten(question.text)}”.")
        answers[question.text] = ", ".join(chosen)
    return {"answers": answers} if answers else {}


def _done(run: Run) -> BaseResponse | str:
    if by_htmx():
        return render_template("flash.html", sentence="")
    back = url_for("pages.runs") if "runs" in request.args else None
    folder = Path(run.record.project_path)
    return redirect(back or session_url(folder, run.record.session_id), 303)
