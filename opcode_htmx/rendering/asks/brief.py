"""Requests that can be answered in a list, because its row shows all of them. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from opcode_htmx.engines.messages import Ask, ElicitationRequest, PermissionRequest
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.markup.visible_text import LONG_GAP
from opcode_htmx.rendering.asks.elicitations import field_name, numbered
from opcode_htmx.rendering.asks.permission_details import is_without_effect
from opcode_htmx.rendering.asks.permissions import outside_path
from opcode_htmx.rendering.asks.questions import Question, questions_of
from opcode_htmx.rendering.tool_cards import present
from opcode_htmx.runs.elicitation.fields import FieldKind, fields_of, others_of

_BRIEF: Mapping[str, str] = {"Bash": "command", "WebSearch": "query"}
"""The tools whose calls may be a line of text and nothing else, and the field with that text."""
MOST_BRIEF = 100
"""Characters of a request that is answered in a list."""
MOST_CHOICES = 5
LONGEST_CHOICE = 60
LONGEST_QUESTION = 300
"""Characters and numbers of what a row of a list can show."""


@dataclass(frozen=True, slots=True)
class BriefRequest:
    """A request that can be answered in a list, because one line shows all of it."""

    request_id: str
    title: str
    subject: str
    """The whole call, such as a command."""
    description: str
    """Claude's words about it; may be empty."""


def brief_request(request: PermissionRequest, project: str) -> BriefRequest | None:
    """The request on one line, for a session in the folder `project`; None if it is more than that.

    The line is of printable ASCII, so that no character is hidden or looks like another one.
    """
    subject = request.input.get(_BRIEF.get(request.tool_name, ""))
    if not isinstance(subject, str) or not subject.strip() or len(subject) > MOST_BRIEF:
        return None
    if not (subject.isascii() and subject.isprintable()) or LONG_GAP.search(subject):
        return None
    view = present(request.tool_name, request.input, None, project)
    if view.note or outside_path(request, project) or _more_fields(request):
        return None
    description = request.description.strip()
    if len(description) > MOST_BRIEF or "\n" in description:
        return None
    is_start = subject.startswith(description.rstrip("… "))
    return BriefRequest(request.request_id, view.title, subject, "" if is_start else description)


def _more_fields(request: PermissionRequest) -> bool:
    """Whether the call has a field with an effect, beside the one with its text."""
    return any(
        name != _BRIEF[request.tool_name] and not is_without_effect(value, request)
        for name, value in request.input.items()
    )


def brief_question(request: PermissionRequest) -> Question | None:
    """The question of a request, if a row of a list can show all of it and its choices."""
    questions = questions_of(request, {})
    if len(questions) != 1:
        return None
    (question,) = questions
    labels = [option.label for option in question.options]
    is_short = (
        len(question.text) <= LONGEST_QUESTION
        and len(labels) <= MOST_CHOICES
        and all(0 < len(label) <= LONGEST_CHOICE for label in labels)
        and sum(len(option.description) for option in question.options) <= LONGEST_QUESTION
    )
    is_whole = labels and len(set(labels)) == len(labels) and not question.many
    return question if is_short and is_whole and not question.has_previews else None


@dataclass(frozen=True, slots=True)
class BriefElicitation:
    """A question that can be answered in a list, because the row shows all of it."""

    server: str
    message: str
    title: str
    name: str
    """Of the field that its choices are for; empty where there is only Accept."""
    choices: tuple[tuple[str, str], ...]
    """What is sent, and its label."""


def brief_elicitation(request: Ask) -> BriefElicitation | None:
    """The question, if it is a short choice, or nothing but Accept; None if it is more."""
    if not isinstance(request, ElicitationRequest) or request.mode != "form":
        return None
    fields = fields_of(request)
    more = (request.title, request.label, request.description, others_of(request))
    if len(fields) > 1 or any(more) or not 0 < len(request.message) <= LONGEST_QUESTION:
        return None
    if not fields:
        return BriefElicitation(request.server, request.message, "", "", ())
    (field,) = fields
    choices = numbered(field)
    is_short = (
        0 < len(choices) <= MOST_CHOICES
        and all(0 < len(label) <= LONGEST_CHOICE for _, label in choices)
        and len({label for _, label in choices}) == len(choices)
        and len(field.title) <= LONGEST_CHOICE
    )
    # the row has no place for a suggestion or for leaving it out
    is_plain = field.kind is not FieldKind.CHOICES and field.is_required and field.default is None
    if not (is_short and is_plain) or field.description or field.other:
        return None
    name = field_name(request, 0)
    return BriefElicitation(request.server, request.message, field.title, name, choices)
