"""The page for deciding whether to trust a project whose files would run something.

It is shown between a prompt and the start of Claude. The prompt waits in the draft, and the
decision redirects to the POST that was interrupted.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlencode

from flask import (
    Blueprint,
    current_app,
    redirect,
    render_template,
    request,
    url_for,
)
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as BaseResponse

from opcode_htmx.engines.claude.files.folder_names import claude_folder
from opcode_htmx.engines.trust import TrustItem
from opcode_htmx.lib.concurrency.cooperative import run_cpu_in_thread
from opcode_htmx.runs.policies.project_trust import TrustNeeded
from opcode_htmx.runs.supervisor import Supervisor
from opcode_htmx.sessions.configuration import trust_items
from opcode_htmx.sessions.lookup import SessionLookup
from opcode_htmx.sessions.storage.drafts import Draft, Drafts, draft_name
from opcode_htmx.sessions.workspace import Workspace
from opcode_htmx.sessions.worktrees.service import SessionWorktrees
from opcode_htmx.web.auth.gate import current_identity
from opcode_htmx.web.auth.login import local_path
from opcode_htmx.web.http.errors import details_of, respond
from opcode_htmx.web.http.forms import (
    BadForm,
    by_htmx,
    new_session_address,
    session_url,
)
from opcode_htmx.web.http.prompt_form import (
    new_session_id,
    prompt_id_of,
    words_of_form,
)
from opcode_htmx.web.server import url_rules
from opcode_htmx.web.server.base_path import inner_path, own_path

TOO_MUCH = (
    "There is more than can be shown here, so this project cannot be trusted here. Look at its "
    "files and trust it at the computer, or start without its settings."
)
INTERRUPTED = frozenset({"sent_prompts.queued", "sent_prompts.send_as_text"})
"""The forms of a session that send a prompt that is not its draft."""


COPY = ("copy", "copy_base", "copy_branch")
"""The fields of a form that starts a session in a copy of its project."""


def blueprint(
    workspace: Workspace,
    supervisor: Supervisor,
    lookup: SessionLookup,
    drafts: Drafts,
    copies: SessionWorktrees,
) -> Blueprint:
    trust = Blueprint("project_trust", __name__)

    @trust.get("/new/trust")
    def new() -> BaseResponse | str:
        project_id = request.args.get("project", "")
        draft, address = drafts.get(draft_name(project_id)), new_session_address(project_id)
        if not (draft.text or draft.files):  # sent or removed meanwhile
            return redirect(address, 303)
        begun = copies.folder_of(request.args.get("in", ""))
        folder = begun or workspace.working_folder(draft.folder)
        needed = supervisor.project_trust.needed(folder)
        if needed is None:
            return redirect(address, 303)
        ids = {name: request.args.get(name, "") for name in ("session_id", "prompt_id")}
        ids |= {name: request.args[name] for name in COPY if name in request.args}
        fields = {"folder": draft.folder, "project": project_id, **ids}
        return _page(needed, draft, back=address, fields=fields)

    @trust.post("/new/trust")
    def decide_new() -> BaseResponse:
        folder = workspace.working_folder(request.form.get("folder", ""))
        words = words_of_form()
        if not (prompt_id := _prompt_id(words)):
            return redirect(new_session_address(request.form.get("project", "")), 303)
        session_id = new_session_id(folder, words)
        folder = copies.folder_of(session_id) or folder
        if supervisor.starts.has_sent(session_id, prompt_id):
            return redirect(session_url(claude_folder(folder), session_id), 303)
        _decide(session_id, folder)
        return redirect(url_for("prompts.start"), 307)

    @trust.get("/projects/<project_id>/sessions/<session_id>/trust")
    def session(project_id: str, session_id: str) -> BaseResponse | str:
        location = lookup.at(project_id, session_id)
        address, then = session_url(project_id, session_id), request.args.get("then", "")
        draft = Draft() if then else drafts.get(session_id)
        if not (then or draft.text or draft.files):  # sent or removed meanwhile
            return redirect(address, 303)
        needed = supervisor.project_trust.needed(location.working_folder)
        if needed is None:
            return redirect(address, 303)
        fields = {"then": then, "prompt_id": request.args.get("prompt_id", "")}
        return _page(needed, draft, back=address, fields=fields)

    @trust.post("/projects/<project_id>/sessions/<session_id>/trust")
    def decide(project_id: str, session_id: str) -> BaseResponse:
        location, then = lookup.at(project_id, session_id), request.form.get("then", "")
        if then and not _is_interrupted_form(then):
            raise BadForm("This form is incomplete: go back and send the prompt again.")
        prompt_id = "" if then else _prompt_id(words_of_form())
        if not then and (not prompt_id or supervisor.starts.has_sent(session_id, prompt_id)):
            return redirect(session_url(project_id, session_id), 303)
        _decide(location.session_id, location.working_folder)
        prompt = url_for("prompts.prompt", project_id=project_id, session_id=session_id)
        return redirect(then or prompt, 307)

    def _decide(session_id: str, folder: Path) -> None:
        match request.form.get("decision"):
            case "trust":
                needed = supervisor.project_trust.needed(folder)
                if needed and _is_hiding(needed.items):
                    raise BadForm(TOO_MUCH)
                digest, by = request.form.get("digest", ""), current_identity()
                supervisor.trust(session_id, folder, digest, by=by)
            case "without":
                supervisor.work_without_project_settings(session_id, by=current_identity())
            case _:
                raise BadForm("Choose whether to trust this project.")

    _handle_trust_needed(trust, lookup)
    return trust


def _handle_trust_needed(trust: Blueprint, lookup: SessionLookup) -> None:
    """Answer TrustNeeded wherever it is raised: redirect forms, send programs the list."""

    @trust.app_errorhandler(TrustNeeded)
    def needed(error: TrustNeeded) -> BaseResponse:
        address = _page_for(error, lookup)
        if address is None:
            return respond(str(error), 409, details_of(error))
        if not by_htmx():
            return redirect(address, 303)
        response = respond(str(error), 409)  # an error status, so the composer keeps its text
        response.headers["HX-Redirect"] = address
        return response


def _page_for(error: TrustNeeded, lookup: SessionLookup) -> str | None:
    """The address of the trust page for the posted form; None for a request of no page's form."""
    form, endpoint = request.form, request.endpoint
    prompt_id = form.get("prompt_id", "")
    changed = "1" if endpoint in ("project_trust.decide", "project_trust.decide_new") else ""
    if endpoint in ("prompts.start", "project_trust.decide_new"):
        session_id, project = form.get("session_id", ""), form.get("project", "")
        ids = {"session_id": session_id, "prompt_id": prompt_id, "changed": changed}
        ids |= {name: form[name] for name in COPY if form.get(name)}
        query = urlencode({**ids, "in": error.session_id, "project": project})
        return f"{url_for('project_trust.new')}?{query}"
    if endpoint in ("prompts.prompt", "project_trust.decide"):
        then = form.get("then", "")
        query = urlencode({"prompt_id": prompt_id, "then": then, "changed": changed})
        return f"{url_for('project_trust.session', **(request.view_args or {}))}?{query}"
    if endpoint in INTERRUPTED:
        location = lookup.locations.of(error.session_id)
        return url_for(
            "project_trust.session",
            project_id=location.claude_folder,
            session_id=location.session_id,
            then=own_path(),
        )
    return None


