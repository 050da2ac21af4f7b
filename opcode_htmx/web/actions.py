"""What a person tells Claude, as forms: prompt, answer, stop. They work without JavaScript.

Each checks its input, calls one verb, and answers a page with a redirect and htmx with the
elements that change at once; everything else comes over the socket.
"""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

from flask import Blueprint, make_response, redirect, render_template, request, url_for
from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response as BaseResponse

from ..claude import history, sessions
from ..claude.messages import PermissionRequest
from ..runs.run import Run
from ..runs.supervisor import CannotStart, Supervisor
from ..view.questions import questions_of
from .pages import Place, SessionLookup, new_page, shorten

MAX_PROMPT_CHARACTERS = 200_000
DENIED = "The user does not want to do this. Ask what to do instead."
NO_ANSWER = "The user does not want to answer. Go on without, or ask differently."


class BadForm(Exception):
    """A form that was not filled in as it should; the text says what is wrong."""


def blueprint(place: Place, supervisor: Supervisor, lookup: SessionLookup) -> Blueprint:
    actions = Blueprint("actions", __name__)

    @actions.post("/sessions")
    def start() -> BaseResponse:
        try:
            folder = sessions.working_folder_choice(
                request.form.get("folder", ""), tuple(place.project_roots) + _sample(place)
            )
            text = _prompt_text()
            session_id = _id_for("session_id", f"{folder}\0{text}")
            supervisor.prompt(session_id, folder, _id_for("prompt_id", text), text)
        except (sessions.InvalidFolder, BadForm, CannotStart) as error:
            # with what was typed, which would be gone otherwise
            status = 503 if isinstance(error, CannotStart) else 422
            return make_response(new_page(place, request.form, error=str(error)), status)
        return redirect(_session_url(folder, session_id), 303)

    @actions.post("/projects/<project_id>/sessions/<session_id>/prompt")
    def prompt(project_id: str, session_id: str) -> BaseResponse | str:
        folder = Path(lookup.folder(project_id, session_id))
        text = _prompt_text()
        supervisor.prompt(session_id, folder, _id_for("prompt_id", text), text)
        if _by_htmx():
            return render_template("sent.html", prompt_id=uuid.uuid4())
        return redirect(_session_url(folder, session_id), 303)

    @actions.post("/runs/<run_id>/stop")
    def stop(run_id: str) -> BaseResponse | str:
        run = supervisor.get(run_id)
        run.stop()
        return _done(run)

    @actions.post("/runs/<run_id>/asks/<request_id>")
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

    return actions


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


def _prompt_text() -> str:
    # A suggestion that was tapped comes behind the empty text field. Browsers send CR LF.
    texts = [text.replace("\r\n", "\n").strip() for text in request.form.getlist("prompt")]
    text = next(filter(None, reversed(texts)), "")
    if not text:
        raise BadForm("Write a prompt first.")
    if len(text) > MAX_PROMPT_CHARACTERS:
        raise BadForm(f"The prompt is longer than {MAX_PROMPT_CHARACTERS:,} characters.")
    return text


def _id_for(field: str, words: str) -> str:
    """The id for `words` sent with this form: sent twice they are one, changed they are others."""
    form_id = request.form.get(field, "")
    if not history.SESSION_ID.fullmatch(form_id):
        raise BadForm("This form is incomplete: reload the page and try again.")
    return str(uuid.uuid5(uuid.UUID(form_id), words))


def _sample(place: Place) -> tuple[Path, ...]:
    return (place.sample_project,) if place.sample_project else ()


def _session_url(folder: Path, session_id: str) -> str:
    project_id = history.project_id(folder)
    return url_for("pages.session", project_id=project_id, session_id=session_id, _anchor="end")


def _done(run: Run) -> BaseResponse | str:
    if _by_htmx():
        return render_template("flash.html", sentence="")
    back = url_for("pages.runs") if "runs" in request.args else None
    folder = Path(run.record.project_path)
    return redirect(back or _session_url(folder, run.record.session_id), 303)


def _by_htmx() -> bool:
    return request.headers.get("HX-Request") == "true"
