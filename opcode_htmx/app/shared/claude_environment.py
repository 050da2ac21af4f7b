"""Choose the Claude CLI, its config folder and environment: the installed ones or the demo's."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING

from opcode_htmx.config.settings import Settings
from opcode_htmx.engines.claude.install import chosen, cli_binary
from opcode_htmx.engines.claude.install.known_login import KnownLogin
from opcode_htmx.engines.claude.protocol import argv
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.sessions.workspace import Workspace
from opcode_htmx.web.server import reload

if TYPE_CHECKING:
    from opcode_htmx.engines.claude.demo.scenarios import Suggestion
    from opcode_htmx.engines.claude.demo.service import DemoEnvironment


log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ClaudeEnvironment:
    """The CLI, and the workspace and environment of its processes."""

    binary: cli_binary.Binary
    workspace: Workspace
    variables: Mapping[str, str]
    """The environment of its processes."""
    demo: DemoEnvironment | None
    """It holds a lease on the demo's API, which lasts as long as this value."""
    unconfirmed: KnownLogin | None = None
    """The login that is only remembered, and to be asked for once the server listens."""


def find_claude(settings: Settings) -> ClaudeEnvironment:
    """The CLI to use, and the demo if it is asked for or Claude is not logged in.

    Raises BinaryNotFound, BinaryTooOld or DemoUnavailableError, each with a sentence for the person
    who starts the server.
    """
    binary = chosen.find(settings)
    login = KnownLogin(settings.state_dir, binary, settings.child_environment)
    unconfirmed = login if settings.demo is None and login.is_remembered() else None
    demo = None if unconfirmed else _demo(settings, login)
    variables = settings.child_environment
    if demo:
        variables = argv.environment(variables, demo.environment, demo.removed)
    workspace = Workspace(
        config_dir=demo.config_dir if demo else settings.claude_config_dir,
        project_roots=settings.project_roots,
        sample_project=demo.sample_project if demo else None,
        suggestions=_suggestions() if demo else (),
        named_task_folder=settings.task_folder,
    )
    return ClaudeEnvironment(binary, workspace, variables, demo, unconfirmed)


def confirm(login: KnownLogin) -> None:
    """Ask for a login that was only remembered; if there is none, start again, with the demo."""
    try:
        if login.ask():
            return
    except cli_binary.BinaryError as error:
        log.warning("%s", error)
        return
    again = reload.reload()
    log.warning(
        "Claude is not logged in any more; %s.",
        "the demo takes its place" if again else "start again for the demo",
    )


def _demo(settings: Settings, login: KnownLogin) -> DemoEnvironment | None:
    wanted = settings.demo
    if wanted is None:
        wanted = not login.ask()
    if not wanted:
        return None
    # Imported late: the start without a demo needs none of it
    from opcode_htmx.engines.claude.demo import service

    return service.ensure_running(settings.state_dir / "demo", settings.child_environment)


def _suggestions() -> tuple[Suggestion, ...]:
    from opcode_htmx.engines.claude.demo import scenarios

    return scenarios.SUGGESTIONS
