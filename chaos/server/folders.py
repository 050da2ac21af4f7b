"""The folders of runs and the journals, read independently of the app that wrote them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import dropwhile
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Journal:
    """The journal of a stand-in; empty for the real CLI, which keeps none."""

    lines: int = 0
    errors: int = 0
    prompts: tuple[str, ...] = ()
    answers: tuple[str, ...] = ()
    done: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RunOnDisk:
    """One run, by its files."""

    path: Path
    journal_path: Path

    @property
    def id(self) -> str:
        return self.path.name

    @property
    def record(self) -> dict[str, Any]:
        """run.json; empty as long as there is none."""
        try:
            record: dict[str, Any] = json.loads((self.path / "run.json").read_bytes())
        except FileNotFoundError:
            return {}
        return record

    @property
    def end(self) -> dict[str, Any] | None:
        end: dict[str, Any] | None = self.record.get("end")
        return end

    def output(self) -> list[str]:
        """The lines of stdout."""
        return _lines(self.path / "out.ndjson")

    def errors(self) -> list[str]:
        """The lines of stderr."""
        return _lines(self.path / "err.log")

    def journal(self) -> Journal | None:
        """None if no stand-in has begun, or it was the real CLI."""
        found: dict[str, list[str]] = {}
        try:
            entries = self.journal_path.read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return None
        for entry in entries:
            what, _, which = entry.partition(" ")
            found.setdefault(what, []).append(which)
        return Journal(
            len(found.get("line", ())),
            len(found.get("error", ())),
            tuple(found.get("prompt", ())),
            tuple(found.get("answer", ())),
            tuple(found.get("done", ())),
        )

    def was_sent(self, prompt_id: str) -> bool:
        return prompt_id in _text(self.path / "in.ndjson")

    def times_taken(self, prompt_id: str) -> int:
        """How often Claude has begun with a prompt."""
        if journal := self.journal():
            return journal.prompts.count(prompt_id)
        return sum(_repeats(line, prompt_id) for line in self.output())

    def has_done(self, prompt_id: str) -> bool:
        """Whether the turn of a prompt has ended."""
        if journal := self.journal():
            return prompt_id in journal.done
        behind = dropwhile(lambda line: not _repeats(line, prompt_id), self.output())
        return any('"type":"result"' in line for line in behind)

    def was_answered(self, request_id: str) -> bool:
        if journal := self.journal():
            return request_id in journal.answers
        return any("control_response" in line and request_id in line for line in self.output())


class Runs:
    """All runs of a state folder."""

    def __init__(self, state: Path, journals: Path) -> None:
        self._root = state / "runs"
        self._journals = journals
        self._known: dict[str, tuple[float, str]] = {}
        """When each was made, and for which session: neither ever changes."""

    def all(self) -> list[RunOnDisk]:
        """In the order in which they were made."""
        found = [self.get(path.name) for path in self._root.glob("*") if path.is_dir()]
        return sorted((run for run in found if self._facts(run)[1]), key=self._facts)

    def of(self, session_id: str) -> list[RunOnDisk]:
        return [run for run in self.all() if self._facts(run)[1] == session_id]

    def get(self, run_id: str) -> RunOnDisk:
        return RunOnDisk(self._root / run_id, self._journals / run_id)

    def _facts(self, run: RunOnDisk) -> tuple[float, str]:
        """Empty as long as the run has no record."""
        if run.id not in self._known:
            record = run.record
            if not record:
                return (0.0, "")
            self._known[run.id] = (record["created_at"], record["session_id"])
        return self._known[run.id]


def _repeats(line: str, prompt_id: str) -> bool:
    """Whether this line reports that Claude begins with the prompt."""
    return f'"{prompt_id}"' in line and '"isReplay":true' in line


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8", "replace")
    except FileNotFoundError:
        return ""


def _lines(path: Path) -> list[str]:
    """Decode each line by itself: invalid UTF-8 in one must not change another."""
    pieces = path.read_bytes().split(b"\n")
    return [piece.decode("utf-8", "replace") for piece in pieces if piece.strip()]
