"""Commit, branches and stashes, as forms and programs ask for them; what takes long is an act."""

from __future__ import annotations

import gevent

from opcode_htmx.features.commits.acts import Act, Acts, Outcome, Progress
from opcode_htmx.features.commits.changes import Done
from opcode_htmx.features.commits.projects import Answer, Projects
from opcode_htmx.features.commits.register import Register
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.git.commands import (
    branches,
    commits,
    conflicts,
    programs,
    stashes,
    state,
)
from opcode_htmx.lib.git.commands.branches import Branch
from opcode_htmx.lib.git.commands.commits import InvalidMessage, LastCommit
from opcode_htmx.lib.git.commands.stashes import Stash
from opcode_htmx.lib.git.commands.state import State, StateChanged
from opcode_htmx.lib.git.discards import kept
from opcode_htmx.lib.git.git import Git
from opcode_htmx.lib.git.listing.program import Programs
from opcode_htmx.lib.git.policy import READING, WRITING
from opcode_htmx.lib.git.process import GitFailed


@dataclass(frozen=True, slots=True)
class Overview:
    """What the git page shows. The counts are of stashes, and of what can be brought back."""

    state: State
    digest: str
    """Names what is staged and HEAD."""
    sides: conflicts.Sides
    last: LastCommit | None
    identity: str
    programs: Programs
    """What a commit would run."""
    going_on: Programs
    """What continuing the operation that is under way would run."""
    stashes: int
    kept: int


@dataclass(frozen=True, slots=True)
class CommitForm:
    """A commit as it was asked for; `digest` names what the person has seen as staged."""

    message: str
    digest: str
    amend: bool = False
    name: str = ""
    address: str = ""


