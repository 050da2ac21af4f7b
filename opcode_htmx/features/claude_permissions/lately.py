"""The tool calls of the last weeks that a rule matches, from the index of all sessions."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from opcode_htmx.engines.claude.permissions import rules
from opcode_htmx.engines.claude.permissions.decision import decide
from opcode_htmx.engines.claude.permissions.rulebook import PlacedRule, Situation
from opcode_htmx.engines.claude.permissions.rules import BASH, EDIT, EDITING, FETCH, READ
from opcode_htmx.lib.coerce import Json, as_dict, as_list, as_str
from opcode_htmx.lib.concurrency.cooperative import run_cpu_in_thread
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.formatting import one_line
from opcode_htmx.sessions.index.file_lines import entry_at
from opcode_htmx.sessions.index.reader import CallPlace, IndexReader, IndexUnavailable

DAYS = 30
MOST_CALLS = 400
"""The newest calls that are looked at."""
MOST_SHOWN = 5
SECONDS = 5.0
"""Of the processor, to look through them."""
_FIELDS = {BASH: "command", FETCH: "url", READ: "file_path"}
_LONGEST = 160


@dataclass(frozen=True, slots=True)
class Call:
    """A call that matched: its command, path or address, and when; `claude_folder` and
    `session_id` are those of its session."""

    subject: str
    at: float
    claude_folder: str
    session_id: str


@dataclass(frozen=True, slots=True)
class Matches:
    """`count` is at least so many where older calls were not looked at."""

    calls: Sequence[Call]
    count: int
    is_whole: bool


class LatelyMatched:
    """Looks through the index."""

    def __init__(self, index: IndexReader, home: Path) -> None:
        self._index = index
        self._home = home

    def of(self, rule: PlacedRule, project: Path | None) -> Matches | None:
        """The calls that a rule has matched; None without an index."""
        try:
            places = self._index.calls(
                self._tools(rule.text), time.time() - DAYS * 86400, MOST_CALLS
            )
        except (IndexUnavailable, rules.InvalidRule):
            return None
        found = run_cpu_in_thread(lambda: list(self._matching(rule, project, places)))
        return Matches(found[:MOST_SHOWN], len(found), len(places) < MOST_CALLS)

    def _tools(self, text: str) -> list[str]:
        """The tools that a rule is about. Raises InvalidRule, IndexUnavailable."""
        rule = rules.parse(text)
        if rule.tool.startswith("mcp__"):
            name = rule.tool.removesuffix("*").rstrip("_")
            known = self._index.choices().tools
            return [each for each in known if each == rule.tool or each.startswith(f"{name}__")]
        if rule.tool == EDIT and not rule.is_whole:
            return list(EDITING)
        return [rule.tool]

    def _matching(
        self, rule: PlacedRule, project: Path | None, places: Sequence[CallPlace]
    ) -> Iterator[Call]:
        # a rule that allows is judged by itself, so that all of a command has to be allowed
        situation = Situation([rule], "default", "/", str(self._home), ())
        deadline = time.thread_time() + SECONDS
        for place in places:
            if time.thread_time() > deadline:
                return
            try:
                entry = entry_at(place.path, place.start)
            except OSError:
                continue
            folder = as_str(as_dict(entry).get("cwd"))
            if project and not Path(folder).is_relative_to(project):
                continue
            here = replace(situation, folder=folder or "/", folders=(folder or "/",))
            for tool, given in _calls(as_dict(entry)):
                subject = _subject(tool, given)
                if decide(tool, subject, here).rule:
                    yield Call(
                        one_line(subject or tool, _LONGEST),
                        place.at,
                        _claude_folder(place),
                        place.session_id,
                    )


def _claude_folder(place: CallPlace) -> str:
    """The folder of the session's file; that of an agent lies deeper."""
    parents = [place.path, *place.path.parents]
    below = next((n for n, each in enumerate(parents) if each.name == "projects"), 0)
    return parents[below - 1].name


def _calls(entry: Json) -> Iterator[tuple[str, Json]]:
    for part in map(as_dict, as_list(as_dict(entry.get("message")).get("content"))):
        if part.get("type") == "tool_use":
            yield as_str(part.get("name")), as_dict(part.get("input"))


def _subject(tool: str, given: Json) -> str:
    return as_str(given.get(_FIELDS.get(tool, "file_path"))) or as_str(given.get("notebook_path"))
