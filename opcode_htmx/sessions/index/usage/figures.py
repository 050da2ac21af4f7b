"""What usage is asked by, and the figures that answer it."""

from __future__ import annotations

from enum import StrEnum

from opcode_htmx.lib.dataclass import dataclass


class By(StrEnum):
    """What usage is grouped by."""

    DAY = "day"
    PROJECT = "project"
    MODEL = "model"
    SESSION = "session"
    AGENT = "agent"


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageQuery:
    """Which usage is meant. An empty field leaves nothing out.

    Days are counted from 1 January 1970, and are both included.
    """

    since: int | None = None
    until: int | None = None
    project: str = ""
    model: str = ""
    session: tuple[str, str] | None = None
    """The name of the Claude folder and the id of a session."""


@dataclass(frozen=True, slots=True)
class Sums:
    """What was used. Costs are in trillionths of a dollar, and are of the answers with a price."""

    sessions: int = 0
    answers: int = 0
    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_write_5m: int = 0
    cache_write_1h: int = 0
    searches: int = 0
    seconds: int = 0
    """Time worked, without that of subagents."""
    prompts: int = 0
    added: int = 0
    removed: int = 0
    cost: int = 0
    unpriced: int = 0
    """Answers of models without a price."""
    agent_cost: int = 0
    """The part of subagents; an answer of one may be rewound as well."""
    rewound_cost: int = 0
    agent_answers: int = 0
    rewound_answers: int = 0
    last_day: int = -1

    @property
    def cache_write(self) -> int:
        return self.cache_write_5m + self.cache_write_1h

    @property
    def tokens(self) -> int:
        return self.input + self.output + self.cache_read + self.cache_write

    @property
    def is_known(self) -> bool:
        """Whether every answer has a price."""
        return not self.unpriced

    @property
    def has_cost(self) -> bool:
        """Whether at least one answer has a price; an empty sum costs nothing, which is known."""
        return self.unpriced < self.answers or not self.answers


@dataclass(frozen=True, slots=True)
class Group:
    """The sums of a group. `key` is the day, the folder, the model, the session's id or the kind of
    agent; the others are of sessions.
    """

    key: str
    sums: Sums
    folder: str = ""
    """The name of Claude's folder that holds the session."""
    project: str = ""
    title: str = ""
    said: int | None = None
    """What the CLI says the session has cost, from its beginning on."""


@dataclass(frozen=True, slots=True)
class DayCosts:
    """What a chart shows of a day: all of the cost, and the part of subagents.

    `tokens` are counted where no answer with a date has a cost.
    """

    cost: int
    agent_cost: int
    tokens: int


@dataclass(frozen=True, slots=True)
class Line:
    """What one session has used of one model on one day; `cost` is None if it is unknown."""

    day: int
    project: str
    session: str
    model: str
    agent: str
    is_rewound: bool
    input: int
    output: int
    cache_read: int
    cache_write: int
    cost: int | None


@dataclass(frozen=True, slots=True)
class SaidCosts:
    """Over the sessions of which the CLI says the cost: their number, its sum, and ours."""

    sessions: int
    said: int
    ours: int
