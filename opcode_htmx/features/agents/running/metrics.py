"""Measure a session from its history files: tokens, messages, files and lines that were changed.

Each answer counts once, whatever number of lines it has. Subagents count, as they are paid for.
What the session has cost is what Claude itself reports at the end of a turn.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import field
from pathlib import Path

from opcode_htmx.engines.claude.files import subagents
from opcode_htmx.engines.claude.protocol.entry_texts import Role, texts_of
from opcode_htmx.engines.claude.protocol.usage.entries import Usage, lines_changed, usage_of
from opcode_htmx.lib.coerce import Json, as_dict, as_str
from opcode_htmx.lib.concurrency.cooperative import run_in_thread
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.sessions.index.file_lines import LONGEST_LINE, parsed

KEPT = 64
"""Sessions whose figures are kept in memory."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What was counted in the files of one session."""

    tokens: int
    messages: int
    files: int
    added: int
    removed: int
    answer: str
    """Claude's last words."""


@dataclass(slots=True)
class _Count:
    answers: dict[str, Usage] = field(default_factory=dict)
    messages: set[str] = field(default_factory=set)
    files: set[str] = field(default_factory=set)
    added: int = 0
    removed: int = 0
    answer: str = ""

    def take(self, entry: Json, *, is_subagent: bool) -> None:
        if usage := usage_of(entry):
            self.answers[usage.key] = usage
        self._changes(entry)
        if is_subagent:
            return
        for text in texts_of(entry):
            if text.role is Role.PROMPT:
                self.messages.add(as_str(entry.get("uuid")))
            elif text.role is Role.ANSWER:
                self.messages.add(as_str(as_dict(entry.get("message")).get("id")))
                self.answer = text.text

    def _changes(self, entry: Json) -> None:
        """What a tool has changed in a file: it reports a patch, or a file that it has made."""
        result = as_dict(entry.get("toolUseResult"))
        path = as_str(result.get("filePath")) or as_str(result.get("notebook_path"))
        if path and (result.get("structuredPatch") or result.get("type") in ("create", "update")):
            added, removed = lines_changed(entry)
            self.files.add(path)
            self.added += added
            self.removed += removed


class SessionFigures:
    """The figures of sessions, counted again when a file has changed."""

    def __init__(self) -> None:
        self._known: OrderedDict[Path, tuple[object, Figures]] = OrderedDict()

    def of(self, history: Path | None) -> Figures | None:
        """The figures of the session with this history file; None without one. Others go on."""
        if history is None:
            return None
        try:
            files = _files(history)
            seen = [(path, path.stat().st_size, path.stat().st_mtime_ns) for path, _ in files]
            known = self._known.pop(history, None)
            if known is None or known[0] != seen:
                known = seen, run_in_thread(_counted, files)
        except OSError:
            return None
        self._known[history] = known
        if len(self._known) > KEPT:
            self._known.popitem(last=False)
        return known[1]


def _files(history: Path) -> list[tuple[Path, bool]]:
    folder = subagents.folder_of(history)
    others = [folder / f"agent-{name}.jsonl" for name, _ in subagents.files_in(folder)]
    return [(history, False), *((path, True) for path in others)]


def _counted(files: list[tuple[Path, bool]]) -> Figures:
    count = _Count()
    for path, is_subagent in files:
        for entry in _entries(path):
            count.take(entry, is_subagent=is_subagent)
    tokens = sum(each.prompt_tokens + each.output for each in count.answers.values())
    return Figures(
        tokens, len(count.messages), len(count.files), count.added, count.removed, count.answer
    )


def _entries(path: Path) -> Iterator[Json]:
    """The entries of the whole lines that are not too long."""
    with path.open("rb") as file:
        while line := file.readline(LONGEST_LINE):
            if not line.endswith(b"\n"):
                continue  # a piece of a longer line, or one that is being written
            entry = parsed(line)
            if entry is not None:
                yield entry
