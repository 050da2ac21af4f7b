"""The values of settings as text for a form and for a list, and back. Pure."""

from __future__ import annotations

import json

from opcode_htmx.engines.claude.config import secrets
from opcode_htmx.engines.claude.config.redaction import HIDDEN, is_secret
from opcode_htmx.engines.claude.config.secrets import SecretMissing
from opcode_htmx.engines.claude.config.settings_schema import Kind, Setting
from opcode_htmx.lib.formatting import one_line

LONGEST_PREVIEW = 120


class InvalidValue(Exception):
    """A text is no value of a setting; the text of the error says what it must be."""


def preview(setting: Setting, value: object) -> str:
    """A value on one line, without its secrets."""
    match value:
        case bool():
            return "on" if value else "off"
        case str():
            return one_line(value, LONGEST_PREVIEW) or "(empty)"
        case list() if all(isinstance(each, str) for each in value):
            return one_line(", ".join(value), LONGEST_PREVIEW) or "(none)"
        case dict() if setting.kind is Kind.NAMES:
            return one_line(", ".join(_assignments(value)), LONGEST_PREVIEW) or "(none)"
        case _:
            shown = secrets.hidden_in(setting.path[-1], value)
            return one_line(json.dumps(shown, ensure_ascii=False), LONGEST_PREVIEW)


def as_text(setting: Setting, value: object) -> str:
    """A value as the text of its control; empty for None. Secrets are hidden."""
    match setting.kind, value:
        case _, None:
            return ""
        case Kind.SWITCH, bool():
            return "on" if value else "off"
        case Kind.LIST, list() if all(isinstance(e, str) and "\n" not in e for e in value):
            return "\n".join(value)
        case Kind.NAMES, dict() if all(
            isinstance(e, str) and "\n" not in e for e in value.values()
        ):
            return "\n".join(_assignments(value))
        case ((Kind.TEXT | Kind.CHOICE), str()):
            return value
        case ((Kind.NUMBER | Kind.WHOLE_NUMBER), int() | float()):
            return f"{value}"
        case _:
            shown = secrets.hidden_in(setting.path[-1], value)
            return json.dumps(shown, indent=2, ensure_ascii=False)


def from_text(setting: Setting, text: str, before: object) -> object:
    """The value that a person typed; a hidden secret keeps the value that it had in `before`.

    Raises InvalidValue.
    """
    match setting.kind:
        case Kind.SWITCH:
            if text not in ("on", "off"):
                raise InvalidValue("Choose on or off.")
            return text == "on"
        case Kind.CHOICE | Kind.TEXT:
            if not text and setting.kind is Kind.CHOICE:
                raise InvalidValue("Choose one of the values.")
            return text
        case Kind.WHOLE_NUMBER | Kind.NUMBER:
            return _number(setting, text)
        case Kind.LIST if not text.lstrip().startswith("["):
            return [line.strip() for line in text.splitlines() if line.strip()]
        case Kind.NAMES if not text.lstrip().startswith("{"):
            return _names(text, before)
        case _:
            try:
                return secrets.revealed_in(setting.path[-1], _json(text), before)
            except SecretMissing as error:
                raise InvalidValue(str(error)) from None


def _number(setting: Setting, text: str) -> object:
    try:
        return int(text) if setting.kind is Kind.WHOLE_NUMBER else float(text.replace(",", "."))
    except ValueError:
        raise InvalidValue(f"It must be a {setting.kind}.") from None


def _names(text: str, before: object) -> dict[str, str]:
    known = before if isinstance(before, dict) else {}
    found: dict[str, str] = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        name, equals, value = line.partition("=")
        name = name.strip()
        if not (equals and name):
            raise InvalidValue(f"“{line}” is no line of the form NAME=value.")
        if name in found:
            raise InvalidValue(f"“{name}” stands in it twice; keep one of them.")
        kept = known.get(name)
        if value == HIDDEN and not isinstance(kept, str):
            raise InvalidValue(f"Type the value of {name}: there is none yet.")
        found[name] = str(kept) if value == HIDDEN else value
    return found


def _json(text: str) -> object:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise InvalidValue(
            f"It is not valid JSON: line {error.lineno}, column {error.colno}: {error.msg}."
        ) from None
    except (ValueError, RecursionError):
        raise InvalidValue("It holds something that JSON cannot hold.") from None


def _assignments(value: dict[str, object]) -> list[str]:
    return [f"{name}={HIDDEN if is_secret(name, each) else each}" for name, each in value.items()]
