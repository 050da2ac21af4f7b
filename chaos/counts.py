"""Counts of events in a round."""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass(slots=True)
class Counts:
    """Of a client, of a round, or of all."""

    rounds: int = 0
    sessions: int = 0
    runs: int = 0
    runs_real: int = 0
    lines: int = 0
    lines_heard: int = 0
    messages: int = 0
    prompts: int = 0
    prompts_sent: int = 0
    answers: int = 0
    stops: int = 0
    cuts: int = 0
    lost: int = 0
    freezes: int = 0
    kills: int = 0
    workers_killed: int = 0
    terminations: int = 0
    pages: int = 0
    browsers: int = 0
    checks: int = 0
    faults: int = 0

    def __add__(self, other: Counts) -> Counts:
        names = [field.name for field in fields(self)]
        return Counts(**{name: getattr(self, name) + getattr(other, name) for name in names})
