"""The spans of one run, out of its events and of Claude's messages. Pure: the clock is given.

The trace has the id of the run, and the ids of its spans follow from it, so workers that take a run
over go on with the same trace. A run is the root; below it are the queue and the turns; below a
turn are its tools, and the permission requests that a person has answered. Tools of a subagent are
below the tool that has started it. No prompt and no input of a tool is in a span.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import field, replace

from opcode_htmx.engines.contents import ToolResult, ToolUse
from opcode_htmx.engines.messages import Assistant, Message, TurnResult, User
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.tracing.spans import Span, Value, span_id
from opcode_htmx.runs.events.types import (
    PermissionAnswered,
    PermissionAsked,
    PromptSubmitted,
    RunEnded,
    RunEvent,
    TurnEnded,
)
from opcode_htmx.runs.model.record import Outcome, RunRecord

MOST_SPANS = 2000
"""Of one turn; further tools are not traced."""
MOST_TURNS = 50
"""Ended turns whose event has not come yet."""
QUEUED_SECONDS = 0.05
"""A shorter time in the queue has no span."""
_FAILURES = frozenset({Outcome.FAILED, Outcome.TIMED_OUT, Outcome.INTERRUPTED})


def root_id(run_id: str) -> str:
    """The id of the span of a run."""
    return span_id(run_id, "run")


@dataclass(slots=True)
class _Turn:
    """An open turn, or one that has ended and waits for its event."""

    spans: list[Span] = field(default_factory=list)
    """Of its tools and permissions; those without a parent get the turn's id."""
    ended_at: float = 0.0


