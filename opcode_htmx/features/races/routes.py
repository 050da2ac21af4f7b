"""The pages of races: begin one, the list, one of them, and its end."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from flask import Blueprint, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from opcode_htmx.features.races.race_form import LONGEST_FOLDER, RaceForm
from opcode_htmx.features.races.records import RaceRefused
from opcode_htmx.features.races.views import RacePages
from opcode_htmx.lib.files.disk_space import DiskFull
from opcode_htmx.lib.git.integration.merges import CannotMerge, Way
from opcode_htmx.runs.budgets.book import BudgetReached
from opcode_htmx.runs.model.permission_updates import BypassNotAllowed
from opcode_htmx.runs.policies.project_trust import TrustNeeded
from opcode_htmx.runs.policies.working_folders import InvalidFolder
from opcode_htmx.sessions.storage.drafts import draft_name
from opcode_htmx.sessions.submit import InvalidPrompt
from opcode_htmx.sessions.worktrees.endings import CopyFailed, CopyInUse, Merge
from opcode_htmx.web.auth.gate import current_identity
from opcode_htmx.web.http.flash import flashed, redirect_with_notice
from opcode_htmx.web.http.forms import BadForm, typed

LONGEST_IN_ADDRESS = 1000
DRAFT = draft_name("~race")
"""The name of the draft in which a prompt waits for its race."""
REFUSALS = (
    RaceRefused,
    InvalidPrompt,
    InvalidFolder,
    BypassNotAllowed,
    BudgetReached,
    TrustNeeded,
    DiskFull,
    BadForm,
)
NOT_MERGED = (CannotMerge, CopyInUse, CopyFailed, RaceRefused)


def blueprint(parts: RacePages) -> Blueprint:
    pages = Blueprint("races", __name__)
    context, races, runner, endings = parts.context, parts.races, parts.runner, parts.endings
    drafts, forms = context.sessions.drafts, RaceForm(context.workspace, context.sessions.options)

    @pages.app_template_global("races_offered")
    def offered() -> bool:
        return True

    @pages.get("/races")
    def page() -> str:
        rows = [(each, parts.project_of(each), parts.words(each)) for each in parts.newest_first()]
        return render_template("races/races.html", rows=rows, notice=flashed())

    @pages.post("/races/new/compose")
    def compose() -> BaseResponse:
        """Keep the prompt of the form for a new session, and show the form of a race."""
        form = request.form
        folder = form.get("folder", "")[:LONGEST_FOLDER]
        words = typed(form.get("prompt", ""))
        if words.strip():
            drafts.save_text(DRAFT, words, folder=folder)
        kept: dict[str, Any] = {"base": form.get("copy_base", "").strip()[:200] or None}
        if len(quote(folder)) < LONGEST_IN_ADDRESS:
            kept["folder"] = folder or None
        return redirect(url_for(".new", **kept), 303)

    @pages.get("/races/new")
    def new() -> str:
        draft = drafts.get(DRAFT)
        fields = {
            "prompt": draft.text,
            "folder": request.args.get("folder", draft.folder or ""),
            "base": request.args.get("base", ""),
        }
        return forms.page(fields)

    @pages.post("/races")
    def begin() -> BaseResponse:
        try:
            race = runner.begin(forms.wanted(), by=current_identity())
        except REFUSALS as error:
            needed = isinstance(error, TrustNeeded)
            return make_response(
                forms.page(request.form, str(error), needed=needed), 409 if needed else 422
            )
        if drafts.get(DRAFT).text.strip() == race.prompt:
            drafts.save_text(DRAFT, "")
        return redirect(url_for(".race", race_id=race.id), 303)

    @pages.get("/races/<race_id>")
    def race(race_id: str) -> str:
        return render_template(
            "races/race.html", view=parts.view(races.get(race_id)), notice=flashed()
        )

    @pages.post("/races/<race_id>/stop")
    def stop(race_id: str) -> BaseResponse:
        endings.stop_all(races.get(race_id), by=current_identity())
        return redirect(url_for(".race", race_id=race_id), 303)

    @pages.post("/races/<race_id>/again/<contestant>")
    def again(race_id: str, contestant: str) -> BaseResponse:
        runner.again(races.get(race_id), contestant, by=current_identity())
        return redirect(url_for(".race", race_id=race_id), 303)

    @pages.get("/races/<race_id>/win/<contestant>")
    def choose(race_id: str, contestant: str) -> str:
        """What would be merged, and what would go; nothing is done yet."""
        return _win_page(race_id, contestant)

    def _win_page(race_id: str, key: str, error: str = "") -> str:
        found = races.get(race_id)
        found.contestant(key)
        view = parts.view(found)
        return render_template(
            "races/win.html",
            view=view,
            winner=next(each for each in view.contestants if each.contestant.key == key),
            ways=list(Way),
            chosen=request.form.get("way", Way.SQUASH),
            message=request.form.get("message", found.prompt[:500]),
            error=error,
        )

    @pages.post("/races/<race_id>/win/<contestant>")
    def win(race_id: str, contestant: str) -> BaseResponse:
        found, form = races.get(race_id), request.form
        if form.get("way") not in {str(each) for each in Way}:
            raise BadForm("Choose how to merge.")
        merge = Merge(Way(form["way"]), typed(form.get("message", "")), commit=True)
        try:
            endings.win(found, contestant, merge, by=current_identity())
        except NOT_MERGED as error:
            return make_response(_win_page(race_id, contestant, str(error)), 409)
        return redirect_with_notice(url_for(".race", race_id=race_id), "race-won", found.base)

    @pages.post("/races/<race_id>/drop")
    def drop(race_id: str) -> BaseResponse:
        endings.drop(races.get(race_id), by=current_identity())
        return redirect_with_notice(url_for(".page"), "race-dropped")

    return pages
