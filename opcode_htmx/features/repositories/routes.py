"""The pages of repositories: the clones, one of them, those on GitHub, and what is done to them."""

from __future__ import annotations

import uuid

from flask import Blueprint, abort, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from opcode_htmx.engines.claude.files.sessions import SessionNotFound
from opcode_htmx.lib.audit_log import log_act
from opcode_htmx.lib.git.login import Typed, origin_of
from opcode_htmx.runs.policies.working_folders import reference
from opcode_htmx.sessions.locations import SessionLocations
from opcode_htmx.sessions.repositories.github import GitHubFailed
from opcode_htmx.sessions.repositories.job_files import Transfer
from opcode_htmx.sessions.repositories.logins import host_of, typed_in
from opcode_htmx.sessions.repositories.services import RepositoryServices
from opcode_htmx.sessions.repositories.worktrees import SessionFolder
from opcode_htmx.web.auth.gate import current_identity
from opcode_htmx.web.http.flash import flashed, redirect_with_notice
from opcode_htmx.web.http.forms import session_url

PATIENCE_SECONDS = 1.5
SIZE_SECONDS = 0.3
LISTED = 40
"""Repositories of GitHub that are on the page at once; a search finds the others."""
_LONGEST = 500


def blueprint(services: RepositoryServices, locations: SessionLocations) -> Blueprint:
    pages = Blueprint("repositories", __name__)
    _add_repositories(pages, services)
    _add_github(pages, services)
    _add_worktrees(pages, services, locations)
    pages.add_app_template_global(_is_shown, "shows_transfer")
    return pages


def _add_repositories(pages: Blueprint, services: RepositoryServices) -> None:
    repositories, worktrees, sizes = services.repositories, services.worktrees, services.sizes

    @pages.get("/repositories")
    def page() -> str:
        return render_template(
            "repositories/repositories.html",
            clones=repositories.all(),
            sizes=sizes.get(SIZE_SECONDS),
            github=services.github,
            notice=flashed(),
            typed=request.args.get("text", "")[:_LONGEST],
        )

    @pages.post("/repositories")
    def clone() -> Response:
        text = request.form.get("text", "")[:_LONGEST]
        found = repositories.clone(text, request.form.get("name", "")[:_LONGEST])
        log_act(current_identity(), "repository.clone", repo=found.repo)
        return redirect(url_for(".repository", repo=found.repo), 303)

    @pages.get("/repositories/<repo>")
    def repository(repo: str) -> str:
        found = repositories.get(repo)
        folders = [worktrees.get(name) for name in found.worktrees]
        return render_template(
            "repositories/repository.html",
            clone=found,
            worktrees=sorted(folders, key=lambda each: -each.used_at),
            sizes=sizes.get(SIZE_SECONDS),
            path=services.places.repo(repo),
        )

    @pages.post("/repositories/<repo>/<verb>")
    def act(repo: str, verb: str) -> Response:
        """Refresh, cancel or try again, with the login that the host has asked for."""
        typed = None
        if verb == "refresh":
            repositories.refresh(repo)
        elif verb == "again":
            typed = _typed(repositories.get(repo).url)
            repositories.try_again(repo, typed)
        elif verb == "cancel":
            repositories.cancel(repo)
        else:
            abort(404)
        log_act(current_identity(), f"repository.{verb}", repo=repo, login_for=host_of(typed))
        there = any(each.repo == repo for each in repositories.all())
        return redirect(url_for(".repository", repo=repo) if there else url_for(".page"), 303)

    @pages.get("/repositories/<repo>/delete")
    def ask_delete(repo: str) -> str:
        found = repositories.get(repo)
        losses = repositories.losses(repo) if found.record else ()
        return render_template("repositories/delete.html", clone=found, losses=losses)

    @pages.post("/repositories/<repo>/delete")
    def delete(repo: str) -> Response:
        force = request.form.get("force") == "1"
        repositories.delete(repo, force=force)
        log_act(current_identity(), "repository.delete", repo=repo, force=force)
        return redirect_with_notice(
            url_for(".page"), "repository-deleted", repo.replace("__", "/", 1)
        )


def _add_github(pages: Blueprint, services: RepositoryServices) -> None:
    @pages.get("/repositories/github")
    def github() -> str:
        words = request.args.get("q", "")[:200]
        problem, found = "", None
        try:
            found = services.github.get(PATIENCE_SECONDS)
        except GitHubFailed as error:
            problem = str(error)
        matching = found.matching(words) if found else []
        cloned = {each.repo.casefold() for each in services.repositories.all()}
        return render_template(
            "repositories/github.html",
            account=services.github,
            found=found,
            matching=matching[:LISTED],
            more=max(0, len(matching) - LISTED),
            words=words,
            problem=problem,
            is_cloned=lambda name: name.replace("/", "__", 1).casefold() in cloned,
        )

    @pages.post("/repositories/github/again")
    def ask_github() -> Response:
        services.github.expire()
        return redirect(url_for(".github"), 303)


def _add_worktrees(
    pages: Blueprint, services: RepositoryServices, locations: SessionLocations
) -> None:
    repositories, worktrees = services.repositories, services.worktrees

    @pages.post("/repositories/<repo>/session")
    def new_session(repo: str) -> Response:
        """Make a worktree for a new session, and show the form for its first prompt."""
        session_id = str(uuid.uuid4())
        base = request.form.get("base", "").strip()[:250]
        made = worktrees.make(repo, session_id, base)
        repositories.used(repo)
        log_act(current_identity(), "worktree.make", session=session_id, repo=repo)
        return redirect(
            url_for(
                "new_session.new",
                folder=reference(made.path),
                session=session_id,
                back=url_for(".repository", repo=repo),
            ),
            303,
        )

    @pages.get("/repositories/worktrees/<clone_worktree>/delete")
    def ask_remove(clone_worktree: str) -> str:
        name = services.places.existing_worktree(clone_worktree)
        return render_template(
            "repositories/remove.html", worktree=worktrees.get(name), loss=worktrees.loss(name)
        )

    @pages.post("/repositories/worktrees/<clone_worktree>/delete")
    def remove(clone_worktree: str) -> Response:
        name = services.places.existing_worktree(clone_worktree)
        worktrees.remove(name, force=request.form.get("force") == "1")
        log_act(current_identity(), "worktree.remove", session=name.session_id, repo=name.repo)
        return redirect(url_for(".repository", repo=name.repo), 303)

    def address_of(worktree: SessionFolder) -> str:
        """The address of the session of a worktree, or of the form for its first prompt.

        A session that a form begins has an id of its own, and only a program's that of the folder.
        """
        session_id = worktree.name.session_id
        try:
            location = locations.of(session_id)
        except SessionNotFound:
            known = locations.newest_in(worktree.path)
            if known is None:
                folder = reference(worktree.path)
                return url_for("new_session.new", folder=folder, session=session_id)
            location = known
        return session_url(location.claude_folder, location.session_id)

    pages.add_app_template_global(address_of)


def _is_shown(job: Transfer | None) -> bool:
    """Whether a page shows a transfer: one that goes on, or that did not come to its end."""
    return job is not None and (job.goes_on or job.can_be_tried_again)


def _typed(url: str) -> Typed | None:
    """The login for the host of an address that the form has. Raises InvalidLogin."""
    if not request.form.get("login_user") and not request.form.get("login_password"):
        return None
    return typed_in(request.form, origin_of(url))
