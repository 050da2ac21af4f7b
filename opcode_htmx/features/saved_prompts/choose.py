"""The list that a prompt is chosen from for a composer: a page, and a sheet over the composer.

The sheet shows the same list and inserts by a script. Without one, the text that was typed is kept
in the draft on the way here, and what is chosen comes below it. Nothing is ever sent by it.
"""

from __future__ import annotations

from collections.abc import Iterable

from flask import Blueprint, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from opcode_htmx.features.saved_prompts.composers import Composer, Composers
from opcode_htmx.features.saved_prompts.earlier_prompts import EarlierPrompt, EarlierPrompts
from opcode_htmx.features.saved_prompts.service import (
    TITLE_CHARACTERS,
    PromptLibrary,
    PromptRefused,
    SavedPrompt,
    matches,
    words_of,
)
from opcode_htmx.lib.audit_log import log_act
from opcode_htmx.lib.formatting import one_line
from opcode_htmx.runs.supervisor import Supervisor
from opcode_htmx.sessions.folder_labels import name_of
from opcode_htmx.sessions.storage import uploads
from opcode_htmx.sessions.storage.drafts import Drafts, DraftTooLarge
from opcode_htmx.sessions.workspace import Workspace
from opcode_htmx.web.auth.gate import current_identity
from opcode_htmx.web.http.forms import BadForm, by_htmx, typed
from opcode_htmx.web.http.request_body import accepts_up_to

MOST_EARLIER = 40
MOST_CHARACTERS = 200_000
"""Of all texts in one list: each is there in whole, to be inserted without another request."""
QUERY_CHARACTERS = 200


def blueprint(
    library: PromptLibrary,
    earlier: EarlierPrompts,
    composers: Composers,
    workspace: Workspace,
    drafts: Drafts,
    supervisor: Supervisor,
) -> Blueprint:
    pages = Blueprint("saved_prompts_choice", __name__)

    @pages.get("/prompts/choose")
    def choose() -> str:
        return _list(composers.of(request.args), request.args.get("q", "")[:QUERY_CHARACTERS])

    @pages.post("/prompts/open")
    @accepts_up_to(uploads.MAX_REQUEST)
    def open_list() -> Response:
        """Keep what a composer without scripts holds, and show the list."""
        composer = composers.of(request.form)
        form_id = request.form.get("prompt_id", "")
        folder = None if composer.session_id else composer.reference
        words = typed(request.form.get("prompt", ""))
        too_long = ""
        try:
            drafts.save_text(composer.draft, words, form=form_id, folder=folder)
        except DraftTooLarge as error:
            too_long = str(error)
        try:
            uploads.keep(drafts, composer.draft, request.files.getlist("files"))
        except (uploads.FileTooLarge, uploads.FileEmpty) as error:
            raise BadForm(str(error)) from error
        _changed(composer)
        if too_long:
            page = render_template(
                "saved_prompts/too_long.html",
                composer=composer,
                words=words,
                prompt_id=form_id,
                error=too_long,
            )
            return make_response(page, 413)
        return redirect(url_for(".choose", to=composer.address, folder=composer.reference), 303)

    @pages.post("/prompts/choose")
    def insert() -> Response | tuple[str, int]:
        """Add the chosen text to the draft, and lead back to the composer."""
        composer = composers.of(request.form)
        before = drafts.get(composer.draft).text.rstrip()
        chosen = typed(request.form.get("text", ""))
        try:
            drafts.save_text(composer.draft, "\n\n".join(filter(None, (before, chosen))))
        except DraftTooLarge as error:  # what was there before stays
            return _list(composer, error=f"Not inserted. {error}"), 413
        _changed(composer)
        return redirect(f"{composer.address}#prompt", 303)

    @pages.post("/prompts/keep")
    def keep() -> Response | str | tuple[str, int]:
        """Save the text of the composer as a prompt."""
        composer, by = composers.of(request.form), current_identity()
        text = typed(request.form.get("text", ""))
        folder = composer.reference if "for_project" in request.form else ""
        try:
            saved = library.add(by.user, text, folder=folder)
        except PromptRefused as error:
            return _list(composer, error=str(error)), 422
        log_act(by, "prompt.save", prompt=saved.id)
        if by_htmx():
            return _list(composer, notice="Saved.")
        return redirect(url_for(".choose", to=composer.address, folder=composer.reference), 303)

    def _list(composer: Composer, query: str = "", *, notice: str = "", error: str = "") -> str:
        words = words_of(query)
        saved = library.of_project(current_identity().user, composer.reference)
        found = [each for each in saved if matches(words, each.name, each.text)]
        here, elsewhere = earlier.find(composer.folder, query, MOST_EARLIER)
        shown, is_cut = _within_limit((*found, *here, *elsewhere))
        draft = drafts.get(composer.draft).text.strip()
        return render_template(
            "saved_prompts/sheet.html" if by_htmx() else "saved_prompts/choose.html",
            composer=composer,
            project=name_of(composer.folder, workspace) if composer.folder else "",
            query=query,
            saved=[each for each in found if each in shown],
            earlier=[each for each in here if each in shown],
            elsewhere=[each for each in elsewhere if each in shown],
            is_cut=is_cut,
            has_saved=bool(saved),
            draft="" if draft in {each.text for each in saved} else draft,
            draft_words=one_line(draft[: 2 * TITLE_CHARACTERS], TITLE_CHARACTERS),
            notice=notice,
            error=error,
        )

    def _changed(composer: Composer) -> None:
        if composer.session_id:
            supervisor.changes(composer.session_id).notify()

    return pages


def _within_limit(
    prompts: Iterable[SavedPrompt | EarlierPrompt],
) -> tuple[set[SavedPrompt | EarlierPrompt], bool]:
    """The first prompts that have MOST_CHARACTERS together, and whether there are more."""
    shown, left = set[SavedPrompt | EarlierPrompt](), MOST_CHARACTERS
    for each in prompts:
        left -= len(each.text)
        if left < 0:
            return shown, True
        shown.add(each)
    return shown, False
