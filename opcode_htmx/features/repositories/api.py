"""/mgmt: clones and the worktrees of sessions, for programs."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from flask import Response
from werkzeug.exceptions import MethodNotAllowed

from opcode_htmx.features.repositories import schema
from opcode_htmx.lib.audit_log import log_act
from opcode_htmx.lib.git.login import Login, Typed, origin_of
from opcode_htmx.sessions.repositories.github import GitHubFailed, NoAccount
from opcode_htmx.sessions.repositories.logins import host_of
from opcode_htmx.sessions.repositories.services import RepositoryServices
from opcode_htmx.sessions.repositories.worktrees import WouldBeLost
from opcode_htmx.web.auth.gate import current_identity
from opcode_htmx.web.rest import envelope
from opcode_htmx.web.rest.endpoint import Endpoint

TAG = "Repositories"
PATIENCE_SECONDS = 25.0
_NONE = "There is none of this name."
_LOST = "Work would be lost, which `losses` names; or Claude works there, or it is being fetched."


class RepositoriesApi:
    """The endpoints for repositories and worktrees."""

    def __init__(self, services: RepositoryServices) -> None:
        self._services = services

    def endpoints(self) -> Iterable[Endpoint]:
        declared = partial(Endpoint, tag=TAG)
        yield declared(
            method="POST",
            path="/mgmt/repos/clone",
            summary="Clone a repository, in the background; one that is there is given",
            description="GET /mgmt/repos/{repo} reports its progress.",
            handler=self._clone,
            body=schema.CloneRequest,
            response=schema.RepositoryModel,
            status=202,
            refusals={409: "Another clone has its name, or it is being fetched in another way."},
        )
        for method in ("GET", "DELETE"):  # no repository has the name `clone`
            yield declared(
                method=method,
                path="/mgmt/repos/clone",
                summary="Says how to clone",
                handler=_refuse,
                refused="Send a POST.",
            )
        yield declared(
            method="GET",
            path="/mgmt/repos",
            summary="The clones, and those that are being made or have failed",
            handler=lambda: list(map(schema.RepositoryModel.of, self._services.repositories.all())),
            response=list[schema.RepositoryModel],
        )
        yield declared(
            method="GET",
            path="/mgmt/repos/{repo}",
            summary="One clone",
            handler=lambda repo: schema.RepositoryModel.of(self._services.repositories.get(repo)),
            response=schema.RepositoryModel,
            refusals={404: _NONE},
        )
        yield declared(
            method="POST",
            path="/mgmt/repos/{repo}/cancel",
            summary="Cancel a clone or a refresh; forget one that has failed",
            handler=self._cancel,
            response=None,
            refusals={404: _NONE},
        )
        yield declared(
            method="DELETE",
            path="/mgmt/repos/{repo}",
            summary="Delete a clone with its worktrees",
            handler=self._delete,
            query=schema.ForceQuery,
            response=None,
            refusals={404: _NONE, 409: _LOST},
        )
        yield declared(
            method="GET",
            path="/mgmt/github/repos",
            summary="Your repositories on GitHub, the last pushed first",
            handler=self._github,
            query=schema.GitHubQuery,
            response=list[schema.GitHubModel],
            refusals={409: "No account is set.", 502: "GitHub does not give the list."},
        )
        yield declared(
            method="POST",
            path="/mgmt/worktrees",
            summary="Make the worktree of a session; one that is there is given",
            handler=self._make,
            body=schema.WorktreeRequest,
            response=schema.WorktreeModel,
            refusals={404: "There is no clone of this name.", 409: "It cannot be made."},
        )
        yield declared(
            method="GET",
            path="/mgmt/worktrees",
            summary="The worktrees of sessions, the last used first",
            handler=lambda: list(map(schema.WorktreeModel.of, self._services.worktrees.all())),
            response=list[schema.WorktreeModel],
        )
        yield declared(
            method="DELETE",
            path="/mgmt/worktrees/{clone_worktree}",
            summary="Remove a worktree; its branch stays if it has commits of its own",
            handler=self._remove,
            query=schema.ForceQuery,
            response=None,
            refusals={404: _NONE, 409: _LOST},
        )

    def _clone(self, body: schema.CloneRequest) -> schema.RepositoryModel:
        repositories = self._services.repositories
        typed = None
        if body.login:
            origin = origin_of(repositories.address(body.text).text)
            typed = Typed(Login.typed(origin, body.login.user, body.login.password))
        found = repositories.clone(body.text, body.name, typed)
        if body.refresh and found.record:
            found = repositories.refresh(found.repo, typed)
        log_act(current_identity(), "repository.clone", repo=found.repo, login_for=host_of(typed))
        return schema.RepositoryModel.of(found)

    def _cancel(self, repo: str) -> None:
        self._services.repositories.cancel(repo)
        log_act(current_identity(), "repository.cancel", repo=repo)

    def _delete(self, repo: str, query: schema.ForceQuery) -> Response | None:
        try:
            self._services.repositories.delete(repo, force=query.force)
        except WouldBeLost as error:
            return refused(error)
        log_act(current_identity(), "repository.delete", repo=repo, force=query.force)
        return None

    def _github(self, query: schema.GitHubQuery) -> list[schema.GitHubModel]:
        if not self._services.github.is_known:
            raise NoAccount("Neither GITHUB_TOKEN nor GITHUB_USER is set.")
        found = self._services.github.get(PATIENCE_SECONDS)
        if found is None:
            raise GitHubFailed("GitHub is slow. Try again in a moment.")
        return list(map(schema.GitHubModel.of, found.matching(query.q)))

    def _make(self, body: schema.WorktreeRequest) -> schema.WorktreeModel:
        repositories, worktrees = self._services.repositories, self._services.worktrees
        repo = body.repo.strip().replace("/", "__", 1)
        made = worktrees.make(repo, body.session_id, body.base.strip())
        repositories.used(repo)
        log_act(current_identity(), "worktree.make", session=body.session_id, repo=repo)
        return schema.WorktreeModel.of(made)

    def _remove(self, clone_worktree: str, query: schema.ForceQuery) -> Response | None:
        name = self._services.places.existing_worktree(clone_worktree)
        try:
            self._services.worktrees.remove(name, force=query.force)
        except WouldBeLost as error:
            return refused(error)
        log_act(current_identity(), "worktree.remove", session=name.session_id, repo=name.repo)
        return None


def _refuse() -> Response:
    raise MethodNotAllowed(valid_methods=["POST"], description="Send a POST.")


def refused(error: WouldBeLost) -> Response:
    """409, with what would be lost beside the sentence."""
    return envelope.failure(str(error), 409, {"losses": list(error.losses)})
