"""Reads the new lines of one history file: its facts, and the texts for the index."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import field
from pathlib import Path
from typing import NamedTuple

from opcode_htmx.engines.claude.files.folder_names import OwnFolder
from opcode_htmx.engines.claude.files.lineage import Kind, Lineage, kind_of
from opcode_htmx.engines.claude.protocol.entry_texts import (
    EntryText,
    Role,
    texts_of,
    touched_files,
)
from opcode_htmx.engines.claude.protocol.usage.entries import model_of, session_cost
from opcode_htmx.lib.coerce import Json, as_dict, as_str, seconds
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.formatting import one_line
from opcode_htmx.markup import markdown_signs
from opcode_htmx.sessions.index.file_lines import hash_before, parsed, whole_lines
from opcode_htmx.sessions.index.usage.answers import Answer, AnswerCounter

MOST_OPEN_CALLS = 100
LONGEST_EXCERPT = 300
"""Characters that are kept of first and last words."""
_PROMPT, _ANSWER, _CALL = Role.PROMPT, Role.ANSWER, Role.CALL
"""Looked up once: a member of an enumeration takes as long as a call."""
_TITLES = {"custom-title": "customTitle", "ai-title": "aiTitle"}


@dataclass(slots=True)
class Facts:
    """What the index keeps of one file. Times are Unix seconds."""

    read: int = 0
    """Bytes up to the end of the last whole line."""
    cwd: str = ""
    branch: str = ""
    title: str = ""
    """By the person, or else by Claude."""
    first_prompt: str = ""
    """This and the next two are those of a session's own file, which lists show."""
    last_prompt: str = ""
    last_answer: str = ""
    started: float | None = None
    ended: float | None = None
    prompts: int = 0
    tools: int = 0
    lines: int = 0
    tip: str = ""
    is_named: int = 0
    """Whether a person has given the title."""
    open_calls: str = ""
    """JSON: the tools by the ids of the calls that have no result yet."""
    before: str = ""
    """A hash of the bytes in front of `read`: others there are another file."""
    counted: int = 0
    """Bytes up to which answers are counted."""
    pending: str = ""
    """What the counting of further answers needs."""
    said: int | None = None
    """What the CLI says the session has cost, in trillionths of a dollar."""


class Found(NamedTuple):
    """One text of a file: `start` is the place of its line in bytes, `part` its place in that."""

    start: int
    part: int
    role: Role
    text: str
    tool: str
    at: float | None
    model: str
    cwd: str
    branch: str