def _prompt_id(words: str) -> str:
    """The id of the prompt in the posted form; empty if it holds none, as a stale form may."""
    tokens = list(dict.fromkeys(request.form.getlist("attached")))
    return prompt_id_of(words, tokens) if words or tokens else ""


def _is_interrupted_form(path: str) -> bool:
    if local_path(path) != path:  # the router would read "//host/…" as a path
        return False
    inner = inner_path(path)
    if inner is None:
        return False
    try:
        endpoint, _ = url_rules.route_at(current_app.url_map, inner, "POST")
    except HTTPException:
        return False
    return endpoint in INTERRUPTED


def _page(needed: TrustNeeded, draft: Draft, *, back: str, fields: dict[str, str]) -> str:
    groups = trust_items.grouped(needed.items)
    shown = run_cpu_in_thread(trust_items.shown, needed.folder, groups)
    return render_template(
        "project_trust/trust.html",
        needed=needed,
        groups=shown,
        hidden=TOO_MUCH if _is_hiding(needed.items) else "",
        counts=" · ".join(f"{heading}: {len(items)}" for heading, items in groups.items()),
        draft=draft,
        back=back,
        fields=fields,
        changed=bool(request.args.get("changed")),
    )


def _is_hiding(items: Sequence[TrustItem]) -> bool:
    """Whether the page leaves something out, so that a person cannot judge it."""
    size = sum(len(item.text) for item in items)
    return size > trust_items.MOST_CHARACTERS or any(item.left_out for item in items)
