"""Derive events from the lines of one run. Pure: messages in, events out.

Two files are folded side by side, the input and the output, and the order between their lines is
unknown. So the fold returns the same events whichever is read first; only prompts and answers
are put in a plausible order.
"""

from __future__ import annotations

import hashlib
from typing import Any

from opcode_htmx.engines.messages import (
    Ask,
    ControlResponse,
    ElicitationRequest,
    Init,
    Message,
    PermissionRequest,
    TurnResult,
    User,
)
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.runs.events.progress import Progress
from opcode_htmx.runs.events.types import (
    PermissionAnswered,
    PermissionAsked,
    PromptSubmitted,
    RunEvent,
    TurnEnded,
    Usage,
)
from opcode_htmx.runs.model.actors import Act
from opcode_htmx.runs.model.prompt_content import images_in, words_of

MAX_REQUESTS = 50
"""The number of requests kept for later answers, and the other way around; only a few are ever open
at once."""

MAX_EARLY_ANSWERS = 10
"""The answers kept for one request that has not been read yet."""
LONGEST_TEXT = 200
"""Characters of a text of Claude's in an event: the journal keeps many, and is bounded."""
MAX_PROMPT_IDS = 50
LONGEST_PROMPT_ID = 64
"""Characters; ours are UUIDs."""


DERIVING = (Init, PermissionRequest, ElicitationRequest, TurnResult)
"""The messages of Claude's that `apply_output` derives something from."""


def may_derive(line: bytes) -> bool:
    """Whether a line of Claude's may be one of these messages; most lines need no parsing."""
    return b'"result"' in line or b'"control_request"' in line or b'"init"' in line


@dataclass(frozen=True, slots=True)
class Derived:
    """An event without the fields that all events of its run share; `key` makes its id unique.

    Its actor is that of the first recorded act among `acts`; Claude itself if there are none.
    """

    kind: type[RunEvent]
    key: str
    content: dict[str, Any]
    acts: tuple[tuple[Act, str], ...] = ()
    at: float | None = None


class EventFold:
    """Continues from `progress`, and keeps in it the state to continue later."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress

    def apply_input(self, message: Message, end: int) -> list[Derived]:
        """The events of a line sent to Claude; `end` is the offset after it."""
        match message:
            case User():
                content = {
                    "prompt_id": message.uuid,
                    "characters": len(words_of(message)),
                    "images": len(images_in(message)),
                }
                acts = ((Act.PROMPT, message.uuid),)
                return [Derived(PromptSubmitted, str(end), content, acts)]
            case ControlResponse(ok=True):
                given = message.response
                allowed = given.get("behavior") == "allow" or given.get("action") == "accept"
                return self._answered(message.request_id, end, allowed, message.answered_at)
            case _:
                return []

    def apply_output(self, message: Message, end: int) -> list[Derived]:
        """The events of a line written by Claude; `end` is the offset after it."""
        match message:
            case Init():
                self.progress.model = clip(message.model) or self.progress.model
            case PermissionRequest() | ElicitationRequest():
                return self._asked(message, end)
            case TurnResult():
                return [self._turn_ended(message, end)]
            case _:
                pass
        return []

    def _asked(self, ask: Ask, end: int) -> list[Derived]:
        request_id, tool = key_of(ask.request_id), clip(subject_of(ask))
        if request_id in self.progress.asks:
            return []  # repeated: an answer refers to the first one
        _remember(self.progress.asks, request_id, tool)
        content = {"request_id": request_id, "tool_name": tool}
        asked = Derived(PermissionAsked, str(end), content)
        derived = [asked]
        for answer_end, allowed, at in self.progress.early.pop(request_id, ()):
            derived += self._answered(ask.request_id, answer_end, allowed, at)
        return derived

    def _answered(
        self, request_id: str, end: int, allowed: bool, at: float | None
    ) -> list[Derived]:
        acts = ((Act.ANSWER, request_id),)
        request_id = key_of(request_id)
        tool = self.progress.asks.get(request_id)
        if tool is None:
            before = self.progress.early.get(request_id, ())
            answers = [*before, (end, allowed, at)][:MAX_EARLY_ANSWERS]
            _remember(self.progress.early, request_id, answers)
            return []
        content = {"request_id": request_id, "tool_name": tool, "allowed": allowed}
        return [Derived(PermissionAnswered, str(end), content, acts, at)]

    def _turn_ended(self, result: TurnResult, end: int) -> Derived:
        total, before = result.cost_usd, self.progress.cost_usd
        self.progress.cost_usd = total
        cached = result.cache_read_tokens + result.cache_written_tokens
        usage = Usage(
            input_tokens=result.input_tokens - cached,
            output_tokens=result.output_tokens,
            cache_read_tokens=result.cache_read_tokens,
            cache_written_tokens=result.cache_written_tokens,
            cost_usd=None if total is None or before is None else max(0.0, total - before),
            session_cost_usd=total,
            model=self.progress.model,
            duration_ms=result.duration_ms,
        )
        content = {
            "prompt_ids": tuple(
                each[:LONGEST_PROMPT_ID] for each in result.prompt_ids[:MAX_PROMPT_IDS]
            ),
            "is_error": result.is_error,
            "reason": clip(result.reason),
            "usage": usage,
            "claude_session_id": clip(result.session_id),
        }
        acts = tuple((Act.PROMPT, prompt_id) for prompt_id in result.prompt_ids[:MAX_PROMPT_IDS])
        return Derived(TurnEnded, str(end), content, acts)


def subject_of(ask: Ask) -> str:
    """The tool that a request is about; for a question of an MCP server, the server."""
    return ask.tool_name if isinstance(ask, PermissionRequest) else f"mcp__{ask.server}"


def clip(text: str) -> str:
    return text[:LONGEST_TEXT]


def key_of(request_id: str) -> str:
    """The id, or a digest of one that is too long to be kept."""
    if len(request_id) <= LONGEST_TEXT:
        return request_id
    return hashlib.sha256(request_id.encode("utf-8", "surrogatepass")).hexdigest()


def _remember(known: dict[str, Any], key: str, value: Any) -> None:
    known[key] = value
    if len(known) > MAX_REQUESTS:
        del known[next(iter(known))]
