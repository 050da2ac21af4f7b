"""The memory of Claude: CLAUDE.md files, what they import, rules, and what Claude has noted.

What Claude reads it says itself. Files that it reads only when it works on certain others (rules
for some paths, CLAUDE.md in folders inside the project) and those that are missing are found here.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from pathlib import Path

from opcode_htmx.engines.claude.config import json_text, queries
from opcode_htmx.engines.claude.config.documents.kinds import Kind, checked_name
from opcode_htmx.engines.claude.config.scopes import SHARED_MODE, Scope, user_memory_place
from opcode_htmx.engines.claude.config.slash_commands import markdown_files
from opcode_htmx.engines.claude.files.folder_names import claude_folder
from opcode_htmx.lib.coerce import Json, as_str
from opcode_htmx.lib.concurrency.cooperative import run_cpu_in_thread
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.files import confined
from opcode_htmx.lib.files.versioned_files import NO_FILE, FileChanged, Place
from opcode_htmx.lib.identity import Identity
from opcode_htmx.lib.late.patterns import late_pattern
from opcode_htmx.sessions.configuration.reports import ClaudeReport
from opcode_htmx.sessions.configuration.service import ChosenProject, Configuration

MOST_ENTRIES = 20_000
"""Files and folders of a project that are looked at."""
MOST_FILES = 300
"""Of each kind."""
SKIPPED = frozenset(
    [
        "node_modules",
        "target",
        "dist",
        "build",
        "out",
        "vendor",
        "venv",
        "env",
        "__pycache__",
        "coverage",
        "bower_components",
    ]
)
"""Folders in which programs put files; hidden ones are skipped as well."""

SETTING = "autoMemoryEnabled"
_NAME = late_pattern(r"memory-[0-9a-f]{16}", re.ASCII)


class MemoryKind(StrEnum):
    """Why Claude reads a file."""

    USER = "user"
    PROJECT = "project"
    LOCAL = "local"
    RULE = "rule"
    IMPORT = "import"
    FOLDER = "folder"
    """CLAUDE.md of a folder inside the project."""
    ABOVE = "above"
    """From elsewhere: a folder above the project, or the administrator."""
    NOTE = "note"
    """Claude's own."""


class RuleExists(Exception):
    """There is such a rule already; the text says so."""


DELETABLE = frozenset({MemoryKind.NOTE, MemoryKind.RULE, MemoryKind.FOLDER})


@dataclass(frozen=True, slots=True)
class MemoryFile:
    """A file; `name` is that for addresses. `size` and `modified` are None if it is missing."""

    name: str
    kind: MemoryKind
    title: str
    place: Place
    size: int | None = None
    modified: float | None = None
    description: str = ""
    depth: int = 0
    """How many imports lead to it."""

    @property
    def exists(self) -> bool:
        return self.size is not None


@dataclass(frozen=True, slots=True)
class Memory:
    """All files; `automatic` is whether Claude takes notes, None if it did not say."""

    files: Sequence[MemoryFile]
    notes: Sequence[MemoryFile]
    automatic: bool | None
    is_switchable: bool

    def find(self, name: str) -> MemoryFile | None:
        return next((each for each in (*self.files, *self.notes) if each.name == name), None)


def find(configuration: Configuration, project: ChosenProject, name: str) -> MemoryFile | None:
    """The file with a name of the list; Claude is asked only where its place is not a usual one."""
    for file in _usual(configuration.workspace.config_dir, project.folder):
        if file.name == name:
            return file
    if not _NAME.fullmatch(name):
        return None
    return memory_of(configuration, project, configuration.report(project)).find(name)


def memory_of(configuration: Configuration, project: ChosenProject, report: ClaudeReport) -> Memory:
    """The memory of the user or, if one is chosen, of a project; `report` is that for it."""
    config_dir, folder = configuration.workspace.config_dir, project.folder
    found: dict[Path, MemoryFile] = {}
    for file in _usual(config_dir, folder):
        found.setdefault(file.place.path, file)
    said = report.answer(queries.MEMORY)
    is_of_project = folder is not None and project.is_trusted
    listed = list(_listed(said, config_dir, folder)) if is_of_project else []
    for file in listed:
        found.setdefault(file.place.path, file)
    order = {file.place.path: number for number, file in enumerate(listed)}
    files = sorted(found.values(), key=lambda file: order.get(file.place.path, len(order)))
    automatic = said.get("auto_memory")
    state = automatic if isinstance(automatic, dict) else {}
    return Memory(
        files=[*_in_order(files)],
        notes=list(_notes(said, config_dir, folder)) if folder and is_of_project else [],
        automatic=state.get("enabled") if isinstance(state.get("enabled"), bool) else None,
        is_switchable=state.get("toggleable") is True,
    )


def new_rule(config_dir: Path, project: Path | None, scope: str, name: str) -> MemoryFile:
    """A rule that is to be made, of the project or the user. Raises InvalidName."""
    name = name.strip().removesuffix(".md").replace("/", ":")
    parts = checked_name(Kind.COMMAND, name)
    if project and scope == Scope.PROJECT:
        path = str(Path(".claude", "rules", *parts)) + ".md"
        return _file(MemoryKind.RULE, path, _shared(project, path))
    path = str(Path("rules", *parts)) + ".md"
    return _file(MemoryKind.RULE, path, Place(config_dir / path))


def make_rule(
    configuration: Configuration, project: ChosenProject, scope: str, name: str, by: Identity
) -> MemoryFile:
    """Make an empty rule. Raises InvalidName, FileRefused, RuleExists."""
    config_dir = configuration.workspace.config_dir
    made = new_rule(config_dir, project.folder, scope, name)
    try:
        configuration.save(made.place, "", NO_FILE, by)
    except FileChanged:
        raise RuleExists("There is a rule with this name already.") from None
    return made


