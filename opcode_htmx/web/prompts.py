"""What a person says to Claude, as forms: the first prompt of a session, and those that follow.

They work without JavaScript: a page gets a redirect, htmx the elements that change at once, and
everything else comes over the socket.
"""

from __future__ import annotations

import uuid
from pathlib import Path

from flask import Blueprint, make_response, redirect, render_template, request
from werkzeug.wrappers import Response as BaseResponse

from ..claude import history, sessions
from ..runs.supervisor import CannotStart, Supervisor
from .controls import BypassNotAllowed, choices
from .forms import BadForm, by_htmx, session_url
from .pages import Place, SessionLookup, new_page

MAX_PROMPT_CHARACTERS = 200_000


def blueprint(place: Place, supervisor: Supervisor, lookup: SessionLookup) -> Blueprint:
    prompts = Blueprint("prompts", __name__)

    @prompts.post("/sessions")
    def start() -> BaseResponse:
        try:
            folder = sessions.working_folder_choice(
                request.form.get("folder", ""), tuple(place.project_roots) + _sample(place)
            )
            text = _prompt_text()
            session_id = _id_for("session_id", f"{folder}\0{text}")
            chosen = choices(request.form, supervisor.choosing)
            supervisor.choosing.choose(session_id, **chosen)
            supervisor.prompt(session_id, folder, _id_for("prompt_id", text), text)
        except (sessions.InvalidFolder, BadForm, BypassNotAllowed, CannotStart) as error:
            # with what was typed, which would be gone otherwise
            status = {CannotStart: 503, BypassNotAllowed: 403}.get(type(error), 422)
            return make_response(new_page(place, request.form, error=str(error)), status)
        return redirect(session_url(folder, session_id), 303)

    @prompts.post("/projects/<project_id>/sessions/<session_id>/prompt")
    def prompt(project_id: str, session_id: str) -> BaseResponse | str:
        folder = Path(lookup.folder(project_id, session_id))
        text = _prompt_text()
        supervisor.prompt(session_id, folder, _id_for("prompt_id", text), text)
        if by_htmx():
            return render_template("sent.html", prompt_id=uuid.uuid4())
        return redirect(session_url(folder, session_id), 303)

    return prompts


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
