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
from ..drafts import Drafts, TooMuch
from ..runs.run import RunNotLive
from ..runs.starting import CannotStart
from ..runs.supervisor import Supervisor
from . import attachments
from .controls import BypassNotAllowed, choices
from .forms import BadForm, by_htmx, session_url, typed
from .pages import Place, SessionLookup, new_page

MAX_PROMPT_CHARACTERS = 200_000


def blueprint(
    place: Place, supervisor: Supervisor, lookup: SessionLookup, drafts: Drafts
) -> Blueprint:
    prompts = Blueprint("prompts", __name__)

    @prompts.post("/sessions")
    def start() -> BaseResponse:
        try:
            folder = sessions.working_folder_choice(
                request.form.get("folder", ""), tuple(place.project_roots) + _sample(place)
            )
            words = _words()
            session_id = _id_for("session_id", f"{folder}\0{words}")
            chosen = choices(request.form, supervisor.choosing)
            supervisor.choosing.choose(session_id, **chosen)
            _send(session_id, folder, words)
        except (sessions.InvalidFolder, BadForm, BypassNotAllowed, CannotStart, TooMuch) as error:
            # with what was typed, which would be gone otherwise
            status = {CannotStart: 503, BypassNotAllowed: 403}.get(type(error), 422)
            return make_response(new_page(place, request.form, error=str(error)), status)
        return redirect(session_url(folder, session_id), 303)

    @prompts.post("/projects/<project_id>/sessions/<session_id>/prompt")
    def prompt(project_id: str, session_id: str) -> BaseResponse | str:
        folder = Path(lookup.folder(project_id, session_id))
        _send(session_id, folder, _words())
        supervisor.changes(session_id).notify()
        address = session_url(folder, session_id)
        if by_htmx():
            return render_template(
                "sent.html",
                prompt_id=uuid.uuid4(),
                draft=drafts.get(session_id),
                address=address.partition("#")[0],
            )
        return redirect(address, 303)

    def _send(session_id: str, folder: Path, words: str) -> None:
        """Send words and files; what could not be sent stays in the draft."""
        form_id = request.form.get("prompt_id", "")
        kept = attachments.keep(drafts, session_id, request.files.getlist("files"))
        tokens = dict.fromkeys([*request.form.getlist("attached"), *(file.token for file in kept)])
        if not words and not tokens:
            raise BadForm("Write a prompt first.")
        prompt_id = _id_for("prompt_id", "\0".join((words, *tokens)))
        there = {file.token: file for file in drafts.get(session_id).files}
        files = [there[token] for token in tokens if token in there]
        if not supervisor.has_sent(session_id, prompt_id):
            try:
                if len(files) < len(tokens):
                    raise BadForm("A file of this prompt is no longer there. Look and send again.")
                place = supervisor.attached(session_id) / prompt_id
                paths = attachments.hand_over(drafts, session_id, files, place)
                images = attachments.images_of(drafts, session_id, files)
                text = attachments.with_paths(words, paths)
                supervisor.prompt(session_id, folder, prompt_id, text, images)
            except (CannotStart, RunNotLive, BadForm):
                drafts.save_text(session_id, words, form=form_id)
                raise
        drafts.sent(session_id, words, form_id, files)

    return prompts


def _words() -> str:
    # A suggestion that was tapped comes behind the empty text field.
    texts = [typed(text).strip() for text in request.form.getlist("prompt")]
    text = next(filter(None, reversed(texts)), "")
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
