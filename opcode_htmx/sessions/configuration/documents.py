"""Make, change and delete the commands, skills and subagents of a user or a project."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping

from opcode_htmx.engines.claude.config.documents import front_matter, kinds, listing
from opcode_htmx.engines.claude.config.documents.kinds import FIELDS, Kind
from opcode_htmx.engines.claude.config.documents.listing import Entry
from opcode_htmx.engines.claude.config.scopes import Scope
from opcode_htmx.engines.claude.config.slash_commands import as_line, tools_of
from opcode_htmx.lib.concurrency.cooperative import run_cpu_in_thread
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.files.versioned_files import NO_FILE, Deleted, FileChanged
from opcode_htmx.lib.identity import Identity
from opcode_htmx.sessions.configuration.service import ChosenProject, Configuration


class NameTaken(Exception):
    """There is such a document already; the text says so."""


class InvalidDocument(Exception):
    """A field or text that a document cannot have; the text says why."""


@dataclass(frozen=True, slots=True)
class Content:
    """What a document says: its fields as the texts of their controls, and its text."""

    values: Mapping[str, str]
    body: str
    revision: str = NO_FILE
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Documents:
    """The documents, found by their own listing: no path is made of what an address says."""

    configuration: Configuration

    def all(self, kind: Kind, project: ChosenProject) -> list[Entry]:
        """The documents of the project and of the user."""
        return list(self._entries(kind, project).values())

    def find(self, kind: Kind, project: ChosenProject, scope: str, name: str) -> Entry | None:
        """A listed document."""
        if scope not in kinds.SCOPES:
            return None
        return self._entries(kind, project).get((Scope(scope), name))

    def read(self, entry: Entry) -> Content:
        """What stands in a document. Raises FileRefused."""
        file = self.configuration.files.read(entry.place)
        document = run_cpu_in_thread(front_matter.parse, file.text)
        values = values_of(entry.kind, document)
        return Content(values, document.body, file.revision, document.problem)

    def create(
        self, kind: Kind, project: ChosenProject, scope: Scope, name: str, content: Content,
        by: Identity,
    ) -> Entry:  # fmt: skip
        """Write a new document. Raises InvalidName, InvalidDocument, NameTaken, FileRefused."""
        config_dir = self.configuration.workspace.config_dir
        root = kinds.root_of(kind, scope, config_dir, project.folder)
        if root is None:
            raise InvalidDocument("Choose a project, or make it for all projects.")
        path = kinds.path_of(kind, root, name)
        name = name.removeprefix("/")
        taken = f"There is a {kind.noun} “{name}” already."
        known = [each for each in self.all(kind, project) if each.scope == scope]
        if any(name in (each.name, each.called) for each in known):
            raise NameTaken(taken)
        own = {} if kind is Kind.COMMAND else {"name": name}
        text = _changed("", {**own, **_checked(kind, content.values)}, content.body)
        place = kinds.place_of(scope, path, project.folder)
        try:
            self.configuration.save(place, text, NO_FILE, by)
        except FileChanged:
            raise NameTaken(taken) from None
        found = self.find(kind, project, scope, name)
        if found is None:
            raise InvalidDocument(f"{path} was written, but it is not read from there.")
        return found

    def save(self, entry: Entry, content: Content, by: Identity) -> None:
        """Change a document. Raises FileChanged, FileRefused, InvalidDocument."""
        file = self.configuration.files.read(entry.place)
        if file.revision != content.revision:
            raise FileChanged(entry.place, file)
        before = self.read(entry)
        values = _checked(entry.kind, content.values, before.values)
        # a header that is no YAML is written again, as far as it is known
        if not before.problem:
            values = {name: value for name, value in values.items() if value != before.values[name]}
        body = None if content.body == before.body.replace("\r\n", "\n") else content.body
        text = _changed(file.text, values, body)
        if text != file.text:
            self.configuration.save(entry.place, text, content.revision, by)

    def remove(self, entry: Entry, based_on: str, by: Identity) -> Deleted:
        """Delete a document; it can be put back. Raises FileChanged, FileRefused."""
        deleted = self.configuration.remove(entry.place, based_on, by)
        if entry.kind is Kind.SKILL:
            with contextlib.suppress(OSError):  # it holds other files of the skill
                entry.place.path.parent.rmdir()
        return deleted

    def _entries(self, kind: Kind, project: ChosenProject) -> dict[tuple[Scope, str], Entry]:
        return listing.entries(kind, self.configuration.workspace.config_dir, project.folder)


def values_of(kind: Kind, document: front_matter.Document) -> dict[str, str]:
    """The texts of the controls for the fields of a document."""
    return {
        field.name: ", ".join(tools_of(document.fields.get(field.name)))
        if field.is_list
        else _text(document.fields.get(field.name))
        for field in FIELDS[kind]
    }


def _text(value: object) -> str:
    match value:
        case str():
            return value.strip()
        case list():
            return as_line(value)
        case bool():
            return "true" if value else "false"
        case int() if abs(value) < kinds.MOST_NUMBER:
            return str(value)
        case _:
            return ""


def _checked(
    kind: Kind, values: Mapping[str, str], before: Mapping[str, str] | None = None
) -> dict[str, str]:
    """The values of all fields, without what surrounds them; `before` are those of the file.

    Raises InvalidDocument.
    """
    found = {}
    for field in FIELDS[kind]:
        value = values.get(field.name, "").replace("\r\n", "\n").strip()
        if before and value == before[field.name]:
            found[field.name] = value
            continue
        if field.name != "description":
            value = " ".join(value.split())
        if field.is_required and not value:
            raise InvalidDocument(f"Give the {kind.noun} a description: Claude chooses it by that.")
        if field.name == "color" and value and value not in kinds.COLORS:
            raise InvalidDocument("Choose one of the colors.")
        found[field.name] = value
    return found


def _changed(text: str, values: Mapping[str, str], body: str | None) -> str:
    fields = {name: value or None for name, value in values.items()}
    if not text:
        fields = {name: value for name, value in fields.items() if value}
        body = f"{(body or '').rstrip()}\n"
    try:
        return run_cpu_in_thread(front_matter.changed, text, fields, body)
    except front_matter.HeaderRefused as error:
        raise InvalidDocument(str(error)) from None
