"""Present what an MCP server asks the person: its form, the link of its page, and the answer.

Free text that was sent is never shown again: a server may have asked for a key.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from opcode_htmx.engines.messages import Ask, ElicitationRequest
from opcode_htmx.lib.coerce import as_dict
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.markup.addresses.links import Link, link
from opcode_htmx.rendering import clock
from opcode_htmx.runs.elicitation.fields import (
    LONGEST_TITLE,
    Choice,
    Field,
    FieldKind,
    fields_of,
    key_of,
    others_of,
    shortened,
)
from opcode_htmx.transcript.blocks import AskBlock, AskState
from opcode_htmx.transcript.cli_text import as_json

LONGEST_TEXT = 10_000
"""Characters of the message, and of what nothing here follows."""
MOST_RADIOS = 7
"""Choices that are shown one below the other; more are a list to open."""
_INPUT_TYPES = {
    FieldKind.EMAIL: "email",
    FieldKind.URI: "url",
    FieldKind.DATE: "date",
    FieldKind.DATE_TIME: "datetime-local",
}
_SHOWN = frozenset({FieldKind.CHOICE, FieldKind.CHOICES, FieldKind.YES_NO, FieldKind.DATE})
"""Kinds whose answers are shown again: they are the server's own words, or no secret."""
_VERDICTS = {"accept": "Accepted", "decline": "Declined", "cancel": "Cancelled"}


@dataclass(frozen=True, slots=True)
class FormField:
    """A field as a page shows it. Choices are entered by their numbers."""

    name: str
    """Of the form's field."""
    field: Field
    input_type: str
    """Of an `input`; empty for a field with several lines."""
    choices: tuple[Choice, ...]
    entered: tuple[str, ...]
    """What is in it: what was typed, or the default."""
    hint: str
    other: str
    """Parts of its schema that nothing here follows, as JSON; or empty."""
    problem: str

    @property
    def is_open_list(self) -> bool:
        """Whether all choices are in view."""
        return self.field.kind is FieldKind.CHOICES or len(self.choices) <= MOST_RADIOS


@dataclass(frozen=True, slots=True)
class Elicitation:
    """A question of an MCP server."""

    server: str
    title: str
    message: str
    description: str
    is_page: bool
    """Whether it asks to open a page instead of to fill in a form."""
    url: str
    link: Link | None
    """None for an address that is no link."""
    host: str
    fields: tuple[FormField, ...]
    other: str
    """What nothing here follows, as JSON; or empty."""


def elicitation_of(
    request: ElicitationRequest,
    typed: Mapping[int, Sequence[str]] | None = None,
    problems: Mapping[str, str] | None = None,
) -> Elicitation:
    """The question, with what was `typed` into its fields, by their numbers, and its problems."""
    others = others_of(request)
    found = _link(request.url)
    named = request.label and request.label != request.server
    return Elicitation(
        server=f"{request.label} ({request.server})" if named else request.server,
        title=shortened(request.title, LONGEST_TITLE),
        message=shortened(request.message, LONGEST_TEXT),
        description=shortened(request.description, LONGEST_TEXT),
        is_page=request.mode == "url",
        url=request.url,
        link=found,
        host=_host(found),
        fields=tuple(
            _form_field(request, number, field, typed, (problems or {}).get(field.name, ""))
            for number, field in enumerate(() if request.mode == "url" else fields_of(request))
        ),
        other=shortened(as_json(others), LONGEST_TEXT) if others else "",
    )


def field_name(request: Ask, number: int) -> str:
    """The name of a field in a page's form, which is shared by all requests on the page."""
    return f"e-{request.request_id}-{number}"


def sent(ask: AskBlock) -> list[tuple[str, str]]:
    """The title of each field that was filled in, and its answer if that is no secret."""
    content = as_dict(ask.answer.get("content"))
    if not isinstance(ask.request, ElicitationRequest) or ask.state is not AskState.ALLOWED:
        return []
    return [
        (field.title, _answer(field, content[field.name]))
        for field in fields_of(ask.request)
        if field.name in content
    ]


def verdict(ask: AskBlock, *, timed: bool = True) -> str:
    """What became of the question, with the time of the answer."""
    if ask.state is AskState.OPEN:
        return "Not answered yet"
    if ask.state is AskState.WITHDRAWN:
        return "No longer asked"
    words = _VERDICTS.get(str(ask.answer.get("action")), "Declined")
    if not timed or ask.answered_at is None:
        return words
    return f"{words} · {clock.time_of_day(ask.answered_at)}"