class RunTrace:
    """Turns events and messages of one run into spans, in the order in which they come."""

    def __init__(self, record: RunRecord) -> None:
        self._id = record.id
        self._record = record
        self._turn = _Turn()
        self._closed: deque[_Turn] = deque(maxlen=MOST_TURNS)
        self._tools: dict[str, tuple[str, float, str]] = {}
        """Of the open turn, by call: the tool's name, when it was called, its parent's id."""
        self._asked: dict[str, PermissionAsked] = {}
        self._prompted: deque[float] = deque(maxlen=MOST_TURNS)
        """When the prompts were sent whose turn has not ended."""
        self._last_end = 0.0

    # --- messages -----------------------------------------------------------------------------

    def message(self, message: Message, now: float) -> None:
        """Apply a message of Claude's that has been read at the Unix time `now`."""
        match message:
            case Assistant():
                for part in message.content:
                    if isinstance(part, ToolUse) and part.id not in self._tools:
                        self._call(part, message.parent, message.said_at or now)
            case User(is_replay=False):
                for part in message.content:
                    if isinstance(part, ToolResult):
                        self._finish(part.tool_use_id, now, "failed" if part.is_error else "")
            case TurnResult():
                self._end_turn(now)
            case _:
                pass

    def _call(self, tool: ToolUse, parent: str | None, at: float) -> None:
        if len(self._tools) + len(self._turn.spans) < MOST_SPANS:
            self._tools[tool.id] = (tool.name, at, self._id_of(parent) if parent else "")

    def _id_of(self, call: str) -> str:
        return span_id(self._id, f"tool {call}")

    def _finish(self, call: str, now: float, error: str) -> None:
        if call not in self._tools:
            return
        name, start, parent = self._tools.pop(call)
        attributes: dict[str, Value] = {
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.tool.name": name,
            "gen_ai.tool.call.id": call,
        }
        self._turn.spans.append(
            Span(
                trace_id=self._id,
                span_id=self._id_of(call),
                parent_id=parent,
                name=f"tool {name}",
                start=start,
                end=now,
                attributes=attributes,
                error=error,
            )
        )

    def _end_turn(self, now: float) -> None:
        for call in list(self._tools):
            self._finish(call, now, "the turn has ended")
        self._turn.ended_at = now
        self._closed.append(self._turn)
        self._turn = _Turn()

    # --- events -------------------------------------------------------------------------------

    def event(self, event: RunEvent) -> Iterable[Span]:
        """The spans that end with an event, whose messages were applied before."""
        match event:
            case PromptSubmitted():
                self._prompted.append(event.at)
            case PermissionAsked():
                self._asked[event.request_id] = event
            case PermissionAnswered():
                self._answered(event)
            case TurnEnded():
                return self._turn_ended(event)
            case RunEnded():
                return self._run_ended(event)
            case _:
                pass
        return ()

    def _answered(self, event: PermissionAnswered) -> None:
        asked = self._asked.pop(event.request_id, None)
        if asked is None:
            return
        span = Span(
            trace_id=self._id,
            span_id=span_id(self._id, f"permission {event.id}"),
            name=f"permission {event.tool_name}",
            start=asked.at,
            end=event.at,
            attributes={"gen_ai.tool.name": event.tool_name, "opcode.allowed": event.allowed},
        )
        self._turn.spans.append(span)

    def _turn_ended(self, event: TurnEnded) -> list[Span]:
        usage, turn = event.usage, self._closed.popleft() if self._closed else _Turn()
        end = turn.ended_at or event.at
        start = end - usage.duration_ms / 1e3
        if event.prompt_ids and self._prompted:
            # a prompt may have waited for the turn before
            start = max(self._prompted[0], self._last_end)
            for _ in range(min(len(event.prompt_ids), len(self._prompted))):
                self._prompted.popleft()
        attributes: dict[str, Value] = {
            "gen_ai.operation.name": "invoke_agent",
            "gen_ai.request.model": usage.model,
            "gen_ai.usage.input_tokens": usage.input_tokens
            + usage.cache_read_tokens
            + usage.cache_written_tokens,
            "gen_ai.usage.output_tokens": usage.output_tokens,
            "gen_ai.usage.cache_read.input_tokens": usage.cache_read_tokens,
            "gen_ai.usage.cache_creation.input_tokens": usage.cache_written_tokens,
            "opcode.turn.reason": event.reason,
        }
        if usage.cost_usd is not None:
            attributes["opcode.cost_usd"] = usage.cost_usd
        error = event.reason or "failed" if event.is_error else ""
        return self._with_turn(turn, event.id, start, end, attributes, error)

    def _with_turn(
        self,
        turn: _Turn,
        key: str,
        start: float,
        end: float,
        attributes: dict[str, Value],
        error: str,
    ) -> list[Span]:
        """The span of a turn and those below it."""
        own = span_id(self._id, f"turn {key}")
        self._last_end = end
        start = min([start, end, *(span.start for span in turn.spans)])
        span = Span(
            trace_id=self._id,
            span_id=own,
            parent_id=root_id(self._id),
            name="turn",
            start=start,
            end=end,
            attributes=attributes,
            error=error,
        )
        return [span, *(replace(each, parent_id=each.parent_id or own) for each in turn.spans)]

    def _run_ended(self, event: RunEnded) -> list[Span]:
        found: list[Span] = []
        for call in list(self._tools):
            self._finish(call, event.at, "the run has ended")
        if self._turn.spans or self._prompted:
            start = self._prompted[0] if self._prompted else event.at
            error = "the run has ended before the turn"
            found += self._with_turn(self._turn, event.id, start, event.at, {}, error)
        record = self._record
        started = record.process_started_at
        if started is not None and started - record.created_at > QUEUED_SECONDS:
            queue = Span(
                trace_id=self._id,
                span_id=span_id(self._id, "start"),
                parent_id=root_id(self._id),
                name="start",
                start=record.created_at,
                end=started,
            )
            found.append(queue)
        attributes: dict[str, Value] = {
            "opcode.run.id": record.id,
            "session.id": record.session_id,
            "opcode.project": record.project_path,
            "opcode.outcome": event.outcome,
        }
        if event.exit_status is not None:
            attributes["process.exit.code"] = event.exit_status
        root = Span(
            trace_id=self._id,
            span_id=root_id(self._id),
            name="run",
            start=record.created_at,
            end=event.at,
            attributes=attributes,
            error=event.cause or event.outcome if event.outcome in _FAILURES else "",
        )
        return [*found, root]
