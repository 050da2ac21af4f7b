"""Choose the Claude CLI, its config folder and environment: the installed ones or the demo's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from opcode_htmx.config.settings import Settings
from opcode_htmx.engines.claude.install import cli_binary
from opcode_htmx.engines.claude.protocol import argv
from opcode_htmx.sessions.workspace import Workspace

if TYPE_CHECKING:
    from opcode_htmx.engines.claude.demo.scenarios import Suggestion
    from opcode_htmx.engines.claude.demo.service import DemoEnvironment


@dataclass(frozen=True, slots=True)
class ClaudeEnvironment:
    """The CLI, and the workspace and environment of its processes."""

    binary: cli_binary.Binary
    workspace: Workspace
    variables: Mapping[str, str]
    """The environment of its processes."""
    demo: DemoEnvironment | None
    """It holds a lease on the demo's API, which lasts as long as this value."""


def find_claude(settings: Settings) -> ClaudeEnvironment:
    """The newest CLI, and the demo if it is asked for or Claude is not logged in.

    Raises BinaryNotFound, BinaryTooOld or DemoUnavailableError, each with a sentence for the person
    who starts the server.
    """
    path = settings.child_environment.get("PATH", "")
    binary = cli_binary.find(settings.claude_path, path, settings.home)
    demo = _demo(settings, binary)
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
    return ClaudeEnvironment(binary, workspace, variables, demo)


def _demo(settings: Settings, binary: cli_binary.Binary) -> DemoEnvironment | None:
    wanted = settings.demo
    if wanted is None:
        wanted = not cli_binary.logged_in(binary, settings.child_environment)
    if not wanted:
        return None
    # Imported late: the start without a demo needs none of it
    from opcode_htmx.engines.claude.demo import service

    return service.ensure_running(settings.state_dir / "demo")


def _suggestions() -> tuple[Suggestion, ...]:
    from opcode_htmx.engines.claude.demo import scenarios

    return scenarios.SUGGESTIONS
