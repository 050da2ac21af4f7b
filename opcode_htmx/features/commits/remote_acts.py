"""Fetch, pull and push, as forms and programs ask for them, once what happens has been shown."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace

from opcode_htmx.features.commits.acts import Act, Acts, Outcome, Progress
from opcode_htmx.features.commits.logins import Logins
from opcode_htmx.features.commits.projects import RUN, WITHOUT, Answer, Projects, Unconfirmed
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.formatting import count
from opcode_htmx.lib.git.commands import programs, remotes, state
from opcode_htmx.lib.git.commands.remotes import PullMode, PushPlan, Remote
from opcode_htmx.lib.git.commands.state import State, StateChanged
from opcode_htmx.lib.git.git import Git
from opcode_htmx.lib.git.listing.program import Programs
from opcode_htmx.lib.git.login import Login, Typed
from opcode_htmx.lib.git.policy import READING, RUNNING

_WITHOUT: Mapping[str, str] = {**remotes.WITHOUT_HOOKS, "core.fsmonitor": "false"}


@dataclass(frozen=True, slots=True)
class PullPage:
    """What a fetch and a pull would do; `digest` names the addresses and the programs."""

    state: State
    remotes: tuple[Remote, ...]
    remote: Remote | None
    """The one to get from; None if there is none."""
    follows: str
    """The branch of the remote that the current one follows; empty for none."""
    programs: Programs
    digest: str
    kept: tuple[Login, ...] = ()
    """The logins that are kept for it."""
    own: str = ""
    """The host at which the server has a login of its own, and may use it."""


@dataclass(frozen=True, slots=True)
class PushPage:
    """What a push would do; `digest` names all of it."""

    remotes: tuple[Remote, ...]
    plan: PushPlan
    programs: Programs
    digest: str
    kept: tuple[Login, ...] = ()
    own: str = ""


class RemoteActs:
    """Acts that use the network."""

    def __init__(self, projects: Projects, acts: Acts, logins: Logins) -> None:
        self._projects = projects
        self._acts = acts
        self._logins = logins

    def pull_page(self, project_id: str, remote: str = "") -> PullPage:
        """Raises NoRemote, and what `Projects.open` does."""
        page = _pull_page(self._projects.open(project_id, READING), remote)
        found = page.remote
        return replace(page, kept=self._kept(found), own=self._own(found)) if found else page

    def push_page(self, project_id: str, remote: str = "") -> PushPage:
        """Raises NoRemote, NoBranch, and what `Projects.open` does."""
        page = _push_page(self._projects.open(project_id, READING), remote)
        found = page.plan.remote
        return replace(page, kept=self._kept(found), own=self._own(found))

    def forget(self, project_id: str, origin: str) -> None:
        """Keep the login for a host no longer. Raises what `Projects.folder` does."""
        self._projects.folder(project_id)
        self._logins.kept.forget(origin)

    def _kept(self, remote: Remote) -> tuple[Login, ...]:
        return tuple(self._logins.kept.of(remote.origins))

    def _own(self, remote: Remote) -> str:
        found = self._logins.own(remote)
        return found.origin if found else ""

    def _settings(
        self, answer: Answer, listed: Programs, remote: Remote, login: Login | None
    ) -> Mapping[str, str]:
        """For git. With the server's own login it runs no hook that was not there before."""
        is_own = login is not None and login == self._logins.own(remote)
        has_hooks = any(each.kind == "hook" for each in listed.found)
        return _WITHOUT if is_own and not has_hooks else _settings(answer)

    def pull(
        self,
        project_id: str,
        remote: str,
        mode: PullMode | None,
        answer: Answer,
        back: str,
        typed: Typed | None = None,
    ) -> Act:
        """Fetch, and without a `mode` no more; `typed` is a login for the remote.

        Raises Unconfirmed, StateChanged, NoRemote, GitFailed.
        """
        shown = self.pull_page(project_id, remote)
        _check(answer, shown)

        def work(progress: Progress) -> Outcome:
            git = self._projects.open(project_id, RUNNING)
            with self._projects.locked(git):
                page = _pull_page(git, remote)
                _check(answer, page)
                chosen = page.remote or remotes.find(git, remote)

                def fetch(login: Login | None) -> None:
                    progress.login = login
                    settings = self._settings(answer, page.programs, chosen, login)
                    remotes.fetch(
                        git, chosen.name, progress=progress, settings=settings, login=login
                    )

                runs = _runs(answer, page.programs)
                self._logins.used(git, chosen, typed, fetch, runs=runs, pushes=False)
                if mode is None:
                    return Outcome(_fetched(chosen.name, state.read(git)))
                return Outcome(remotes.integrate(git, mode, _settings(answer)))

        title = f"Fetch from {remote}" if mode is None else f"Pull from {remote}"
        again = _again("pull", remote, answer, shown.programs, typed) | {"mode": mode or "fetch"}
        return self._acts.begin(project_id, title, back, work, again)

    def push(
        self,
        project_id: str,
        remote: str,
        answer: Answer,
        back: str,
        *,
        overwrite: bool = False,
        typed: Typed | None = None,
    ) -> Act:
        """Push what the page has shown; `typed` is a login for the remote.

        Raises Unconfirmed, StateChanged, NoRemote, NoBranch, GitFailed.
        """
        page = self.push_page(project_id, remote)
        _check(answer, page)
        plan = page.plan

        def work(progress: Progress) -> Outcome:
            git = self._projects.open(project_id, RUNNING)
            with self._projects.locked(git):
                _check(answer, _push_page(git, remote))

                def push(login: Login | None) -> str:
                    progress.login = login
                    said = remotes.push(
                        git,
                        plan,
                        overwrite=overwrite,
                        progress=progress,
                        settings=self._settings(answer, page.programs, plan.remote, login),
                        login=login,
                    )
                    return login.without(said) if login else said

                runs = _runs(answer, page.programs)
                said = self._logins.used(git, plan.remote, typed, push, runs=runs, pushes=True)
                number = len(plan.new)
                more = "+" if number == remotes.MOST_COMMITS else ""
                words = f"{number}{more} commit{'' if number == 1 else 's'}"
                return Outcome(f"Pushed {words} to {plan.remote.name}/{plan.target}.", said)

        again = _again("push", plan.remote.name, answer, page.programs, typed)
        again |= {"overwrite": "1"} if overwrite else {}
        return self._acts.begin(project_id, f"Push to {plan.remote.name}", back, work, again)


