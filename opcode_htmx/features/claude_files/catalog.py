"""The files that can be edited as text, each with a name for addresses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from opcode_htmx.engines.claude.config.scopes import SHARED_MODE, user_memory_place
from opcode_htmx.lib.files.versioned_files import Place
from opcode_htmx.sessions.configuration.service import ChosenProject, Configuration


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """A file, whether or not it exists. JSON is checked before it is saved."""

    place: Place
    title: str
    holds: str
    is_json: bool = False
    is_settings: bool = False


def files_of(configuration: Configuration, project: ChosenProject) -> Mapping[str, ConfigFile]:
    """The files of the user and, if one is chosen, of a project, by their names."""
    titles = {
        "user": ("settings.json of the user", "Settings for all your projects"),
        "project": ("settings.json of the project", "Settings for everyone in this project"),
        "local": ("settings.local.json", "Your settings in this project"),
    }
    found = {
        f"settings-{scope}": ConfigFile(place, *titles[scope], is_json=True, is_settings=True)
        for scope, place in configuration.settings_places(project).items()
    }
    config_dir, folder = configuration.workspace.config_dir, project.folder
    found["memory-user"] = ConfigFile(
        user_memory_place(config_dir), "CLAUDE.md of the user", "Instructions in all projects"
    )
    if folder:
        found["memory-project"] = ConfigFile(
            Place(folder / "CLAUDE.md", root=folder, new_mode=SHARED_MODE),
            "CLAUDE.md of the project",
            "Instructions in this project",
        )
        found["memory-local"] = ConfigFile(
            Place(folder / "CLAUDE.local.md", root=folder),
            "CLAUDE.local.md",
            "Your instructions in this project",
        )
        found["mcp-project"] = ConfigFile(
            Place(folder / ".mcp.json", root=folder, new_mode=SHARED_MODE),
            ".mcp.json",
            "MCP servers for everyone in this project",
            is_json=True,
        )
    return found
