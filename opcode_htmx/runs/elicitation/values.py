"""Check the answer to an MCP server's question against its schema, and read it from a form. Pure.

No error contains what the person has entered.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from typing import Any
from urllib.parse import urlsplit

from opcode_htmx.engines.messages import ElicitationRequest
from opcode_htmx.lib import bounded_json
from opcode_htmx.lib.coerce import DEEPEST
from opcode_htmx.lib.late.patterns import late_pattern
from opcode_htmx.runs.elicitation.fields import Field, FieldKind, fields_of, is_number, key_of

LONGEST = 20_000
"""Characters of one answer."""
LONGEST_NUMBER = 40
_INTEGER = late_pattern(r"[+-]?[0-9]+")
_DECIMAL = late_pattern(r"[+-]?(?:[0-9]+(?:[.,][0-9]*)?|[.,][0-9]+)(?:[eE][+-]?[0-9]+)?")
_NEEDED = "This is needed."


class InvalidContent(Exception):
    """An answer that does not fit its form; `problems` has a sentence for each such field."""

    def __init__(self, problems: Mapping[str, str], titles: Mapping[str, str]) -> None:
        first = next(iter(problems))
        others = len(problems) - 1
        more = f" {others} more to correct." if others else ""
        super().__init__(f"{titles.get(first, first)[:80]}: {problems[first]}{more}")
        self.problems = problems


class Unreadable(ValueError):
    """The typed text is no value of the field's kind; the message is a sentence for the person."""


def checked(request: ElicitationRequest, content: Mapping[str, Any]) -> dict[str, Any]:
    """The content, if it fits the form. Raises InvalidContent."""
    fields = fields_of(request)
    known = {field.name for field in fields}
    problems = dict.fromkeys(content.keys() - known, "The server has not asked for this.")
    for field in fields:
        if field.name not in content:
            problem = _NEEDED if field.is_required else ""
        else:
            problem = _problem(field, content[field.name])
        if problem:
            problems[field.name] = problem
    if problems:
        raise InvalidContent(problems, {field.name: field.title for field in fields})
    return dict(content)


def read_form(request: ElicitationRequest, typed: Callable[[int], Sequence[str]]) -> dict[str, Any]:
    """The content that was typed into a form; `typed` gives what field number n has.

    Raises InvalidContent.
    """
    fields = fields_of(request)
    content: dict[str, Any] = {}
    problems: dict[str, str] = {}
    for number, field in enumerate(fields):
        words = [each for each in typed(number) if each.strip()]
        try:
            if words or (field.kind is FieldKind.CHOICES and field.is_required):
                content[field.name] = _read(field, words)
        except Unreadable as error:
            problems[field.name] = str(error)
    try:
        checked(request, content)
    except InvalidContent as error:
        problems = {**error.problems, **problems}
    if problems:
        ordered = {each.name: problems[each.name] for each in fields if each.name in problems}
        raise InvalidContent(ordered, {field.name: field.title for field in fields})
    return content


# --- what was typed ------------------------------------------------------------------------


def _read(field: Field, words: Sequence[str]) -> Any:
    first = words[0] if words else ""
    if len(first) > LONGEST:
        raise Unreadable(f"This is longer than {LONGEST:,} characters.")
    match field.kind:
        case FieldKind.TEXT:
            return first.replace("\r\n", "\n")
        case FieldKind.INTEGER | FieldKind.NUMBER:
            return _number(first.strip(), whole=field.kind is FieldKind.INTEGER)
        case FieldKind.YES_NO:
            return first == "true"
        case FieldKind.CHOICE:
            return _chosen(field, first)
        case FieldKind.CHOICES:
            return [_chosen(field, each) for each in words]
        case FieldKind.DATE_TIME:
            return _with_zone(first.strip())
        case FieldKind.JSON:
            try:
                return bounded_json.loads(first, DEEPEST)
            except ValueError:
                raise Unreadable('This is not JSON. Put quotes around a text: "text".') from None
        case _:
            return first.strip()


def _number(text: str, *, whole: bool) -> int | float:
    is_integer = bool(_INTEGER.fullmatch(text))
    if len(text) > LONGEST_NUMBER or not (is_integer or _DECIMAL.fullmatch(text)):
        raise Unreadable("Use a whole number." if whole else "Use a number.")
    if is_integer:
        return int(text)
    return float(text.replace(",", "."))


def _chosen(field: Field, number: str) -> Any:
    """The value of a choice, by its number: its content is never taken from the form."""
    index = int(number) if number.isascii() and number.isdigit() and len(number) < 9 else -1
    if not 0 <= index < len(field.choices):
        raise Unreadable("Choose one of these.")
    return field.choices[index].value


