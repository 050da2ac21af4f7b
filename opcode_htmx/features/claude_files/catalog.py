"""The files that can be edited as text, each with a name for addresses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field, replace

from opcode_htmx.engines.claude.config import json_text
from opcode_htmx.engines.claude.config.documents.kinds import Kind
from opcode_htmx.engines.claude.config.json_text import InvalidJson
from opcode_htmx.engines.claude.config.scopes import SHARED_MODE, user_memory_place
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.files.versioned_files import FileText, Place
from opcode_htmx.sessions.configuration import memory
from opcode_htmx.sessions.configuration.documents import Documents
from opcode_htmx.sessions.configuration.service import ChosenProject, Configuration

MOST_DELETED = 20
"""Deleted files in the list."""


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """A file, whether or not it exists. JSON is checked before it is saved."""

    place: Place
    title: str
    holds: str
    is_json: bool = False
    is_settings: bool = False
    page: str = "claude_files.page"
    """The endpoint of the page above the editor, and its values."""
    values: Mapping[str, str] = field(default_factory=dict)


def find(configuration: Configuration, project: ChosenProject, name: str) -> ConfigFile | None:
    """The file with a name: a fixed one, or one that is listed as memory or as a document."""
    kind, _, rest = name.partition(".")
    if kind in set(Kind):
        return _document(configuration, project, Kind(kind), rest)
    fixed = files_of(configuration, project).get(name)
    if not name.startswith("memory-"):
        return fixed
    file = memory.find(configuration, project, name)
    if file is None:
        return fixed
    found = fixed or ConfigFile(file.place, file.title, "Instructions or notes that Claude reads")
    if not file.exists:
        return replace(found, page="claude_memory.page")
    return replace(found, page="claude_memory.file", values={"memory_file": name})


def _document(
    configuration: Configuration, project: ChosenProject, kind: Kind, rest: str
) -> ConfigFile | None:
    scope, _, name = rest.partition(".")
    found = Documents(configuration).find(kind, project, scope, name)
    if found is None:
        return None
    return ConfigFile(
        found.place,
        found.called,
        f"A {kind.noun} of the {scope}",
        page=f"claude_{kind}.shown",
        values={"scope": scope, "document": name},
    )


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


def read(configuration: Configuration, file: ConfigFile) -> FileText:
    """What a file holds, without its secrets. Raises FileRefused."""
    if file.is_json:
        return configuration.read_json(file.place)
    return configuration.files.read(file.place)


def problems_of(configuration: Configuration, file: ConfigFile, text: str) -> list[str]:
    """What Claude would not accept in a settings file; a person may save it all the same."""
    if not file.is_settings:
        return []
    schema = configuration.schema.schema()
    try:
        found = schema.problems(json_text.parse(text)) if schema else []
    except InvalidJson as error:
        return [str(error)]
    return [f"{each.name}: {each.reason}" if each.name else each.reason for each in found]