@dataclass(slots=True)
class FilePass:
    """One pass over the new lines of a file; `facts` holds what its lines say when it is closed."""

    path: Path
    facts: Facts
    is_agent: bool = False
    touched: set[str] = field(default_factory=set)
    may_branch: bool = False
    """Whether a new line may have begun another branch: see `rewound_lines`."""
    _tools: dict[str, str] = field(default_factory=dict)
    """The tools by the ids of their calls."""
    _first_prompt: str | None = None
    _last_prompt: str | None = None
    _last_answer: str | None = None
    """Texts as they were read: only those that turn out to be the first or last are shortened."""
    counter: AnswerCounter = field(init=False)

    def __post_init__(self) -> None:
        self.counter = AnswerCounter(is_agent=self.is_agent, pending=self.facts.pending)

    def texts(self, end: int) -> Iterator[Sequence[Found]]:
        """The texts of the whole lines up to byte `end`, those of a line together.

        `facts.read` is behind the line. Raises OSError.
        """
        facts, own = self.facts, OwnFolder(self.path.parent.name)
        self._tools = _open_calls(facts.open_calls)
        has_folder = bool(facts.cwd)
        with self.path.open("rb") as file:
            file.seek(facts.read)
            for start, after, line in whole_lines(file, facts.read, end):
                entry, found = parsed(line), None
                if entry is not None:
                    if not has_folder and not own.is_sure:
                        own.see(entry)
                        facts.cwd = own.path or ""
                    found = self._of_entry(start, entry)
                facts.lines += 1
                facts.read = after
                if found:
                    yield found

    def _of_entry(self, start: int, entry: Json) -> Sequence[Found]:
        facts = self.facts
        kind = as_str(entry.get("type"))
        if kind in _TITLES:
            is_given = kind == "custom-title"
            if is_given or not facts.is_named:
                facts.title = excerpt(as_str(entry.get(_TITLES[kind])))
                facts.is_named = int(is_given and bool(facts.title))
            return ()
        if kind == "cost-state":
            said = session_cost(entry)
            self.facts.said = self.facts.said if said is None else said
            return ()
        self._follow(kind, entry)
        at = seconds(entry.get("timestamp")) or None
        if at is not None:
            if facts.started is None or at < facts.started:
                facts.started = at
            if facts.ended is None or at > facts.ended:
                facts.ended = at
        facts.branch = as_str(entry.get("gitBranch")) or facts.branch
        is_answer = kind == "assistant"
        model = model_of(as_dict(entry.get("message"))) if is_answer else ""
        found, prompts, tools = list[Found](), facts.prompts, facts.tools
        for part, each in enumerate(_texts_of(entry)):
            role, text, tool, call = each
            if role is _CALL:
                self._tools[call] = tool
                facts.tools += 1
            elif role is _PROMPT or role is _ANSWER:
                self._note_words(role, text)
            elif call and not tool:
                tool = self._tools.pop(call, "")
            found.append(Found(start, part, role, text, tool, at, model, facts.cwd, facts.branch))
        self.counter.add(entry, start, at, facts.prompts - prompts)
        if facts.tools != tools:
            self.touched.update(touched_files(entry))
        return found

    def close(self) -> None:
        """Note in the facts what lists show, and what the next pass needs. Raises OSError."""
        facts = self.facts
        if self._last_prompt is not None:
            facts.last_prompt = excerpt(self._last_prompt)
            facts.first_prompt = facts.first_prompt or excerpt(self._first_prompt or "")
        if self._last_answer is not None:
            beginning = self._last_answer[: 4 * LONGEST_EXCERPT]
            facts.last_answer = excerpt(markdown_signs.without_signs(beginning))
        newest = dict(list(self._tools.items())[-MOST_OPEN_CALLS:])
        self.facts.open_calls = json.dumps(newest) if newest else ""
        self.facts.before = hash_before(self.path, self.facts.read)

    def _note_words(self, role: Role, text: str) -> None:
        if role is _PROMPT:
            self.facts.prompts += 1
        if self.is_agent:
            return
        if role is _ANSWER:
            self._last_answer = text
        else:
            self._last_prompt = text
            if self._first_prompt is None and text.strip():
                self._first_prompt = text

    def _follow(self, kind: str, entry: Json) -> None:
        """Whether the file still is one conversation without branches, as far as a line shows."""
        if self.is_agent:
            return
        if kind == "last-prompt":
            leaf = entry.get("leafUuid")
            self.may_branch = self.may_branch or leaf != self.facts.tip
            return
        uuid = as_str(entry.get("uuid"))
        if not uuid or entry.get("isSidechain") is True:
            return
        if kind == "user" and self.facts.tip:
            parent = entry.get("parentUuid", self.facts.tip)  # without one, it continues the last
            if parent != self.facts.tip and kind_of(entry) is Kind.PROMPT:
                self.may_branch = True
        self.facts.tip = uuid


def _texts_of(entry: Json) -> list[EntryText]:
    try:
        return texts_of(entry)
    except Exception:  # a line of an unknown form; the others are indexed all the same
        return []


def count_again(path: Path, end: int, *, is_agent: bool) -> dict[int, Answer]:
    """All answers in the lines of a file up to byte `end`. Raises OSError."""
    counter = AnswerCounter(is_agent=is_agent)
    with path.open("rb") as file:
        for start, _, line in whole_lines(file, 0, end):
            entry = parsed(line)
            kind = entry.get("type") if entry is not None else None
            if entry is None or as_str(kind) in {*_TITLES, "cost-state"}:
                continue
            texts = _texts_of(entry) if kind != "assistant" else ()
            at = seconds(entry.get("timestamp")) or None
            counter.add(entry, start, at, sum(each.role is Role.PROMPT for each in texts))
    return counter.found


def rewound_lines(path: Path, end: int) -> set[int]:
    """The starts of the lines from which Claude does not continue. Raises OSError.

    Reads the whole file.
    """
    lineage, starts = Lineage(), dict[str, int]()
    with path.open("rb") as file:
        for start, _, line in whole_lines(file, 0, end):
            entry = parsed(line)
            if entry is not None:
                lineage.add(entry)
                starts.setdefault(as_str(entry.get("uuid")), start)
    return {starts[uuid] for uuid in lineage.left(lineage.leaf) if uuid in starts}


def _open_calls(text: str) -> dict[str, str]:
    found = json.loads(text) if text else {}
    return {str(call): str(tool) for call, tool in found.items()}


def excerpt(text: str) -> str:
    """The beginning of a text, on one line."""
    return one_line(text[: 4 * LONGEST_EXCERPT], LONGEST_EXCERPT)
