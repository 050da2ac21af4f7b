"""Store how the pages look to each user, in one small file that all workers share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.files import file_locks
from opcode_htmx.lib.files.cached_json import CachedJsonFiles
from opcode_htmx.lib.files.json_files import JsonFileSchema

FILE = "appearance.json"
VERSION = 1

CHOICES: dict[str, dict[str, str]] = {
    "theme": {
        "system": "System",
        "light": "Light",
        "dark": "Dark",
        "contrast": "High contrast",
        "black": "Black",
    },
    "density": {"comfortable": "Comfortable", "compact": "Compact"},
    "font": {"90": "90 %", "100": "100 %", "115": "115 %", "130": "130 %", "150": "150 %"},
    "keys": {"on": "On", "off": "Off"},
    "reach": {"off": "Off", "on": "On"},
}
"""The values of each field of `Appearance`, with their labels."""


@dataclass(frozen=True, slots=True)
class Appearance:
    """How the pages look; the defaults need no attribute in a page."""

    theme: str = "system"
    density: str = "comfortable"
    font: str = "100"
    """The size of text, in percent of the browser's own."""
    keys: str = "on"
    """Whether single keys are shortcuts; speech input may press them unintended (WCAG 2.1.4)."""
    reach: str = "off"
    """Whether pages of a phone begin where the thumb of the hand that holds it reaches them."""

    @property
    def attributes(self) -> dict[str, str]:
        """The attributes of <html> by which style.css and the scripts know what was chosen."""
        chosen = asdict(self)
        return {
            f"data-{each.name}": chosen[each.name]
            for each in fields(self)
            if chosen[each.name] != each.default
        }

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Appearance:
        """From a form or a file; whatever is missing or unknown has its default."""
        known = {
            name: value
            for name, choices in CHOICES.items()
            if isinstance(value := values.get(name), str) and value in choices
        }
        return cls(**known)


class AppearanceStore:
    """What each user has chosen."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._files = CachedJsonFiles(_SCHEMA, 1)

    def of(self, user: str) -> Appearance:
        return self._load().get(user, Appearance())

    def choose(self, user: str, appearance: Appearance) -> None:
        """Keep it for all devices of a user. Raises OSError, DiskFull among them."""
        with file_locks.held(self._path.with_suffix(".lock")):
            users = {**self._load(), user: appearance}
            content = {"users": {name: asdict(each) for name, each in users.items()}}
            self._files.write(self._path, content)

    def _load(self) -> dict[str, Appearance]:
        return self._files.read(self._path) or {}


def _parse(found: dict[str, Any]) -> dict[str, Appearance]:
    return {user: Appearance.of(values) for user, values in found["users"].items()}


_SCHEMA = JsonFileSchema(VERSION, _parse)
