"""Find one's earlier prompts in the newest of Claude's history files, read from their ends.

`earlier_prompts` is all that the pages use: another source can take its place. What it reads is
bounded, so the oldest prompts of a long history are not found.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from opcode_htmx.engines.claude.files import folder_names, history, links
from opcode_htmx.engines.claude.protocol import parser
from opcode_htmx.engines.claude.protocol.user_entries import parts_of
from opcode_htmx.engines.messages import ToolResult, User
from opcode_htmx.engines.user_parts import Prompt, SlashCommand
from opcode_htmx.features.saved_prompts.service import LONGEST_TEXT, matches, words_of
from opcode_htmx.lib.concurrency.cooperative import run_cpu_in_thread
from opcode_htmx.lib.formatting import one_line

FILES = 60
"""History files that are read for one list: those of the project, and as many others."""
END = 512 * 1024
"""Bytes that are read of one file, from its end."""
LONGEST_LINE = 128 * 1024
"""A prompt with images has a longer line; its words are left out."""
MOST_OF_FILE = 100
TITLE_CHARACTERS = 200
SECONDS = 1.0
"""How long a list may take; what has been found until then is shown."""


@dataclass(frozen=True, slots=True)
class EarlierPrompt:
    """A prompt that a person wrote in the folder `cwd`, at a Unix time."""

    text: str
    cwd: str
    at: float

    @property
    def title(self) -> str:
        """The beginning of the text, on one line."""
        return one_line(self.text[: 2 * TITLE_CHARACTERS], TITLE_CHARACTERS)


class _File(NamedTuple):
    mtime_ns: int
    path: str
    size: int


def earlier_prompts(
    config_dir: Path, folder: Path | None, query: str, most: int
) -> tuple[list[EarlierPrompt], list[EarlierPrompt]]:
    """At most `most` prompts that contain the words of `query`, the newest first.

    First those of the project in `folder`, then those of other projects; each text is there once.
    They are read in a thread.
    """
    return run_cpu_in_thread(_find, config_dir, folder, query, most)


def _find(
    config_dir: Path, folder: Path | None, query: str, most: int
) -> tuple[list[EarlierPrompt], list[EarlierPrompt]]:
    until = time.monotonic() + SECONDS
    claude_folders = history.claude_folders(config_dir)
    own_name = folder_names.claude_folder(folder) if folder else ""
    own = [each for each in claude_folders if each.name == own_name]
    others = [each for each in claude_folders if each.name != own_name]
    words, seen = words_of(query), set[str]()
    here, elsewhere = list[EarlierPrompt](), list[EarlierPrompt]()
    for folders in (own, others):
        for file in _newest(folders):
            if len(here) + len(elsewhere) >= 4 * most or time.monotonic() > until:
                break
            for each in _prompts_in(file.path, file.size, file.mtime_ns):
                if each.text not in seen and matches(words, each.text):
                    seen.add(each.text)
                    (here if folder and each.cwd == str(folder) else elsewhere).append(each)
    for found in (here, elsewhere):
        # a session that was continued lately may have older prompts than others
        found.sort(key=lambda each: each.at, reverse=True)
    here = here[:most]
    return here, elsewhere[: most - len(here)]


def _newest(folders: Iterable[Path]) -> list[_File]:
    found = [file for folder in folders for file in _files_in(folder)]
    return sorted(found, reverse=True)[:FILES]


def _files_in(folder: Path) -> Iterator[_File]:
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if not entry.name.endswith(links.ENDING):
                continue
            if not history.SESSION_ID.fullmatch(entry.name.removesuffix(links.ENDING)):
                continue
            if status := links.file_status(entry.path):
                yield _File(status.st_mtime_ns, entry.path, status.st_size)


@lru_cache(maxsize=256)
def _prompts_in(path: str, size: int, _mtime_ns: int) -> tuple[EarlierPrompt, ...]:
    """The prompts at the end of a file, the newest first; none of one that cannot be read."""
    found = list[EarlierPrompt]()
    try:
        lines = _last_lines(path, size)
    except OSError:
        return ()
    for line in reversed(lines):
        if prompt := _prompt_in(line):
            found.append(prompt)
            if len(found) == MOST_OF_FILE:
                break
    return tuple(found)


def _last_lines(path: str, size: int) -> list[bytes]:
    begin = max(0, size - END)
    with Path(path).open("rb") as file:
        file.seek(begin)
        lines = file.read(END).split(b"\n")
    return lines[1:] if begin else lines


def _prompt_in(line: bytes) -> EarlierPrompt | None:
    """The prompt in a line of a history file; None if a person has written none there."""
    is_prompt = b'"type":"user"' in line or b'"queued_command"' in line
    if not is_prompt or b'"tool_result"' in line or len(line) > LONGEST_LINE:
        return None
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(entry, dict) or entry.get("type") not in ("user", "attachment"):
        return None
    if entry.get("isSidechain") is True or not (text := _text_of(entry)):
        return None
    cwd = entry.get("cwd")
    return EarlierPrompt(text, cwd if isinstance(cwd, str) else "", _time_of(entry))


def _text_of(entry: dict[str, Any]) -> str:
    """What a person has typed; empty for a note of the CLI, and for a very long text."""
    message = parser.message_of(entry)
    if not isinstance(message, User) or any(isinstance(c, ToolResult) for c in message.content):
        return ""
    texts = [
        part.text
        for part in parts_of(message)
        if isinstance(part, Prompt) or (isinstance(part, SlashCommand) and not part.local)
    ]
    text = "\n".join(texts).strip()
    return text.encode("utf-8", "replace").decode() if len(text) <= LONGEST_TEXT else ""


def _time_of(entry: dict[str, Any]) -> float:
    try:
        return datetime.fromisoformat(entry["timestamp"]).timestamp()
    except (KeyError, TypeError, ValueError, OverflowError):
        return 0.0
