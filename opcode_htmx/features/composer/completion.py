"""What may be meant by the word that is being typed: a slash command, or a file of the project."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from flask import Blueprint, render_template, request

from opcode_htmx.engines.capabilities import Command
from opcode_htmx.engines.claude.config import slash_commands
from opcode_htmx.features.composer.project_files import ProjectFiles
from opcode_htmx.runs.capabilities.cache import CapabilityCache
from opcode_htmx.runs.control.run import Run
from opcode_htmx.runs.policies.working_folders import WorkingFolders
from opcode_htmx.runs.supervisor import Supervisor
from opcode_htmx.sessions.lookup import SessionLookup
from opcode_htmx.web.origin.fetch_metadata import acts

MOST = 50
QUERY_CHARACTERS = 200
OFFER_SECONDS = 2.0
"""How long a list waits for what Claude is just being asked; the next letter asks again."""


@dataclass(frozen=True, slots=True)
class Option:
    """What stands in the list, and what is typed when it is chosen."""

    insert: str
    name: str
    hint: str = ""
    description: str = ""


def blueprint(
    config_dir: Path,
    supervisor: Supervisor,
    lookup: SessionLookup,
    offers: CapabilityCache,
    files: ProjectFiles,
    folders: WorkingFolders,
) -> Blueprint:
    completion = Blueprint("completion", __name__)

    @completion.get("/projects/<project_id>/sessions/<session_id>/complete")
    @acts(by="pages")
    def complete(project_id: str, session_id: str) -> str:
        place = lookup.at(project_id, session_id)
        if place.folder is None or not folders.allow(place.working_folder):
            return render_template("composer/completions.html", options=[])
        folder = place.working_folder
        runs = supervisor.of_session(session_id)
        return completions(files, folder, lambda: known_commands(runs, folder, config_dir, offers))

    return completion


def completions(files: ProjectFiles, folder: Path, known: Callable[[], list[Command]]) -> str:
    """The list for what is being typed. `known` are the commands that there are."""
    query = request.args.get("q", "")[:QUERY_CHARACTERS]
    options = []
    if query.startswith("/"):
        found = slash_commands.matching(known(), query[1:])
        options = [
            Option(f"/{c.name} ", f"/{c.name}", c.argument_hint, c.description) for c in found
        ]
    elif query.startswith("@"):
        paths = files.matching(folder, query[1:], MOST)
        options = [Option(f"@{quoted(path)} ", *name_and_folder(path)) for path in paths]
    return render_template("composer/completions.html", options=options[:MOST])


def known_commands(
    runs: Sequence[Run], folder: Path, config_dir: Path, offers: CapabilityCache
) -> list[Command]:
    """What the newest of a session's runs has told, else what Claude offers, and what stands in
    files."""
    told: dict[str, Command] = {}
    for run in reversed(runs):
        state = run.state
        if state.commands:
            told = {command.name: command for command in state.commands}
        else:
            told = {name: Command(name, "", "") for name in state.slash_commands}
        if told and run.live:
            return list(told.values())
        if told:
            break
    if not told:
        offers.want()
        offer = offers.wait(OFFER_SECONDS)
        told = {command.name: command for command in offer.commands} if offer else {}
    # a run that has ended cannot know of what has been written since
    on_disk = {command.name: command for command in slash_commands.on_disk(folder, config_dir)}
    return list({**told, **on_disk}.values())


def quoted(path: str) -> str:
    """A path as Claude reads it behind an @."""
    return f'"{path}"' if " " in path else path


def name_and_folder(path: str) -> tuple[str, str]:
    folder, slash, name = path.rpartition("/")
    return name, folder + slash
