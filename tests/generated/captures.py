"""The results of a played plan: the processes' lines, history files, and resumed entries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.generated.plans import Plan
from tests.generated.script import spoken_in
from tests.support.environment import Sandbox


@dataclass(frozen=True)
class Run:
    """One process of the CLI. `sent` and `stdout` are its lines; the sizes are those of the history
    file of `session_id`, in bytes, when it started and when it had ended.

    session_id: the session that its argv names. session_ids: all in which it was; `/clear` begins
    another one.
    """

    driver: str
    session_id: str
    session_ids: frozenset[str]
    argv: tuple[str, ...]
    sent: tuple[bytes, ...] = field(repr=False)
    stdout: bytes = field(repr=False)
    history_start: int
    history_end: int


@dataclass(frozen=True)
class Session:
    """One session: its history file, and the words from which the CLI goes on.

    goes_on_from: the words of prompts, answers and summaries in the request that a resumed CLI
    sends, oldest first; None if it does not resume the session. all_words_sent: with those of tools
    and agents.
    """

    id: str
    path: Path
    history: bytes = field(repr=False)
    agents: Mapping[str, bytes] = field(repr=False)
    """The files of its `subagents` folder, by name."""
    runs: tuple[Run, ...]
    goes_on_from: tuple[str, ...] | None
    all_words_sent: tuple[str, ...]

    @property
    def lines(self) -> tuple[bytes, ...]:
        return tuple(self.history.splitlines(keepends=True))

    @property
    def words(self) -> tuple[str, ...]:
        """The words of prompts, answers and summaries in the order of the file."""
        return spoken_in(self.history)

    @property
    def cut(self) -> tuple[str, ...]:
        """The words of the file that are not part of the resumed conversation."""
        return tuple(word for word in self.words if word not in set(self.goes_on_from or ()))


@dataclass(frozen=True)
class Capture:
    """The result of a plan.

    prompts: the uuids of the prompts by their words (KIWI17). refused: the steps that the CLI
    refused, with its reason. sandbox: its folders; those of `played` are removed.
    """

    plan: Plan
    sandbox: Sandbox
    prompts: Mapping[str, str]
    refused: Mapping[int, str]
    sessions: tuple[Session, ...]
    """In the order in which they began."""
    tools: tuple[Mapping[str, Any], ...] = field(repr=False)
    """The tools that Claude offered to the model, as the last request describes them."""
    last_id: str
    """The session that a process which starts now would resume."""

    @property
    def session(self) -> Session:
        """The one in which the plan ended."""
        return next(each for each in self.sessions if each.id == self.last_id)
