"""Claude's account, to log in to from afar, and the installations of its CLI."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from flask import Blueprint

from opcode_htmx.engines.claude.install import chosen
from opcode_htmx.features.claude_account.logins import FOLDER, LoginRefused
from opcode_htmx.features.claude_account.versions import VersionRefused
from opcode_htmx.features.context import AppContext
from opcode_htmx.features.feature import Feature
from opcode_htmx.lib.concurrency.jobs import Job
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.files.state_folders import Backup, StateFolder
from opcode_htmx.web.rest.endpoint import Endpoint

if TYPE_CHECKING:
    from opcode_htmx.features.claude_account.account import Account
    from opcode_htmx.features.claude_account.logins import Logins
    from opcode_htmx.features.claude_account.versions import Versions


@dataclass(frozen=True, slots=True)
class _Services:
    """What pages and REST share."""

    account: Account
    logins: Logins
    versions: Versions


def _services(context: AppContext) -> _Services:
    from opcode_htmx.engines.claude.engine import ClaudeLauncher
    from opcode_htmx.engines.claude.install.installations import Installations
    from opcode_htmx.features.claude_account.account import Account
    from opcode_htmx.features.claude_account.logins import Logins
    from opcode_htmx.features.claude_account.versions import Versions
    from opcode_htmx.sessions.configuration import acts

    settings = context.settings
    variables = settings.child_environment
    # the person's own, also where the sessions are those of the demo
    launcher = ClaudeLauncher(context.claude_path, variables)
    empty_folder = context.state.folder("offers") / "nowhere"
    begun = acts.Acts(context.state.folder(acts.FOLDER))
    logins = Logins(
        context.state.folder(FOLDER),
        launcher,
        context.engine.codec,
        empty_folder,
        is_demo=context.workspace.sample_project is not None,
    )
    context.jobs.add(Job("hold log-ins to Claude", lambda: None, logins.close))
    return _Services(
        Account(launcher, empty_folder, begun, context.sessions.configuration.reports),
        logins,
        Versions(
            Installations(settings.claude_path, variables.get("PATH", ""), settings.home),
            context.claude_path,
            settings,
            empty_folder,
            begun,
        ),
    )


def _routes(context: AppContext) -> Iterable[Blueprint]:
    from opcode_htmx.features.claude_account import routes

    services = context.once(_services)
    yield routes.blueprint(services.account, services.logins, services.versions)


def _endpoints(context: AppContext) -> Iterable[Endpoint]:
    from opcode_htmx.features.claude_account.api import AccountApi
    from opcode_htmx.features.claude_account.installations_api import InstallationsApi

    services = context.once(_services)
    yield from AccountApi(services.account, services.logins).endpoints()
    yield from InstallationsApi(services.versions).endpoints()


FEATURE = Feature(
    name="claude_account",
    routes=_routes,
    folders=("/claude/account",),
    endpoints=_endpoints,
    state=(
        StateFolder(
            FOLDER,
            "a log-in to Claude that has begun: its link and outcome; the code for a moment",
            keep="until the next one",
            version=1,
            backup=Backup.NEVER,
        ),
        StateFolder(chosen.NAME, "the path of the Claude CLI that was chosen", version=1),
    ),
    errors={LoginRefused: 422, VersionRefused: 422},
)
