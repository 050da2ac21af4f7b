"""List the documents of a user and a project, as their files are.

A project's files are untrusted: as in `slash_commands`, nothing outside of it is read, and reading
headers takes a bounded time, in a thread.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from opcode_htmx.engines.claude.config import slash_commands
from opcode_htmx.engines.claude.config.documents import front_matter
from opcode_htmx.engines.claude.config.documents.kinds import SCOPES, Kind, place_of, root_of
from opcode_htmx.engines.claude.config.scopes import Scope
from opcode_htmx.lib.concurrency.cooperative import run_cpu_in_thread
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.files.versioned_files import Place

LONGEST_SUMMARY = 300
"""Characters of a description in a list."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A document in a list.

    `name` is that of its file, with the folders before it. `called` is what Claude calls it.
    """

    kind: Kind
    scope: Scope
    name: str
    called: str
    description: str
    place: Place
    problem: str = ""

    @property
    def key(self) -> tuple[Scope, str]:
        return self.scope, self.name


def entries(kind: Kind, config_dir: Path, project: Path | None) -> dict[tuple[Scope, str], Entry]:
    """All documents of a kind, the project's first. Others have their turn meanwhile."""
    return run_cpu_in_thread(_entries, kind, config_dir, project)


def _entries(kind: Kind, config_dir: Path, project: Path | None) -> dict[tuple[Scope, str], Entry]:
    deadline = time.thread_time() + slash_commands.SECONDS
    found: dict[tuple[Scope, str], Entry] = {}
    for scope in SCOPES:
        root = root_of(kind, scope, config_dir, project)
        if root is None:
            continue
        confines = project if scope is Scope.PROJECT else None
        for name, path in _paths(kind, root, confines):
            entry = _entry(kind, scope, name, path, confines, deadline)
            if entry:
                found.setdefault(entry.key, entry)
    return found


def _paths(kind: Kind, root: Path, confines: Path | None) -> Iterator[tuple[str, Path]]:
    if kind is Kind.SKILL:
        for path in slash_commands.skill_files(root, confines):
            yield path.parent.name, path
        return
    for path in slash_commands.markdown_files(root, confines):
        yield ":".join(path.relative_to(root).with_suffix("").parts), path


def _entry(
    kind: Kind, scope: Scope, name: str, path: Path, confines: Path | None, deadline: float
) -> Entry | None:
    try:
        name.encode()
        text = slash_commands.beginning(path, confines)
    except (OSError, UnicodeEncodeError, RuntimeError):
        return None
    place = place_of(scope, path, confines)
    if time.thread_time() > deadline:
        return Entry(kind, scope, name, name, "", place, "Reading all of them takes too long.")
    document = front_matter.parse(text)
    described = document.fields.get("description")
    first = next((line.strip("# \t") for line in document.body.splitlines() if line.strip()), "")
    description = described if isinstance(described, str) else ""
    if not description and kind is not Kind.AGENT:
        description = first
    called, problem = _called(kind, name, document.fields, bool(description))
    summary = " ".join(description[: 2 * LONGEST_SUMMARY].split())[:LONGEST_SUMMARY]
    return Entry(kind, scope, name, called, summary, place, problem)


def _called(
    kind: Kind, name: str, fields: front_matter.Fields, is_described: bool
) -> tuple[str, str]:
    """What Claude calls a document, and why it does not use it."""
    own = fields.get("name")
    if kind is Kind.COMMAND or not isinstance(own, str) or not own.strip():
        missing = kind is Kind.AGENT
        return name, "It has no name, so Claude does not use it." if missing else ""
    if kind is Kind.AGENT and not is_described:
        return own, "It has no description, so Claude does not use it."
    return own, ""