def set_automatic(
    configuration: Configuration, project: ChosenProject, is_on: bool, by: Identity
) -> None:
    """Whether Claude takes notes: in a project for the user, or else in all projects.

    Raises FileChanged, FileRefused, InvalidJson.
    """
    scope = Scope.LOCAL if project.folder else Scope.USER
    place = configuration.settings_places(project)[scope]
    before = configuration.files.read(place)
    text = json_text.with_value(before.text, (SETTING,), is_on)
    configuration.save(place, text, before.revision, by)


def _in_order(files: Iterable[MemoryFile]) -> list[MemoryFile]:
    """Those that are missing last, else as Claude reads them."""
    return sorted(files, key=lambda file: not file.exists)


def _usual(config_dir: Path, project: Path | None) -> list[MemoryFile]:
    """The same as `_known`; a project may have any number of files, so others run meanwhile."""
    return run_cpu_in_thread(lambda: list(_known(config_dir, project)))


def _known(config_dir: Path, project: Path | None) -> Iterator[MemoryFile]:
    """The files at their usual places, whether or not Claude reads them now."""
    user = user_memory_place(config_dir)
    yield _file(MemoryKind.USER, "CLAUDE.md of the user", user, "memory-user")
    for path in _markdown(config_dir / "rules"):
        yield _file(MemoryKind.RULE, f"rules/{path.relative_to(config_dir / 'rules')}", Place(path))
    if project is None:
        return
    yield _file(MemoryKind.PROJECT, "CLAUDE.md", _shared(project, "CLAUDE.md"), "memory-project")
    inner = _shared(project, ".claude/CLAUDE.md")
    if inner.path.is_file():
        yield _file(MemoryKind.PROJECT, ".claude/CLAUDE.md", inner)
    local = Place(project / "CLAUDE.local.md", root=project)
    yield _file(MemoryKind.LOCAL, "CLAUDE.local.md", local, "memory-local")
    rules = project / ".claude" / "rules"
    for path in _markdown(rules) if confined.is_inside(rules, project) else ():
        name = str(path.relative_to(project))
        yield _file(MemoryKind.RULE, name, _shared(project, name))
    for name in _in_folders(project):
        yield _file(MemoryKind.FOLDER, name, _shared(project, name))


def _listed(said: Json, config_dir: Path, project: Path | None) -> Iterator[MemoryFile]:
    """The files that Claude says it reads."""
    listed = said.get("files")
    for each in listed if isinstance(listed, list) else ():
        if not isinstance(each, dict) or each.get("exists") is not True:
            continue
        path, label = Path(as_str(each.get("path"))), as_str(each.get("label"))
        if not path.is_absolute():
            continue
        depth = (len(label) - len(label.lstrip()) + 2) // 2 if label.lstrip()[:2] == "L " else 0
        kind = MemoryKind.IMPORT if depth else MemoryKind.ABOVE
        if project and path.is_relative_to(project):
            place, title = Place(path, project, SHARED_MODE), str(path.relative_to(project))
        else:
            inside = path.is_relative_to(config_dir)
            place, title = Place(path, None if inside else path.parent), str(path)
        yield _file(kind, title, place, depth=depth)


def _notes(said: Json, config_dir: Path, project: Path) -> Iterator[MemoryFile]:
    """What Claude has noted by itself; the folder is known where it does not take notes, too."""
    described: dict[Path, str] = {}
    listed = said.get("memories")
    for each in listed if isinstance(listed, list) else ():
        if isinstance(each, dict):
            described[Path(as_str(each.get("path")))] = as_str(each.get("description"))
    folders = said.get("folders")
    named = [
        Path(as_str(each.get("path")))
        for each in (folders if isinstance(folders, list) else ())
        if isinstance(each, dict) and each.get("kind") == "auto"
    ]
    usual = config_dir / "projects" / claude_folder(project.resolve()) / "memory"
    for root in named or [usual]:
        for path in _markdown(root) if root.is_absolute() else ():
            description = described.get(path, "")
            name = str(path.relative_to(root))
            yield _file(MemoryKind.NOTE, name, Place(path, root), description=description)


def _file(
    kind: MemoryKind,
    title: str,
    place: Place,
    name: str = "",
    *,
    description: str = "",
    depth: int = 0,
) -> MemoryFile:
    size = modified = None
    try:
        status = place.path.stat()
    except OSError:
        pass
    else:
        size, modified = status.st_size, status.st_mtime
    name = name or f"memory-{hashlib.sha256(os.fsencode(place.path)).hexdigest()[:16]}"
    return MemoryFile(name, kind, title, place, size, modified, description, depth)


def _shared(project: Path, name: str) -> Place:
    return Place(project / name, root=project, new_mode=SHARED_MODE)


def _markdown(folder: Path) -> list[Path]:
    return markdown_files(folder, None)[:MOST_FILES]


def _in_folders(project: Path) -> list[str]:
    """CLAUDE.md in folders inside the project, relative to it."""
    found: list[str] = []
    seen = 0
    for inside, folders, names in os.walk(project):
        seen += len(folders) + len(names)
        folders[:] = sorted(f for f in folders if not f.startswith(".") and f not in SKIPPED)
        if Path(inside) != project:
            found += (
                str(Path(inside, name).relative_to(project))
                for name in ("CLAUDE.md", "CLAUDE.local.md")
                if name in names
            )
        if seen > MOST_ENTRIES:
            break
    return found[:MOST_FILES]