def _with_zone(text: str) -> str:
    """A time with its zone; one without a zone is the time of this computer."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return text
    try:
        return moment.isoformat() if moment.tzinfo else moment.astimezone().isoformat()
    except (OverflowError, ValueError, OSError):
        return text


# --- values --------------------------------------------------------------------------------


def _problem(field: Field, value: Any) -> str:
    """What is wrong with a value, as a sentence; empty if nothing is."""
    match field.kind:
        case (
            FieldKind.TEXT | FieldKind.EMAIL | FieldKind.URI | FieldKind.DATE | FieldKind.DATE_TIME
        ):
            return _problem_of_text(field, value)
        case FieldKind.INTEGER | FieldKind.NUMBER:
            return _problem_of_number(field, value)
        case FieldKind.YES_NO:
            return "" if isinstance(value, bool) else "Choose Yes or No."
        case FieldKind.CHOICE:
            return "" if key_of(value) in _keys(field) else "Choose one of these."
        case FieldKind.CHOICES:
            return _problem_of_choices(field, value)
        case _:
            return _problem_of_json(field, value)


def _problem_of_text(field: Field, value: Any) -> str:
    if not isinstance(value, str):
        return "Use text."
    least, most = field.rules.get("minLength", 0), field.rules.get("maxLength", LONGEST)
    if field.is_required and not value.strip():
        return _NEEDED
    if len(value) < least:
        return f"Use at least {_count(least, 'character')}: there are {len(value):,}."
    if len(value) > most:
        return f"Use at most {_count(most, 'character')}: there are {len(value):,}."
    match field.kind:
        case FieldKind.EMAIL:
            name, at, host = value.rpartition("@")
            is_address = name and at and host and not any(map(str.isspace, value))
            return "" if is_address else "Use an email address, such as name@example.com."
        case FieldKind.URI:
            return "" if _is_uri(value) else "Use a whole address, such as https://example.com/."
        case FieldKind.DATE:
            return "" if _is_date(value) else "Use a date, such as 2026-05-31."
        case FieldKind.DATE_TIME:
            return "" if _is_moment(value) else "Use a date with a time."
        case _:
            return ""


def _problem_of_number(field: Field, value: Any) -> str:
    whole = field.kind is FieldKind.INTEGER
    if not is_number(value) or (whole and value != int(value)):
        return "Use a whole number." if whole else "Use a number."
    rules = field.rules
    if "minimum" in rules and value < rules["minimum"]:
        return f"Use {_shown(rules['minimum'])} or more."
    if "maximum" in rules and value > rules["maximum"]:
        return f"Use {_shown(rules['maximum'])} or less."
    if "exclusiveMinimum" in rules and value <= rules["exclusiveMinimum"]:
        return f"Use more than {_shown(rules['exclusiveMinimum'])}."
    if "exclusiveMaximum" in rules and value >= rules["exclusiveMaximum"]:
        return f"Use less than {_shown(rules['exclusiveMaximum'])}."
    return ""


def _problem_of_choices(field: Field, value: Any) -> str:
    known = _keys(field)
    if not isinstance(value, list) or not all(key_of(each) in known for each in value):
        return "Choose from these."
    least, most = field.rules.get("minItems", 0), field.rules.get("maxItems", math.inf)
    if len(value) < least:
        return f"Choose at least {_shown(least)}."
    return f"Choose at most {_shown(most)}." if len(value) > most else ""


_JSON_TYPES: dict[str, tuple[type | tuple[type, ...], str]] = {
    "object": (dict, 'Use a JSON object, such as {"name": "value"}.'),
    "array": (list, 'Use a JSON list, such as ["one", "two"].'),
}


def _problem_of_json(field: Field, value: Any) -> str:
    type_ = field.other.get("type")
    known = _JSON_TYPES.get(type_) if isinstance(type_, str) else None
    return known[1] if known and not isinstance(value, known[0]) else ""


def _keys(field: Field) -> set[str]:
    """The keys of its choices, of which a server may name any number."""
    return {key_of(each.value) for each in field.choices}


def _is_uri(value: str) -> bool:
    try:
        parts = urlsplit(value)
    except ValueError:
        return False
    return bool(parts.scheme and (parts.netloc or parts.path)) and not any(map(str.isspace, value))


def _is_date(value: str) -> bool:
    try:
        return len(value) == 10 and bool(date.fromisoformat(value))
    except ValueError:
        return False


def _is_moment(value: str) -> bool:
    try:
        return datetime.fromisoformat(value).tzinfo is not None
    except ValueError:
        return False


def _count(number: float, noun: str) -> str:
    return f"{_shown(number)} {noun}{'' if number == 1 else 's'}"


def _shown(number: float) -> str:
    return json.dumps(int(number) if number == int(number) else number)
