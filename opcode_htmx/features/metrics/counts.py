"""Counts of what happens in runs, by their events: each is counted once, by one worker."""

from __future__ import annotations

from opcode_htmx.engines.messages import INTERRUPTED
from opcode_htmx.lib.metrics.families import Counter, Family, Histogram
from opcode_htmx.lib.metrics.store import MetricStore
from opcode_htmx.runs.events.types import (
    PermissionAnswered,
    PermissionAsked,
    PromptSubmitted,
    RunEnded,
    RunEvent,
    RunStarted,
    RunWarned,
    TurnEnded,
)
from opcode_htmx.runs.model.record import Outcome

STARTED = Counter("opcode_runs_started", "Runs whose process has been started")
ENDED = Counter(
    "opcode_runs_ended",
    "Runs that have ended",
    {"outcome": tuple(outcome.replace(" ", "_") for outcome in Outcome)},
)
PROMPTS = Counter("opcode_prompts", "Prompts that were sent to Claude")
TURNS = Counter(
    "opcode_turns",
    "Turns that have ended; interrupted: by a person",
    {"result": ("completed", "failed", "interrupted")},
)
TURN_SECONDS = Histogram(
    "opcode_turn_seconds",
    "How long turns took",
    buckets=(1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0),
)
TOKENS = Counter(
    "opcode_tokens",
    "Tokens of ended turns",
    {"kind": ("input", "output", "cache_read", "cache_write")},
)
COST = Counter("opcode_cost_dollars", "What ended turns have cost, as Claude reports it")
ASKED = Counter("opcode_permission_requests", "What Claude has asked a person")
ANSWERED = Counter(
    "opcode_permission_answers", "Answers to that", {"answer": ("allowed", "denied")}
)
WARNINGS = Counter(
    "opcode_run_warnings", "Runs that came near a limit", {"about": ("output", "memory", "other")}
)

FAMILIES: tuple[Family, ...] = (
    *(STARTED, ENDED, PROMPTS, TURNS, TURN_SECONDS, TOKENS, COST),
    *(ASKED, ANSWERED, WARNINGS),
)


class RunCounts:
    """Adds events to the metrics of this worker."""

    def __init__(self, metrics: MetricStore) -> None:
        self._metrics = metrics

    def count(self, event: RunEvent) -> None:
        """Count one event; each is to be given once."""
        add = self._metrics.add
        match event:
            case RunStarted():
                add(STARTED)
            case RunEnded():
                add(ENDED, labels=(event.outcome.replace(" ", "_"),))
            case PromptSubmitted():
                add(PROMPTS)
            case TurnEnded():
                self._turn(event)
            case PermissionAsked():
                add(ASKED)
            case PermissionAnswered():
                add(ANSWERED, labels=("allowed" if event.allowed else "denied",))
            case RunWarned():
                known = event.about in WARNINGS.labels["about"]
                add(WARNINGS, labels=(event.about if known else "other",))
            case _:  # of a later version
                pass

    def _turn(self, event: TurnEnded) -> None:
        add, usage = self._metrics.add, event.usage
        result = "failed" if event.is_error else "completed"
        add(TURNS, labels=("interrupted" if event.reason in INTERRUPTED else result,))
        self._metrics.observe(TURN_SECONDS, usage.duration_ms / 1e3)
        add(TOKENS, usage.input_tokens, ("input",))
        add(TOKENS, usage.output_tokens, ("output",))
        add(TOKENS, usage.cache_read_tokens, ("cache_read",))
        add(TOKENS, usage.cache_written_tokens, ("cache_write",))
        add(COST, usage.cost_usd or 0.0)
