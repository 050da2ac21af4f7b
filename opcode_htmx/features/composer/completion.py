"""Completions for the word being typed: slash commands, or files of the project."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from flask import Blueprint, render_template, request

from opcode_htmx.engines.capabilities import Command
from opcode_htmx.engines.claude.config import slash_commands
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.tree.search import ProjectFiles
from opcode_htmx.runs.capabilities.cache import CapabilityCache
from opcode_htmx.runs.control.run import Run
from opcode_htmx.runs.policies.working_folders import WorkingFolders
from opcode_htmx.runs.supervisor import Supervisor
from opcode_htmx.sessions.lookup import SessionLookup
from opcode_htmx.web.origin.fetch_metadata import acts

MOST = 50
QUERY_CHARACTERS = 200
CAPABILITY_SECONDS = 2.0
"""How long a list waits for a running capability probe; the next letter asks again."""


@dataclass(frozen=True, slots=True)
class Completion:
    """An entry of the list, and the text that it inserts."""

    insert: str
    name: str
    hint: str = ""
    description: str = ""


def blueprint(
    config_dir: Path,
    supervisor: Supervisor,
    lookup: SessionLookup,
    capabilities: CapabilityCache,
    files: ProjectFiles,
    folders: WorkingFolders,
) -> Blueprint:
    completion = Blueprint("completion", __name__)

    @completion.get("/projects/<project_id>/sessions/<session_id>/complete")
    @acts(by="pages")
    def complete(project_id: str, session_id: str) -> str:
        location = lookup.at(project_id, session_id)
        if location.folder is None or not folders.allow(location.working_folder):
            return render_template("composer/completions.html", options=[])
        folder = location.working_folder
        runs = supervisor.of_session(session_id)
        return completions(
            files, folder, lambda: known_commands(runs, folder, config_dir, capabilities)
        )

    return completion


def completions(files: ProjectFiles, folder: Path, known: Callable[[], list[Command]]) -> str:
    """The list for the text being typed. `known` returns the available commands."""
    query = request.args.get("q", "")[:QUERY_CHARACTERS]
    options = []
    if query.startswith("/"):
        found = slash_commands.matching(known(), query[1:])
        options = [
            Completion(f"/{c.name} ", f"/{c.name}", c.argument_hint, c.description) for c in found
        ]
    elif query.startswith("@"):
        paths = files.matching(folder, query[1:], MOST)
        options = [Completion(f"@{quoted(path)} ", *name_and_folder(path)) for path in paths]
    return render_template("composer/completions.html", options=options[:MOST])


def known_commands(
    runs: Sequence[Run], folder: Path, config_dir: Path, capabilities: CapabilityCache
) -> list[Command]:
    """The commands of a session's newest run, else of the capability probe, and those in files."""
    reported: dict[str, Command] = {}
    for run in reversed(runs):
        state = run.state
        if state.commands:
            reported = {command.name: command for command in state.commands}
        else:
            reported = {name: Command(name, "", "") for name in state.slash_commands}
        if reported and run.live:
            return list(reported.values())
        if reported:
            break
    if not reported:
        capabilities.want()
        probed = capabilities.wait(CAPABILITY_SECONDS)
        reported = {command.name: command for command in probed.commands} if probed else {}
    # an ended run does not know of files written since
    on_disk = {command.name: command for command in slash_commands.on_disk(folder, config_dir)}
    return list({**reported, **on_disk}.values())


def quoted(path: str) -> str:
    """A path as Claude reads it after an @."""
    return f'"{path}"' if " " in path else path


def name_and_folder(path: str) -> tuple[str, str]:
    folder, slash, name = path.rpartition("/")
    return name, folder + slash
