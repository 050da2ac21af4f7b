"""/api/projects/{project_id}/git: what the pages do, for programs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial, wraps
from typing import Literal, ParamSpec, TypeVar

from flask import url_for

from opcode_htmx.features.commits import schema
from opcode_htmx.features.commits.acts import Act
from opcode_htmx.features.commits.changes import Done, Selection
from opcode_htmx.features.commits.history import CommitForm
from opcode_htmx.features.commits.pages.common import log
from opcode_htmx.features.commits.projects import Answer
from opcode_htmx.features.commits.services import Services
from opcode_htmx.lib.concurrency.cooperative import yielding
from opcode_htmx.lib.git.commands import programs, state, words
from opcode_htmx.lib.git.listing.program import Program, Programs
from opcode_htmx.lib.git.login import Login, Typed
from opcode_htmx.lib.git.process import GitFailed
from opcode_htmx.sessions.repositories.logins import host_of
from opcode_htmx.web.rest.endpoint import Endpoint

P = ParamSpec("P")
T = TypeVar("T")
TAG = "Git"
BASE = "/api/projects/{project_id}/git"
MOST_LISTED = 10_000
"""Files that are named; a hundred thousand would take seconds."""
_NO_PROJECT = {404: "There is no such project, or it has no repository."}
_CONFLICT = {
    **_NO_PROJECT,
    409: "Something has changed since it was shown, git refused, or programs have to be confirmed.",
}
_ACT = {**_CONFLICT, 404: "There is no such project or act."}


class GitApi:
    """The endpoints."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def endpoints(self) -> Iterable[Endpoint]:
        get, post = (
            partial(Endpoint, method="GET", tag=TAG),
            partial(Endpoint, method="POST", tag=TAG, refusals=_CONFLICT),
        )
        yield get(path=BASE, summary="The state of a repository", handler=_worded(self.state),
                  response=schema.GitState, refusals=_CONFLICT)  # fmt: skip
        yield get(path=f"{BASE}/programs", summary="What a command would run",
                  handler=_worded(self.programs), query=schema.ProgramsQuery,
                  response=schema.RunPrograms, refusals=_CONFLICT)  # fmt: skip
        for verb, summary, handler in (
            ("stage", "Stage files, hunks or lines", self.stage),
            ("unstage", "Unstage files, hunks or lines", self.unstage),
            ("discard", "Discard files, hunks or lines, kept for 7 days", self.discard),
        ):
            yield post(path=f"{BASE}/{verb}", summary=summary, handler=_worded(handler),
                       body=schema.StageRequest, response=schema.GitDone)  # fmt: skip
        yield post(path=f"{BASE}/kept/{{kept_id}}", summary="Bring back what was discarded",
                   handler=_worded(self.bring_back), response=schema.GitDone)  # fmt: skip
        yield post(path=f"{BASE}/commit", summary="Commit what is staged, or amend",
                   handler=_worded(self.commit), body=schema.CommitRequest,
                   response=schema.GitAct)  # fmt: skip
        yield get(path=f"{BASE}/branches", summary="The branches",
                  handler=_worded(self.branches), response=list[schema.GitBranch],
                  refusals=_CONFLICT)  # fmt: skip
        yield post(path=f"{BASE}/branches", summary="Make a branch, and switch to it",
                   handler=_worded(self.create), body=schema.BranchRequest,
                   response=schema.GitAct)  # fmt: skip
        yield post(path=f"{BASE}/switch", summary="Switch to a branch",
                   handler=_worded(self.switch), body=schema.BranchRequest,
                   response=schema.GitAct)  # fmt: skip
        yield get(path=f"{BASE}/push", summary="What a push would do",
                  handler=_worded(self.push_plan), query=schema.PushQuery,
                  response=schema.GitPushPlan, refusals=_CONFLICT)  # fmt: skip
        yield post(path=f"{BASE}/push", summary="Push", handler=_worded(self.push),
                   body=schema.PushRequest, response=schema.GitAct)  # fmt: skip
        yield get(path=f"{BASE}/acts/{{act_id}}", summary="What becomes of a command",
                  handler=self.act, response=schema.GitAct, refusals=_ACT)  # fmt: skip
        yield post(path=f"{BASE}/acts/{{act_id}}/cancel", summary="Cancel a command",
                   handler=self.cancel, response=schema.GitAct)  # fmt: skip

    def state(self, project_id: str) -> schema.GitState:
        found = state.read(self._services.projects.open(project_id))
        return schema.GitState(
            head=found.head,
            branch=found.branch,
            upstream=found.upstream,
            ahead=found.ahead,
            behind=found.behind,
            operation=found.operation,
            files=[
                schema.ChangedFile(
                    path=_shown(each.path),
                    staged=each.staged,
                    unstaged=each.unstaged,
                    origin=_shown(each.origin or b""),
                    conflict=each.is_conflict,
                )
                for each in yielding(found.entries[:MOST_LISTED])
            ],
            truncated=found.is_cut or len(found.entries) > MOST_LISTED,
            staged_digest=state.staged_digest(found),
        )

    def programs(self, project_id: str, query: schema.ProgramsQuery) -> schema.RunPrograms:
        found = programs.of(self._services.projects.open(project_id), query.act)
        return schema.RunPrograms(programs=_programs(found), digest=found.digest)

    def stage(self, project_id: str, body: schema.StageRequest) -> schema.GitDone:
        done = self._services.changes.stage(project_id, _selection(body), _answer(body))
        log("stage", project_id, files=len(body.paths))
        return _done(done)

    def unstage(self, project_id: str, body: schema.StageRequest) -> schema.GitDone:
        done = self._services.changes.unstage(project_id, _selection(body))
        log("unstage", project_id, files=len(body.paths))
        return _done(done)

    def discard(self, project_id: str, body: schema.StageRequest) -> schema.GitDone:
        done = self._services.changes.discard(project_id, _selection(body), _answer(body))
        log("discard", project_id, files=len(body.paths), kept=done.kept_id)
        return _done(done)

    def bring_back(self, project_id: str, kept_id: str) -> schema.GitDone:
        done = self._services.changes.bring_back(project_id, kept_id)
        log("bring_back", project_id, kept=kept_id)
        return _done(done)

    def commit(self, project_id: str, body: schema.CommitRequest) -> schema.GitAct:
        form = CommitForm(body.message, body.staged_digest, amend=body.amend)
        log("commit", project_id, amend=body.amend)
        history = self._services.history
        return _act(history.commit(project_id, form, _answer(body), _page(project_id)))

    def branches(self, project_id: str) -> list[schema.GitBranch]:
        return [
            schema.GitBranch(
                name=each.name,
                commit=each.commit,
                remote=each.is_remote,
                current=each.is_current,
                upstream=each.upstream,
                merged=each.is_merged,
            )
            for each in self._services.history.branches(project_id)[0]
        ]

    def create(self, project_id: str, body: schema.BranchRequest) -> schema.GitAct:
        done = self._services.history.create(project_id, body.name, body.start)
        log("branch.create", project_id, branch=body.name)
        if not body.switch:
            return schema.GitAct(
                id="", state="done", message=done.words, output="", progress="", login_for=""
            )
        return self.switch(project_id, body)

    def switch(self, project_id: str, body: schema.BranchRequest) -> schema.GitAct:
        log("switch", project_id, branch=body.name)
        history = self._services.history
        return _act(history.switch(project_id, body.name, _answer(body), _page(project_id)))

    def push_plan(self, project_id: str, query: schema.PushQuery) -> schema.GitPushPlan:
        found = self._services.remotes.push_page(project_id, query.remote)
        plan = found.plan
        return schema.GitPushPlan(
            remote=plan.remote.name,
            urls=list(plan.remote.push_urls),
            branch=plan.branch,
            target=plan.target,
            new_commits=[each.id for each in plan.new],
            overwritten_commits=[each.id for each in plan.overwritten],
            programs=_programs(found.programs),
            digest=found.digest,
        )

    def push(self, project_id: str, body: schema.PushRequest) -> schema.GitAct:
        given = body.login
        typed = Typed(Login.typed(given.origin, given.user, given.password)) if given else None
        answer, back, host = _answer(body), _page(project_id), host_of(typed)
        log("push", project_id, remote=body.remote, overwrite=body.overwrite, login_for=host)
        return _act(
            self._services.remotes.push(
                project_id, body.remote, answer, back, overwrite=body.overwrite, typed=typed
            )
        )

    def act(self, project_id: str, act_id: str) -> schema.GitAct:
        return _act(self._services.acts.get(project_id, act_id))

    def cancel(self, project_id: str, act_id: str) -> schema.GitAct:
        self._services.acts.cancel(project_id, act_id)
        log("cancel", project_id, act=act_id)
        return self.act(project_id, act_id)