class History:
    """Acts on the commits and branches of projects."""

    def __init__(self, projects: Projects, acts: Acts, register: Register) -> None:
        self._projects = projects
        self._acts = acts
        self._register = register

    def overview(self, project_id: str) -> Overview:
        """Raises what `Projects.open` does."""
        git = self._projects.open(project_id, READING)
        reading = gevent.spawn(_read, git)  # it takes as long as all the rest, or longer
        try:
            rest = (
                commits.last(git),
                commits.identity(git),
                programs.of(git, "commit"),
                programs.of(git, "continue") if state.operation(git) else Programs(()),
                len(stashes.listed(git)),
                len(kept.listed(git)),
            )
            found = reading.get()
        finally:
            reading.kill()
        if isinstance(found, GitFailed):
            raise found
        sides = conflicts.SIDES.get(found.operation, conflicts.SIDES[""])
        return Overview(found, state.staged_digest(found), sides, *rest)

    def commit(self, project_id: str, form: CommitForm, answer: Answer, back: str) -> Act:
        """Raises Unconfirmed, StateChanged, InvalidMessage, GitFailed."""
        git = self._projects.open(project_id, READING)
        if not form.message.strip():
            raise InvalidMessage("Type a message for the commit.")
        if not form.name and not form.address and not commits.identity(git):
            raise InvalidMessage(
                "git does not know your name yet. Type a name and an e-mail address."
            )
        answer.policy(programs.of(git, "commit"))

        def work(progress: Progress) -> Outcome:
            git = self._projects.open(project_id, WRITING)
            with self._projects.locked(git):
                if form.digest and state.staged_digest(state.read(git)) != form.digest:
                    raise StateChanged(
                        "What is staged has changed since you looked. Nothing was committed."
                    )
                if form.name or form.address:
                    commits.set_identity(git, form.name.strip(), form.address.strip())
                acting = answer.acting(git, programs.of(git, "commit"))
                made = commits.commit(acting, form.message, amend=form.amend)
                verb = "Amended the last commit" if form.amend else "Committed"
                return Outcome(f"{verb}: {made[:8]}.", result=made)

        title = "Amend the last commit" if form.amend else "Commit"
        return self._acts.begin(project_id, title, back, work)

    def go_on(self, project_id: str, operation: str, answer: Answer, back: str) -> Act:
        """Go on with a merge, a rebase or the like. Raises Unconfirmed, StateChanged, GitFailed."""
        git = self._projects.open(project_id, READING)
        answer.policy(programs.of(git, "continue"))

        def work(progress: Progress) -> Outcome:
            git = self._projects.open(project_id, WRITING)
            with self._projects.locked(git):
                acting = answer.acting(git, programs.of(git, "continue"))
                conflicts.go_on(acting, operation)
                return Outcome(f"The {operation} is complete.")

        return self._acts.begin(project_id, f"Go on with the {operation}", back, work)

    def branches(self, project_id: str) -> tuple[list[Branch], bool]:
        """Raises what `Projects.open` does."""
        return branches.listed(self._projects.open(project_id, READING))

    def create(self, project_id: str, name: str, start: str = "") -> Done:
        """Raises InvalidName, NoBranch, GitFailed."""
        git = self._projects.open(project_id, WRITING)
        with self._projects.locked(git):
            made = branches.create(git, name, start)
            return Done(f"The branch “{made}” is there.")

    def switch(
        self,
        project_id: str,
        name: str,
        answer: Answer,
        back: str,
        *,
        is_remote: bool = False,
        stash: bool = False,
    ) -> Act:
        """Raises Unconfirmed, StateChanged, NoBranch, GitFailed."""
        git = self._projects.open(project_id, READING)
        branches.commit_of(git, name, is_remote=is_remote)
        answer.policy(programs.of(git, "switch"))

        def work(progress: Progress) -> Outcome:
            git = self._projects.open(project_id, WRITING)
            with self._projects.locked(git):
                acting = answer.acting(git, programs.of(git, "switch"))
                local = branches.switch(acting, name, is_remote=is_remote, stash=stash)
                return Outcome(f"You are on “{local}” now.")

        return self._acts.begin(project_id, f"Switch to {name}", back, work)

    def delete(self, project_id: str, name: str, commit: str) -> Done:
        """Raises NoBranch, StateChanged, GitFailed."""
        git = self._projects.open(project_id, WRITING)
        with self._projects.locked(git):
            self._register.note(git.repository.top)
            return Done(f"Deleted the branch “{name}”.", branches.delete(git, name, commit))

    def stashes(self, project_id: str) -> list[Stash]:
        """Raises what `Projects.open` does."""
        return stashes.listed(self._projects.open(project_id, READING))

    def stash(self, project_id: str, message: str, answer: Answer) -> Done:
        """Put all changes away. Raises Unconfirmed, StateChanged, GitFailed."""
        git = self._projects.open(project_id, WRITING)
        with self._projects.locked(git):
            acting = answer.acting(git, programs.of(git, "switch"))
            made = stashes.push(acting, message)
            if not made:
                raise StateChanged("Nothing has changed, so there is nothing to put away.")
            return Done("The changes are put away. Take them out again on this page.")

    def unstash(self, project_id: str, commit: str, answer: Answer, *, drop: bool) -> Done:
        """Take a stash out. Raises Unconfirmed, StateChanged, GitFailed."""
        git = self._projects.open(project_id, WRITING)
        with self._projects.locked(git):
            acting = answer.acting(git, programs.of(git, "switch", "merge"))
            stashes.take(acting, commit, drop=drop)
            return Done("The changes are back." if drop else "The changes are back, and stay here.")

    def drop(self, project_id: str, commit: str) -> Done:
        """Drop a stash. Raises StateChanged, GitFailed."""
        git = self._projects.open(project_id, WRITING)
        with self._projects.locked(git):
            self._register.note(git.repository.top)
            return Done("Dropped the stash.", stashes.discard(git, commit))


def _read(git: Git) -> State | GitFailed:
    """The state, or why it cannot be read: an error of a greenlet would be printed."""
    try:
        return state.read(git)
    except GitFailed as error:
        return error
