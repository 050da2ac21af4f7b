"""The settings that a Claude CLI knows, from the JSON schema that it describes them with."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import TYPE_CHECKING

from opcode_htmx.lib.coerce import Json
from opcode_htmx.lib.dataclass import dataclass

if TYPE_CHECKING:
    from jsonschema_rs import ValidationError

DEEPEST = 3
"""Objects in objects that have settings of their own; what is deeper is edited as JSON."""
MOST_PROBLEMS = 20


class Kind(StrEnum):
    """What a setting's value is, and so which control it is edited with."""

    SWITCH = "switch"
    CHOICE = "choice"
    WHOLE_NUMBER = "whole number"
    NUMBER = "number"
    TEXT = "text"
    LIST = "list"
    """Of texts."""
    NAMES = "names"
    """An object of any names, each with a text."""
    JSON = "json"


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting: the keys that lead to it, what it does in the CLI's words, and its values."""

    path: tuple[str, ...]
    kind: Kind
    description: str = ""
    choices: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None

    @property
    def name(self) -> str:
        """Its keys, such as `sandbox.enabled`."""
        return ".".join(self.path)


@dataclass(frozen=True, slots=True)
class Problem:
    """A value that the CLI does not accept: the keys that lead to it, and why."""

    name: str
    reason: str


class SettingsSchema:
    """The schema of one version of the CLI."""

    def __init__(self, schema: Json) -> None:
        self._schema = schema

    @functools.cached_property
    def settings(self) -> Mapping[str, Setting]:
        """All settings by their names, in the CLI's order."""
        found = _settings(self._schema, ())
        return {each.name: each for each in found if each.path != ("$schema",)}

    def has_settings_below(self, path: tuple[str, ...]) -> bool:
        """Whether settings have keys that begin with these."""
        return any(each.path[: len(path)] == path for each in self.settings.values())

    def constants_of(self, setting: Setting) -> list[tuple[tuple[str, ...], object]]:
        """The constants that an object must hold beside this setting, such as its type."""
        above = setting.path[:-1]
        schema: object = self._schema
        for key in above:
            schema = schema["properties"][key] if isinstance(schema, dict) else None
        match schema:
            case {"properties": dict(properties), "required": list(required)} if above:
                return [
                    ((*above, name), properties[name]["const"])
                    for name in required
                    if "const" in properties.get(name, ())
                ]
            case _:
                return []

    def hook_forms(self) -> list[Json]:
        """The schemas of the kinds of hooks, each with a constant `type`; empty if unknown."""
        found: object = self._schema
        for key in _HOOK_FORMS:
            found = found.get(key) if isinstance(found, dict) else None
        forms = found if isinstance(found, list) else []
        return [form for form in forms if _is_hook_form(form)]

    def problems(self, values: Json) -> list[Problem]:
        """What is wrong with the content of a settings file."""
        # Imported late: only those who edit settings need it
        import jsonschema_rs

        try:
            errors = jsonschema_rs.validator_for(self._schema).iter_errors(values)
            return [
                Problem(".".join(map(str, each.instance_path)), _sentence(each))
                for each in itertools.islice(errors, MOST_PROBLEMS)
            ]
        except (UnicodeEncodeError, ValueError):  # half a character, or it is nested too deeply
            return [Problem("", "It holds something that cannot be checked.")]

    def problems_of(self, setting: Setting, value: object) -> list[Problem]:
        """What is wrong with the value of one setting."""
        *above, last = setting.path
        whole: Json = {last: value}
        for key in reversed(above):
            whole = {key: whole}
        return [each for each in self.problems(whole) if _is_below(each.name, setting.name)]


_OF_EACH = ("additionalProperties", "items", "properties", "hooks", "items", "anyOf")
_HOOK_FORMS = ("properties", "hooks", *_OF_EACH)


def _is_hook_form(form: object) -> bool:
    match form:
        case {"properties": {"type": {"const": str()}}}:
            return True
        case _:
            return False


def _is_below(name: str, holder: str) -> bool:
    return name == holder or name.startswith(f"{holder}.")


def _settings(schema: Json, path: tuple[str, ...]) -> Iterator[Setting]:
    properties = schema.get("properties")
    for key, given in properties.items() if isinstance(properties, dict) else ():
        if isinstance(given, dict):
            yield from _setting(given, (*path, key))


def _setting(schema: Json, path: tuple[str, ...]) -> Iterator[Setting]:
    if isinstance(schema.get("properties"), dict) and len(path) < DEEPEST:
        yield from _settings(schema, path)
        return
    yield Setting(
        path=path,
        kind=_kind(schema),
        description=str(schema.get("description") or ""),
        choices=tuple(str(each) for each in schema.get("enum", ()) if isinstance(each, str)),
        minimum=_bound(schema, "minimum", "exclusiveMinimum", 1),
        maximum=_bound(schema, "maximum", "exclusiveMaximum", -1),
    )


def _kind(schema: Json) -> Kind:
    match schema:
        case {"type": "boolean"}:
            return Kind.SWITCH
        case {"type": "string", "enum": [*_]}:
            return Kind.CHOICE
        case {"type": "string"}:
            return Kind.TEXT
        case {"type": "integer"}:
            return Kind.WHOLE_NUMBER
        case {"type": "number"}:
            return Kind.NUMBER
        case {"type": "array", "items": {"type": "string"}}:
            return Kind.LIST
        case {"type": "object", "additionalProperties": {"type": "string"}}:
            return Kind.NAMES
        case _:
            return Kind.JSON


_SAFE = 2**53
"""A bound beyond it is that of the number format."""


def _bound(schema: Json, inclusive: str, exclusive: str, step: int) -> float | None:
    """A bound that says something to a person; of whole numbers, inclusive."""
    for name, more in ((inclusive, 0), (exclusive, step)):
        value = schema.get(name)
        if (
            isinstance(value, int | float)
            and not isinstance(value, bool)
            and abs(value) < _SAFE - 1
        ):
            return value + more if schema.get("type") == "integer" else value
    return None


def _sentence(error: ValidationError) -> str:
    kind, value = error.kind.name, error.kind.value
    match kind, value:
        case "type", list():
            return f"It must be {' or '.join(_NOUNS.get(str(each), str(each)) for each in value)}."
        case "enum", list():
            return f"It must be one of: {', '.join(map(str, value))}."
        case (("minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum"), _):
            return f"It must be {_BOUNDS[kind]} {value}."
        case "required", str():
            return f"“{value}” is missing in it."
        case "propertyNames", _:
            return f"It holds a name that Claude does not know: {value.message[:200]}."
        case (("anyOf" | "oneOf"), _):
            return "It has none of the forms that Claude reads."
        case _:
            return f"{error.message[:300]}."


_BOUNDS = {
    "minimum": "at least",
    "maximum": "at most",
    "exclusiveMinimum": "more than",
    "exclusiveMaximum": "less than",
}
_NOUNS = {
    "string": "a text",
    "boolean": "true or false",
    "integer": "a whole number",
    "number": "a number",
    "array": "a list: [ … ]",
    "object": "an object: { … }",
}
