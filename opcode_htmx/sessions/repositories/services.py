"""Put the services of repositories together, for the features that stand on them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from opcode_htmx.config.declarations import SettingsError
from opcode_htmx.config.settings import Settings
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.files.state_folders import StateDir
from opcode_htmx.lib.git.clones.urls import parse
from opcode_htmx.lib.git.login import Login
from opcode_htmx.runs.supervisor import Supervisor
from opcode_htmx.sessions.repositories import job_files, records
from opcode_htmx.sessions.repositories.github import GitHubAccount
from opcode_htmx.sessions.repositories.job_files import JobFiles
from opcode_htmx.sessions.repositories.logins import KeptLogins
from opcode_htmx.sessions.repositories.places import Places
from opcode_htmx.sessions.repositories.records import CloneRecords
from opcode_htmx.sessions.repositories.service import Repositories
from opcode_htmx.sessions.repositories.settings import RepositoriesSettings
from opcode_htmx.sessions.repositories.sizes import FolderSizes
from opcode_htmx.sessions.repositories.transfers import Transfers
from opcode_htmx.sessions.repositories.worktrees import SessionFolders
from opcode_htmx.sessions.workspace import Workspace

DEFAULT_FOLDER = "opcode"
_ANY_USER = "x-access-token"
"""The user name that GitHub expects beside any token."""


@dataclass(frozen=True, slots=True)
class RepositoryServices:
    """What pages and programs do with repositories."""

    places: Places
    repositories: Repositories
    worktrees: SessionFolders
    transfers: Transfers
    github: GitHubAccount
    sizes: FolderSizes
    kept_logins: KeptLogins
    login_at: Callable[[str], Login | None]
    """The server's own login at a host, such as `https://github.com`; None for any other one."""


class Context(Protocol):
    """What they are made of: the part of the app's context that they need."""

    @property
    def settings(self) -> Settings: ...
    @property
    def workspace(self) -> Workspace: ...
    @property
    def state(self) -> StateDir: ...
    @property
    def runs(self) -> Supervisor: ...


def services(context: Context) -> RepositoryServices:
    """Raises SettingsError for a folder in which Claude may not work.

    To be called by `context.once`, so that all features share them.
    """
    settings, workspace = context.settings, context.workspace
    state, runs = context.state, context.runs
    chosen = settings.of(RepositoriesSettings)
    environment = settings.child_environment
    places = _places(chosen, workspace)
    files = JobFiles(state.folder(job_files.FOLDER.name))
    clones = CloneRecords(state.folder(records.FOLDER.name))
    user, token = settings.github_user, settings.github_token

    def login_at(origin: str) -> Login | None:
        is_github = bool(token) and origin == parse(f"{chosen.github}/o/n", ()).origin
        return Login(origin, user or _ANY_USER, token) if is_github else None

    kept = KeptLogins()
    transfers = Transfers(places, files, clones, environment, kept, login_at, settings.min_free)
    worktrees = SessionFolders(
        places,
        environment,
        lambda: [run.record.project_path for run in runs.live()],
        files.making_worktrees,
    )
    repositories = Repositories(
        places,
        clones,
        files,
        transfers,
        worktrees,
        environment,
        lambda: workspace.folders.roots,
        chosen.github,
    )
    github = GitHubAccount(chosen.api, user, token)
    sizes = FolderSizes(places)
    return RepositoryServices(
        places, repositories, worktrees, transfers, github, sizes, kept, login_at
    )


def _places(chosen: RepositoriesSettings, workspace: Workspace) -> Places:
    folder = chosen.folder or workspace.project_roots[0] / DEFAULT_FOLDER
    found = folder.resolve()
    if workspace.folders.root_of(found) is None:
        raise SettingsError(
            f"OPCODE_REPOSITORIES_FOLDER names {folder}, outside OPCODE_PROJECT_ROOTS."
        )
    return Places(found, workspace.folders)
