"""Parse Claude's questions and their answers into values of known types."""

from __future__ import annotations

from typing import Any

from opcode_htmx.engines.messages import PermissionRequest
from opcode_htmx.lib.coerce import Json
from opcode_htmx.lib.dataclass import dataclass

LONGEST_DRAWN = 300
"""Characters of a choice, its description or an answer that a card shows at once."""
LONGEST_ASKED = 1000
"""Characters of a question."""


def brief(text: str, most: int = LONGEST_DRAWN) -> str:
    """As much of a text as a card shows at once; all of it stands beside it, folded away."""
    return text if len(text) <= most else f"{text[:most]}…"


@dataclass(frozen=True, slots=True)
class Option:
    """One answer to choose from."""

    label: str
    description: str
    preview: str
    """Markdown, or an ASCII drawing; empty if there is none."""

    @property
    def is_long(self) -> bool:
        return max(len(self.label), len(self.description)) > LONGEST_DRAWN

    @property
    def whole(self) -> str:
        """Label and description, to be read in one piece."""
        return "\n\n".join(filter(None, (self.label, self.description)))


@dataclass(frozen=True, slots=True)
class Question:
    """One question with its answer."""

    text: str
    header: str
    """Its subject in a word or two."""
    many: bool
    """Whether several options may be chosen."""
    options: tuple[Option, ...]
    answer: str
    """Empty if there is none."""
    note: str
    """The user's addition to the answer."""

    @property
    def has_previews(self) -> bool:
        return any(option.preview for option in self.options)

    @property
    def is_long(self) -> bool:
        return len(self.text) > LONGEST_ASKED

    @property
    def is_tall(self) -> bool:
        """Whether something stands below some of its choices."""
        return any(option.preview or option.is_long for option in self.options)

    @property
    def by_number(self) -> bool:
        """Whether a form names its choices by their numbers: their labels would be too much."""
        return any(len(option.label) > LONGEST_DRAWN for option in self.options)


def questions_of(request: PermissionRequest, response: Json) -> tuple[Question, ...]:
    """The questions of a request, with the answers of `response`; none for other requests."""
    if request.tool_name != "AskUserQuestion":
        return ()
    updated = _dict(response.get("updatedInput"))
    answers, notes = _dict(updated.get("answers")), _dict(updated.get("annotations"))
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
