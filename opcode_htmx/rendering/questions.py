"""The questions that Claude puts, and what was answered, as values that a page can rely on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from opcode_htmx.engines.messages import PermissionRequest
from opcode_htmx.lib.coerce import Json


@dataclass(frozen=True, slots=True)
class Option:
    label: str
    description: str
    preview: str
    """Markdown, or a drawing in characters; empty if there is none."""


@dataclass(frozen=True, slots=True)
class Question:
    text: str
    header: str
    """What it is about, in a word or two."""
    many: bool
    """Whether several options may be chosen."""
    options: tuple[Option, ...]
    answer: str
    """Empty while there is none."""
    note: str
    """What the person added to the answer."""

    @property
    def has_previews(self) -> bool:
        return any(option.preview for option in self.options)


def questions_of(request: PermissionRequest, response: Json) -> tuple[Question, ...]:
    """The questions of a request; none if it asks for a permission. `response` answers it."""
    if request.tool_name != "AskUserQuestion":
        return ()
    given = _dict(response.get("updatedInput"))
    answers, notes = _dict(given.get("answers")), _dict(given.get("annotations"))
    return tuple(_question(each, answers, notes) for each in _dicts(request.input.get("questions")))


def _question(raw: Json, answers: Json, annotations: Json) -> Question:
    text = _str(raw.get("question"))
    answer = answers.get(text)
    return Question(
        text=text,
        header=_str(raw.get("header")),
        many=raw.get("multiSelect") is True,
        options=tuple(
            Option(
                _str(option.get("label")),
                _str(option.get("description")),
                _str(option.get("preview")),
            )
            for option in _dicts(raw.get("options"))
        ),
        answer=", ".join(filter(None, map(_str, answer)))
        if isinstance(answer, list)
        else _str(answer),
        note=_str(_dict(annotations.get(text)).get("notes")),
    )


def _dicts(value: object) -> list[Json]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _str(value: object) -> str:
    return value if isinstance(value, str) else ""
