"""The page on which a person decides about a project whose files would run something.

It stands between a prompt and the start of Claude. The prompt waits in the draft, and the decision
is followed by the POST that was interrupted.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from flask import (
    Blueprint,
    Flask,
    current_app,
    redirect,
    render_template,
    request,
    url_for,
)
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as BaseResponse

from ..claude.trust_items import Kind, TrustItem
from ..drafts import Draft, Drafts
from ..runs.supervisor import Supervisor
from ..runs.trust import TrustNeeded
from .beginning import Beginnings, address_of, draft_name
from .errors import respond
from .forms import BadForm, by_htmx, session_url
from .pages import SessionLookup
from .prompts import new_session_id, words_of_form

INTERRUPTED = frozenset({"composer.queued", "composer.send_as_text"})
"""The forms of a session that send a prompt which is no draft."""

HEADINGS = {
    Kind.HOOK: "Runs by itself",
    Kind.HELPER: "Runs by itself",
    Kind.SERVER: "Starts as an MCP server",
    Kind.SCHEDULE: "Prompts Claude by itself",
    Kind.PLUGIN: "Adds a plugin",
    Kind.COMMAND: "Runs in a command, skill or agent",
    Kind.ENVIRONMENT: "Sets an environment variable",
    Kind.PERMISSION: "Allows without asking",
    Kind.SETTING: "Changes a setting",
    Kind.UNREADABLE: "Cannot be shown",
}


def blueprint(
    beginnings: Beginnings, supervisor: Supervisor, lookup: SessionLookup, drafts: Drafts
) -> Blueprint:
    trust = Blueprint("trust", __name__)

    @trust.get("/new/trust")
    def new() -> BaseResponse | str:
        project_id = request.args.get("project", "")
        draft = drafts.get(draft_name(project_id))
        needed = supervisor.project_trust.needed(beginnings.folder(draft.folder))
        if needed is None:
            return redirect(address_of(project_id), 303)
        return _page(
            needed,
            draft,
            back=address_of(project_id),
            fields={
                "folder": draft.folder,
                "project": project_id,
                "session_id": request.args.get("session_id", ""),
                "prompt_id": request.args.get("prompt_id", ""),
            },
        )

    @trust.post("/new/trust")
    def decide_new() -> BaseResponse:
        folder = beginnings.folder(request.form.get("folder", ""))
        _decide(new_session_id(folder, words_of_form()), folder)
        return redirect(url_for("prompts.start"), 307)

    @trust.get("/projects/<project_id>/sessions/<session_id>/trust")
    def session(project_id: str, session_id: str) -> BaseResponse | str:
        place = lookup.at(project_id, session_id)
        needed = supervisor.project_trust.needed(place.working_folder)
        address = session_url(project_id, session_id)
        if needed is None:
            return redirect(address, 303)
        then = request.args.get("then", "")
        draft = Draft() if then else drafts.get(session_id)
        fields = {"then": then, "prompt_id": request.args.get("prompt_id", "")}
        return _page(needed, draft, back=address, fields=fields)

    @trust.post("/projects/<project_id>/sessions/<session_id>/trust")
    def decide(project_id: str, session_id: str) -> BaseResponse:
        place = lookup.at(project_id, session_id)
        then = request.form.get("then", "")
        if then and not _is_interrupted_form(then):
            raise BadForm("This form is incomplete: go back and send the prompt again.")
        _decide(place.session_id, place.working_folder)
        prompt = url_for("prompts.prompt", project_id=project_id, session_id=session_id)
        return redirect(then or prompt, 307)

    def _decide(session_id: str, folder: Path) -> None:
        match request.form.get("decision"):
            case "trust":
                supervisor.trust(session_id, folder, request.form.get("digest", ""))
            case "without":
                supervisor.work_without_project_settings(session_id)
            case _:
                raise BadForm("Choose whether to trust this project.")

    return trust


def register(app: Flask, lookup: SessionLookup) -> None:
    """Answer TrustNeeded: who has sent a form gets the page to decide on, a program the list."""

    def needed(error: TrustNeeded) -> BaseResponse:
        address = _page_for(error, lookup)
        if address is None:
            return respond(str(error), 409, {"trust": error.described()})
        if not by_htmx():
            return redirect(address, 303)
        response = respond(str(error), 409)  # no success: the composer keeps its words
        response.headers["HX-Redirect"] = address
        return response

    app.register_error_handler(TrustNeeded, needed)


def _page_for(error: TrustNeeded, lookup: SessionLookup) -> str | None:
    """Where a person decides about the form that was posted; None if it was no form of a page."""
    form, endpoint = request.form, request.endpoint
    prompt_id = form.get("prompt_id", "")
    if endpoint in ("prompts.start", "trust.decide_new"):
        session_id, project = form.get("session_id", ""), form.get("project", "")
        return url_for("trust.new", session_id=session_id, prompt_id=prompt_id, project=project)
    if endpoint in ("prompts.prompt", "trust.decide"):
        then = form.get("then", "")
        return url_for("trust.session", **(request.view_args or {}), prompt_id=prompt_id, then=then)
    if endpoint in INTERRUPTED:
        place = lookup.places.of(error.session_id)
        return url_for(
            "trust.session",
            project_id=place.claude_folder,
            session_id=place.session_id,
            then=request.path,
        )
    return None


def _is_interrupted_form(path: str) -> bool:
    try:
        endpoint, _ = current_app.url_map.bind("").match(path, method="POST")
    except HTTPException:
        return False
    return endpoint in INTERRUPTED


def _page(needed: TrustNeeded, draft: Draft, *, back: str, fields: dict[str, str]) -> str:
    return render_template(
        "trust.html",
        needed=needed,
        groups=_grouped(needed.items),
        draft=draft,
        back=back,
        fields=fields,
    )


def _grouped(items: Sequence[TrustItem]) -> list[tuple[str, list[TrustItem]]]:
    """The items under their headings, what runs by itself first."""
    groups: dict[str, list[TrustItem]] = {heading: [] for heading in HEADINGS.values()}
    for item in items:
        groups[HEADINGS[item.kind]].append(item)
    return [(heading, found) for heading, found in groups.items() if found]