# --- fields ---------------------------------------------------------------------------------


def numbered(field: Field) -> tuple[tuple[str, str], ...]:
    """The choices of a field: what is sent, and its label."""
    if field.kind is FieldKind.YES_NO:
        return ("true", "Yes"), ("false", "No")
    return tuple((str(number), choice.label) for number, choice in enumerate(field.choices))


def _form_field(
    request: ElicitationRequest,
    number: int,
    field: Field,
    typed: Mapping[int, Sequence[str]] | None,
    problem: str,
) -> FormField:
    default, is_lost = _default(field)
    input_type = _INPUT_TYPES.get(field.kind, "")
    if field.kind in (FieldKind.INTEGER, FieldKind.NUMBER):
        input_type = "text"  # one of type number loses what is no number
    hints = [_limits(field), f"Suggested: {field.default}" if is_lost else ""]
    if field.kind is FieldKind.DATE_TIME:
        hints.append(f"In the time of the computer, {_zone()}")
    if field.kind is FieldKind.JSON:
        hints.append("As JSON")
    return FormField(
        name=field_name(request, number),
        field=field,
        input_type=input_type,
        choices=tuple(Choice(value, label) for value, label in numbered(field)),
        entered=default if typed is None else tuple(typed.get(number, ())),
        hint=". ".join(filter(None, hints)),
        other=shortened(as_json(field.other), LONGEST_TEXT) if field.other else "",
        problem=problem,
    )


def _default(field: Field) -> tuple[tuple[str, ...], bool]:
    """What a field holds at first, and whether its default cannot be in it."""
    value = field.default
    if value is None:
        return (), False
    match field.kind:
        case FieldKind.CHOICE:
            found = _numbers(field, [value])
            return found, not found
        case FieldKind.CHOICES:
            values = value if isinstance(value, list) else [value]
            found = _numbers(field, values)
            return found, len(found) < len(values)
        case FieldKind.YES_NO:
            return (
                (("true" if value else "false",), False) if isinstance(value, bool) else ((), True)
            )
        case FieldKind.JSON:
            return (as_json(value),), False
        case FieldKind.DATE_TIME:
            try:
                moment = datetime.fromisoformat(str(value)).astimezone()
            except (ValueError, OverflowError, OSError):
                return (), True
            return (moment.strftime("%Y-%m-%dT%H:%M"),), False
        case FieldKind.DATE:
            try:
                return (datetime.fromisoformat(str(value)).date().isoformat(),), False
            except ValueError:
                return (), True
        case _:
            return (str(value),), False


def _numbers(field: Field, values: Sequence[Any]) -> tuple[str, ...]:
    wanted = set(map(key_of, values))
    known = (key_of(choice.value) for choice in field.choices)
    return tuple(str(number) for number, each in enumerate(known) if each in wanted)


def _limits(field: Field) -> str:
    """The limits of an answer in words."""
    rules = field.rules
    pairs = (
        ("minLength", "at least {} characters"),
        ("maxLength", "at most {} characters"),
        ("minimum", "{} or more"),
        ("exclusiveMinimum", "more than {}"),
        ("maximum", "{} or less"),
        ("exclusiveMaximum", "less than {}"),
        ("minItems", "choose at least {}"),
        ("maxItems", "choose at most {}"),
    )
    if "minimum" in rules and "maximum" in rules:
        return f"From {rules['minimum']} to {rules['maximum']}"
    words = ", ".join(text.format(rules[rule]) for rule, text in pairs if rule in rules)
    return words[:1].upper() + words[1:]


def _zone() -> str:
    offset = datetime.now().astimezone().strftime("%z")
    return f"UTC{offset[:3]}:{offset[3:5]}"


def _answer(field: Field, value: Any) -> str:
    if field.kind not in _SHOWN:
        return ""
    if isinstance(value, bool):
        return "Yes" if value else "No"
    labels = {as_json(choice.value): choice.label for choice in field.choices}
    values = value if isinstance(value, list) else [value]
    return ", ".join(labels.get(as_json(each), str(each)) for each in values) or "None"


def _link(url: str) -> Link | None:
    """The link to a page whose host is beyond doubt."""
    # browsers take a backslash for a slash, so that the host is another one than it seems
    return None if "\\" in url else link(url)


def _host(found: Link | None) -> str:
    """The host that a link leads to, without a name before it, and in ASCII."""
    host = (urlsplit(found.url).hostname or "") if found else ""
    try:
        return host if host.isascii() else host.encode("idna").decode("ascii")
    except UnicodeError:
        return host
