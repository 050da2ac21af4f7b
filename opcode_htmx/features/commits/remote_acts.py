"""Fetch, pull and push, as forms and programs ask for them, once what happens has been shown."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from opcode_htmx.features.commits.acts import Act, Acts, Outcome, Progress
from opcode_htmx.features.commits.projects import RUN, WITHOUT, Answer, Projects, Unconfirmed
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.formatting import count
from opcode_htmx.lib.git.commands import programs, remotes, state
from opcode_htmx.lib.git.commands.programs import Programs
from opcode_htmx.lib.git.commands.remotes import PullMode, PushPlan, Remote
from opcode_htmx.lib.git.commands.state import State, StateChanged
from opcode_htmx.lib.git.git import Git
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


@dataclass(frozen=True, slots=True)
class PushPage:
    """What a push would do; `digest` names all of it."""

    remotes: tuple[Remote, ...]
    plan: PushPlan
    programs: Programs
    digest: str


class RemoteActs:
    """Acts that use the network."""

    def __init__(self, projects: Projects, acts: Acts) -> None:
        self._projects = projects
        self._acts = acts

    def pull_page(self, project_id: str, remote: str = "") -> PullPage:
        """Raises NoRemote, and what `Projects.open` does."""
        return _pull_page(self._projects.open(project_id, READING), remote)

    def push_page(self, project_id: str, remote: str = "") -> PushPage:
        """Raises NoRemote, NoBranch, and what `Projects.open` does."""
        return _push_page(self._projects.open(project_id, READING), remote)

    def pull(
        self, project_id: str, remote: str, mode: PullMode | None, answer: Answer, back: str
    ) -> Act:
        """Fetch, and without a `mode` no more. Raises Unconfirmed, StateChanged, NoRemote,
        GitFailed."""
        _check(answer, self.pull_page(project_id, remote))

        def work(progress: Progress) -> Outcome:
            git = self._projects.open(project_id, RUNNING)
            with self._projects.locked(git):
                page = _pull_page(git, remote)
                _check(answer, page)
                settings = _settings(answer)
                name = page.remote.name if page.remote else remote
                remotes.fetch(git, name, prune=False, progress=progress, settings=settings)
                if mode is None:
                    return Outcome(_fetched(name, state.read(git)))
                return Outcome(remotes.integrate(git, mode, settings))

        title = f"Fetch from {remote}" if mode is None else f"Pull from {remote}"
        return self._acts.begin(project_id, title, back, work)

    def push(
        self, project_id: str, remote: str, answer: Answer, back: str, *, overwrite: bool = False
    ) -> Act:
        """Push what the page has shown. Raises Unconfirmed, StateChanged, NoRemote, NoBranch,
        GitFailed."""
        page = self.push_page(project_id, remote)
        _check(answer, page)
        plan = page.plan

        def work(progress: Progress) -> Outcome:
            git = self._projects.open(project_id, RUNNING)
            with self._projects.locked(git):
                _check(answer, _push_page(git, remote))
                said = remotes.push(
                    git, plan, overwrite=overwrite, progress=progress, settings=_settings(answer)
                )
                number = len(plan.new)
                more = "+" if number == remotes.MOST_COMMITS else ""
                words = f"{number}{more} commit{'' if number == 1 else 's'}"
                return Outcome(f"Pushed {words} to {plan.remote.name}/{plan.target}.", said)

        return self._acts.begin(project_id, f"Push to {plan.remote.name}", back, work)


def _pull_page(git: Git, remote: str) -> PullPage:
    found = state.read(git)
    known = tuple(remotes.listed(git))
    follows_remote, follows, _ = remotes.upstream(git, found.branch) if found.branch else ("",) * 3
    name = remote or follows_remote or next((each.name for each in known), "")
    chosen = remotes.find(git, name) if name else None
    may_log_in = chosen is not None and chosen.may_log_in
    listed = programs.of(git, "fetch", "merge", "rebase", remote=name, may_log_in=may_log_in)
    follows = follows if follows_remote == name else ""
    shown = (repr(chosen), follows, listed.digest)
    return PullPage(found, known, chosen, follows, listed, _digest(*shown))


def _push_page(git: Git, remote: str) -> PushPage:
    plan = remotes.push_plan(git, remote)
    name, may_log_in = plan.remote.name, plan.remote.may_log_in
    listed = programs.of(git, "push", remote=name, may_log_in=may_log_in)
    known = tuple(remotes.listed(git))
    return PushPage(known, plan, listed, _digest(repr(plan), listed.digest))


def _check(answer: Answer, page: PullPage | PushPage) -> None:
    """Raises Unconfirmed, StateChanged: nothing is sent to an address that nobody has seen."""
    if answer.choice not in (RUN, WITHOUT):
        raise Unconfirmed(page.programs)
    if answer.digest != page.digest:
        raise StateChanged(
            "The branch, the remote or what would run has changed since you looked. Nothing was "
            "done: look again."
        )


def _settings(answer: Answer) -> Mapping[str, str]:
    return _WITHOUT if answer.choice == WITHOUT else {}


def _fetched(name: str, found: State) -> str:
    if found.behind:
        return f"Fetched from {name}: {count(found.behind, 'new commit')}."
    return f"Fetched from {name}: nothing new for this branch."


def _digest(*shown: str) -> str:
    return hashlib.sha256("\0".join(shown).encode("utf-8", "replace")).hexdigest()[:32]
