"""What the pages and the endpoints of git are built from, made once for a worker."""

from __future__ import annotations

from opcode_htmx.engines.claude.files.sessions import (
    ProjectNotFound,
    SessionNotFound,
    SeveralProjects,
)
from opcode_htmx.features.commits.acts import Acts, NoAct
from opcode_htmx.features.commits.changes import Changes, NothingNamed
from opcode_htmx.features.commits.history import History
from opcode_htmx.features.commits.logins import Logins
from opcode_htmx.features.commits.projects import Projects, Unconfirmed
from opcode_htmx.features.commits.proposals import NoProposal, Proposals
from opcode_htmx.features.commits.pull_requests import InvalidPullRequest, PullRequests
from opcode_htmx.features.commits.register import Register
from opcode_htmx.features.commits.remote_acts import RemoteActs
from opcode_htmx.features.context import AppContext
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.git.commands.branches import InvalidName, NoBranch
from opcode_htmx.lib.git.commands.commits import InvalidMessage, NothingStaged
from opcode_htmx.lib.git.commands.patches import NothingChosen
from opcode_htmx.lib.git.commands.remotes import NoRemote
from opcode_htmx.lib.git.commands.staging import CannotSplit
from opcode_htmx.lib.git.commands.state import NoRepository, StateChanged
from opcode_htmx.lib.git.commands.words import GitRefused
from opcode_htmx.lib.git.discards.working_files import CannotKeep
from opcode_htmx.lib.git.login import InvalidLogin
from opcode_htmx.lib.git.repository import RepositoryRefused
from opcode_htmx.runs.policies.working_folders import InvalidFolder
from opcode_htmx.sessions.repositories import services as repositories

ACTS, DISCARDS = "git_acts", "git_discards"
"""Their names in the state folder."""
ERRORS: dict[type[Exception], int] = {
    CannotKeep: 409,
    CannotSplit: 409,
    GitRefused: 409,
    InvalidLogin: 422,
    InvalidMessage: 422,
    InvalidName: 422,
    InvalidPullRequest: 422,
    NoAct: 404,
    NoBranch: 409,
    NoProposal: 502,
    NoRemote: 409,
    NoRepository: 404,
    NothingChosen: 422,
    NothingNamed: 422,
    NothingStaged: 409,
    RepositoryRefused: 409,
    StateChanged: 409,
    Unconfirmed: 409,
}
"""Status codes of the exceptions whose texts are sentences."""


@dataclass(frozen=True, slots=True)
class Services:
    """The acts on git of all projects."""

    projects: Projects
    acts: Acts
    register: Register
    changes: Changes
    history: History
    remotes: RemoteActs
    proposals: Proposals
    pull_requests: PullRequests


def services(context: AppContext) -> Services:
    """Make them; called once by `AppContext.once`."""
    environment = context.settings.child_environment
    store, nowhere = context.state.folder(ACTS), context.state.folder("offers") / "nowhere"
    projects = Projects(context.workspace, environment, store)
    sentences = (*ERRORS, InvalidFolder, ProjectNotFound, SeveralProjects, SessionNotFound)
    acts = Acts(store, sentences)
    clones = context.once(repositories.services)
    register = Register(context.state.folder(DISCARDS), projects)
    return Services(
        projects,
        acts,
        register,
        Changes(projects, register),
        History(projects, acts, register),
        RemoteActs(projects, acts, Logins(clones.kept_logins, clones.login_at)),
        Proposals(projects, acts, context.engine.launcher, nowhere),
        PullRequests(projects, acts, environment, nowhere),
    )
