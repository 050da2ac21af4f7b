"""The questions that Claude puts, and what was answered, as values that a page can rely on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..claude.messages import Json, PermissionRequest


@dataclass(frozen=True, slots=True)
class Option:
    label: str
    description: str


@dataclass(frozen=True, slots=True)
class Question:
    text: str
    many: bool
    """Whether several options may be chosen."""
    options: tuple[Option, ...]
    answer: str
    """Empty while there is none."""


def questions_of(request: PermissionRequest, response: Json) -> tuple[Question, ...]:
    """The questions of a request; none if it asks for a permission. `response` answers it."""
    if request.tool_name != "AskUserQuestion":
        return ()
    answers = _dict(_dict(response.get("updatedInput")).get("answers"))
    return tuple(_question(each, answers) for each in _dicts(request.input.get("questions")))


def _question(raw: Json, answers: Json) -> Question:
    text = _str(raw.get("question"))
    answer = answers.get(text)
    return Question(
        text=text,
        many=raw.get("multiSelect") is True,
        options=tuple(
            Option(_str(option.get("label")), _str(option.get("description")))
            for option in _dicts(raw.get("options"))
        ),
        answer=", ".join(filter(None, map(_str, answer)))
        if isinstance(answer, list)
        else _str(answer),
    )


def _dicts(value: object) -> list[Json]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _str(value: object) -> str:
    return value if isinstance(value, str) else ""
