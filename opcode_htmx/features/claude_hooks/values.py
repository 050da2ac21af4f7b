"""A hook as the texts of a form's fields, and back. Pure."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping

from opcode_htmx.engines.claude.config import secrets
from opcode_htmx.engines.claude.config.redaction import HIDDEN
from opcode_htmx.engines.claude.config.secrets import SecretMissing
from opcode_htmx.engines.claude.config.settings_schema import SettingsSchema
from opcode_htmx.features.claude_hooks.kinds import Control, Field, HookKind
from opcode_htmx.lib.coerce import Json


class BadField(Exception):
    """A field cannot be used; the text is a sentence for the user."""


def as_form(kind: HookKind, config: Json) -> dict[str, str]:
    """The texts of the fields; secrets are hidden."""
    config = {**config, **secrets.hidden_in("", dict(config))}
    return {field.name: _as_text(field, config.get(field.name)) for field in kind.fields}


def others(kind: HookKind, config: Json) -> list[str]:
    """The keys of a hook that have no field; they are kept."""
    known = {field.name for field in kind.fields}
    return [key for key in config if key != "type" and key not in known]


def from_form(kind: HookKind, texts: Mapping[str, str], before: Json) -> Json:
    """The hook with these texts, and with the keys of `before` that have no field.

    Raises BadField.
    """
    config = {"type": kind.type, **before}
    config["type"] = kind.type
    for field in kind.fields:
        value = _value(field, texts.get(field.name, ""), before.get(field.name))
        if value is None:
            if field.is_required:
                raise BadField(f"“{field.label}” must not be empty.")
            config.pop(field.name, None)
        else:
            config[field.name] = value
    try:
        config = dict(secrets.revealed_in("", config, before))
    except SecretMissing as error:
        raise BadField(str(error)) from None
    _check_schema(kind, config)
    return config


def check(kind: HookKind, config: Json) -> None:
    """A hook that a program has written. Raises BadField."""
    for field in kind.fields:
        if field.is_required and not config.get(field.name):
            raise BadField(f"“{field.label}” must not be empty.")
    _check_schema(kind, config)


def _check_schema(kind: HookKind, config: Json) -> None:
    """Raises BadField for what the CLI would not accept."""
    if kind.form and (problems := SettingsSchema(kind.form).problems(config)):
        labels = {field.name: field.label for field in kind.fields}
        first = problems[0]
        name = labels.get(first.name.partition(".")[0], first.name)
        raise BadField(f"{name}: {first.reason}" if name else first.reason)


def _as_text(field: Field, value: object) -> str:
    match field.control, value:
        case _, None:
            return ""
        case Control.SWITCH, bool():
            return "on" if value else ""
        case Control.HEADERS, dict():
            return "\n".join(f"{name}: {HIDDEN}" for name in value)
        case Control.LIST, list() if all(map(_is_line, value)):
            return "\n".join(value)
        case ((Control.TEXT | Control.CODE | Control.PROSE | Control.CHOICE), str()):
            return value
        case Control.NUMBER, (int() | float()):
            return f"{value:g}" if isinstance(value, float) else str(value)
        case _:
            return json.dumps(value, indent=2, ensure_ascii=False)


def _is_line(value: object) -> bool:
    return isinstance(value, str) and value == value.strip() != "" and "\n" not in value


def _value(field: Field, text: str, before: object) -> object:
    """The value of a field; None if it is empty."""
    if field.control is Control.SWITCH:
        return True if text else (False if before is False else None)
    if not text.strip():
        return None
    match field.control:
        case Control.NUMBER:
            return _number(field, text)
        case Control.CHOICE:
            if text not in field.choices and text != before:
                raise BadField(f"{field.label}: choose one of {', '.join(field.choices)}.")
            return text
        case Control.LIST if not text.lstrip().startswith("["):
            return [line.strip() for line in text.splitlines() if line.strip()]
        case Control.HEADERS:
            return _headers(text.splitlines(), before if isinstance(before, dict) else {})
        case Control.JSON | Control.LIST:
            return _json(field, text)
        case Control.TEXT:
            return text.strip()
        case _:
            return text


def _number(field: Field, text: str) -> float:
    try:
        value = float(text.strip().replace(",", "."))
    except ValueError:
        raise BadField(f"{field.label}: it must be a number.") from None
    if not math.isfinite(value) or value <= 0:
        raise BadField(f"{field.label}: it must be more than 0.")
    return int(value) if value.is_integer() else value


def _headers(lines: Iterable[str], before: Json) -> Json:
    found: Json = {}
    for line in filter(None, map(str.strip, lines)):
        name, colon, value = line.partition(":")
        name, value = name.strip(), value.strip()
        if not (name and colon):
            raise BadField(f"Headers: “{line[:100]}” is no line of the form Name: value.")
        if value == HIDDEN:
            if name not in before:
                raise BadField(f"Headers: type the value of {name}: there is none yet.")
            value = before[name]
        found[name] = value
    return found


def _json(field: Field, text: str) -> object:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise BadField(
            f"{field.label}: it is not valid JSON: line {error.lineno}, column {error.colno}: "
            f"{error.msg}."
        ) from None
    except (ValueError, RecursionError):
        raise BadField(f"{field.label}: it holds something that JSON cannot hold.") from None
