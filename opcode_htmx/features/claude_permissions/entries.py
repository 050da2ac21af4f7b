"""The entries under `permissions` of a settings file: checked, added and taken away. Pure."""

from __future__ import annotations

from collections.abc import Collection

from opcode_htmx.engines.claude.config import json_text
from opcode_htmx.engines.claude.config.json_text import InvalidJson
from opcode_htmx.engines.claude.permissions import rules
from opcode_htmx.engines.claude.permissions.rules import Behavior, InvalidRule
from opcode_htmx.lib.coerce import Json
from opcode_htmx.lib.dataclass import dataclass

FOLDERS = "additionalDirectories"
"""The list of the folders that Claude works in besides the project."""
NO_PLACE = "Choose where it is to stand."
NO_KIND = "Choose what becomes of such a call."


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry under `permissions` of a file: a rule, or a folder in the list FOLDERS."""

    kind: str
    """The name of its list."""
    text: str
    scope: str


def check(entry: Entry, places: Collection[str]) -> None:
    """Raises InvalidRule where a new entry would do nothing."""
    if entry.scope not in places:
        raise InvalidRule(NO_PLACE)
    if entry.kind == FOLDERS:
        if not entry.text or not entry.text.isprintable() or len(entry.text) > rules.LONGEST:
            raise InvalidRule("Type the path of a folder, such as ~/work/shared or ../other.")
    elif entry.kind not in list(Behavior):
        raise InvalidRule(NO_KIND)
    else:
        rules.check(entry.text)


def _entries(text: str, kind: str) -> list[object]:
    """Raises InvalidJson."""
    found = json_text.value_at(json_text.parse(text), ("permissions", kind))
    if found is None:
        return []
    if not isinstance(found, list):
        raise InvalidJson(f"“permissions.{kind}” holds something else than a list.")
    return found


def with_entry(text: str, entry: Entry) -> str:
    """A settings file with an entry more. Raises InvalidRule if it has it already, InvalidJson."""
    found = _entries(text, entry.kind)
    if entry.text in found:
        raise InvalidRule("It stands there already.")
    return json_text.with_value(text, ("permissions", entry.kind), [*found, entry.text])


def without(text: str, entry: Entry) -> str:
    """A settings file without an entry; as it is if it has none such. Raises InvalidJson."""
    path = ("permissions", entry.kind)
    before = _entries(text, entry.kind)
    found = [each for each in before if each != entry.text]
    if found == before:
        return text
    return json_text.with_value(text, path, found) if found else json_text.without(text, path)


def update(entry: Entry) -> Json:
    """The permission update by which Claude would write an entry."""
    destination = f"{entry.scope}Settings"
    if entry.kind == FOLDERS:
        return {"type": "addDirectories", "destination": destination, "directories": [entry.text]}
    rule = {"toolName": entry.text}  # the text as it stands, since the digest is that of the text
    return {
        "type": "addRules",
        "behavior": entry.kind,
        "destination": destination,
        "rules": [rule],
    }
