"""The prompt in a posted form: its text, and the ids that make it idempotent."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from pathlib import Path

from flask import request

from opcode_htmx.engines.claude.files import history
from opcode_htmx.runs.model.prompt_content import MAX_PROMPT_CHARACTERS
from opcode_htmx.runs.policies.working_folders import reference
from opcode_htmx.web.http.forms import BadForm, typed


def new_session_id(folder: Path, words: str) -> str:
    """The id of the session that the posted form begins; the same if sent twice. Raises BadForm."""
    return _id_for("session_id", f"{reference(folder)}\0{words}")


def prompt_id_of(words: str, tokens: Iterable[str]) -> str:
    """The id of the prompt that the posted form sends; the same if sent twice. Raises BadForm."""
    return _id_for("prompt_id", _with_files(words, tokens))


def prompt_id_of_form(form_id: str, words: str, tokens: Iterable[str]) -> str:
    """The id of a prompt as another form would send it; empty if there is no such form."""
    is_form = history.SESSION_ID.fullmatch(form_id)
    return _made_of(form_id, _with_files(words, tokens)) if is_form else ""


def words_of_form() -> str:
    """The prompt in the posted form. Raises BadForm."""
    # One of the prompts to try that was tapped is sent, and not what is still being written.
    fields = (request.form.get(name, "") for name in ("suggested", "prompt"))
    text = next(filter(None, (typed(each).strip() for each in fields)), "")
    if len(text) > MAX_PROMPT_CHARACTERS:
        raise BadForm(f"The prompt is longer than {MAX_PROMPT_CHARACTERS:,} characters.")
    return text


def _id_for(field: str, words: str) -> str:
    """The id for `words` in this form: the same if sent twice, another one if they were changed."""
    form_id = request.form.get(field, "")
    if not history.SESSION_ID.fullmatch(form_id):
        raise BadForm("This form is incomplete: reload the page and try again.")
    return _made_of(form_id, words)


def _with_files(words: str, tokens: Iterable[str]) -> str:
    return "\0".join((words, *tokens))


def _made_of(form_id: str, words: str) -> str:
    return str(uuid.uuid5(uuid.UUID(form_id), words))
