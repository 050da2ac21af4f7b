"""Ask Claude to take back what it has changed since a prompt, or what was said since. Pure."""

from __future__ import annotations

from opcode_htmx.engines.requests import Query
from opcode_htmx.lib.coerce import Json, as_list, as_str
from opcode_htmx.lib.dataclass import dataclass

_BUSY = ("commands queued", "prompt pending", "turn running", "state changed")
"""Refusals that pass by themselves: Claude ends a turn a little after the turn's result."""


@dataclass(frozen=True, slots=True)
class FilesAnswer:
    """What Claude says of a rewind of files. It knows the files that its own tools have written."""

    can: bool
    reason: str = ""
    """Why it cannot, in Claude's words."""
    files: tuple[str, ...] = ()
    """Full paths."""
    insertions: int = 0
    deletions: int = 0


@dataclass(frozen=True, slots=True)
class ConversationAnswer:
    """What Claude says of a rewind of the conversation."""

    is_done: bool
    reason: str = ""
    text: str = ""
    """The prompt, to be edited."""
    before: str = ""
    """The answer after which the conversation goes on; empty if nothing is left of it."""

    @property
    def is_busy(self) -> bool:
        """Whether it is refused only as long as Claude has something to end."""
        return not self.is_done and self.reason.replace("_", " ") in _BUSY


def files(prompt_id: str, *, dry_run: bool) -> Query:
    """Put the files back to before a prompt; with `dry_run`, only say what that would change."""
    fields = {"user_message_id": prompt_id}
    return Query("rewind_files", {**fields, "dry_run": True} if dry_run else fields)


def files_answer(answer: Json) -> FilesAnswer:
    """What the answer to `files` says."""
    return FilesAnswer(
        answer.get("canRewind") is True,
        as_str(answer.get("error")),
        tuple(each for each in as_list(answer.get("filesChanged")) if isinstance(each, str)),
        _number(answer.get("insertions")),
        _number(answer.get("deletions")),
    )


def conversation(prompt_id: str, newest: str) -> Query:
    """Cut the conversation before a prompt.

    `newest` is the newest prompt that the person has seen: Claude refuses to take back what came
    after it.
    """
    fields = {"target_message_uuid": prompt_id, "last_seen_user_message_uuid": newest}
    return Query("rewind_conversation", fields)


def conversation_answer(answer: Json) -> ConversationAnswer:
    """What the answer to `conversation` says."""
    return ConversationAnswer(
        answer.get("rewound") is True,
        as_str(answer.get("error")) or as_str(answer.get("reason")),
        as_str(answer.get("prefillText")),
        as_str(answer.get("precedingAssistantUuid")),
    )


def _number(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0