def _pull_page(git: Git, remote: str) -> PullPage:
    found = state.read(git)
    known = tuple(remotes.listed(git))
    follows_remote, follows, _ = remotes.upstream(git, found.branch) if found.branch else ("",) * 3
    name = remote or follows_remote or next((each.name for each in known), "")
    chosen = remotes.find(git, name) if name else None
    listed = programs.of(git, "fetch", "merge", "rebase", remote=name)
    follows = follows if follows_remote == name else ""
    shown = (repr(chosen), follows, listed.digest)
    return PullPage(found, known, chosen, follows, listed, _digest(*shown))


def _push_page(git: Git, remote: str) -> PushPage:
    plan = remotes.push_plan(git, remote)
    listed = programs.of(git, "push", remote=plan.remote.name)
    known = tuple(remotes.listed(git))
    return PushPage(known, plan, listed, _digest(repr(plan), listed.digest))


def _check(answer: Answer, page: PullPage | PushPage) -> None:
    """Raises Unconfirmed, StateChanged: nothing is sent to an address that nobody has seen."""
    can_be_left_out = page.programs.can_be_left_out
    if answer.choice not in ((RUN, WITHOUT) if can_be_left_out else (RUN,)):
        raise Unconfirmed(page.programs)
    if answer.digest != page.digest:
        raise StateChanged(
            "The branch, the remote or what would run has changed since you looked. Nothing was "
            "done: look again."
        )


def _again(
    act: str, remote: str, answer: Answer, programs: Programs, typed: Typed | None
) -> dict[str, str]:
    """What the form with a login says of the act; `runs` if programs of the repository would."""
    fields = {"act": act, "remote": remote, **answer.fields}
    fields |= {"runs": "1"} if _runs(answer, programs) else {}
    return fields | ({"login_keep": "1"} if typed and typed.keeps else {})


def _runs(answer: Answer, programs: Programs) -> bool:
    """Whether programs of the repository run."""
    return answer.choice == RUN and any(each.of_repository for each in programs.found)


def _settings(answer: Answer) -> Mapping[str, str]:
    return _WITHOUT if answer.choice == WITHOUT else {}


def _fetched(name: str, found: State) -> str:
    if found.behind:
        return f"Fetched from {name}: {count(found.behind, 'new commit')}."
    return f"Fetched from {name}: nothing new for this branch."


def _digest(*shown: str) -> str:
    return hashlib.sha256("\0".join(shown).encode("utf-8", "replace")).hexdigest()[:32]