def _worded(handler: Callable[P, T]) -> Callable[P, T]:
    """The handler, with git's failures as sentences."""

    @wraps(handler)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return handler(*args, **kwargs)
        except GitFailed as error:
            raise words.refusal(error) from error

    return call


def _selection(body: schema.StageRequest) -> Selection:
    return Selection(tuple(body.paths), tuple(body.hunks), tuple(body.lines))


def _answer(body: schema.Confirmed) -> Answer:
    return Answer(body.programs, body.digest)


def _done(done: Done) -> schema.GitDone:
    return schema.GitDone(message=done.words, kept_id=done.kept_id)


def _act(act: Act) -> schema.GitAct:
    ended: Literal["done", "failed"] = "done" if act.is_done else "failed"
    return schema.GitAct(
        id=act.id,
        state="running" if act.is_running else ended,
        message="" if act.is_running else act.outcome,
        output=act.output,
        progress=act.progress,
        login_for=act.asks,
    )


def _programs(found: Programs) -> list[schema.RunProgram]:
    return [_program(each) for each in found.found]


def _program(each: Program) -> schema.RunProgram:
    return schema.RunProgram(
        kind=each.kind, name=each.name, command=each.command, of_repository=each.of_repository
    )


def _page(project_id: str) -> str:
    return url_for("commits.page", project_id=project_id)


def _shown(path: bytes) -> str:
    return path.decode("utf-8", "replace")
