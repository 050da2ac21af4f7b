"""Find one's earlier prompts: the newest in Claude's history files, older ones by the index.

`EarlierPrompts.find` is all that the pages use: another source can take its place. The files are
read from their ends, and only the newest of them, so that a list takes no longer with more of them.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from opcode_htmx.engines.claude.files import folder_names, history, links
from opcode_htmx.engines.claude.protocol import parser
from opcode_htmx.engines.claude.protocol.user_entries import parts_of
from opcode_htmx.engines.contents import ToolResult
from opcode_htmx.engines.messages import User
from opcode_htmx.engines.user_parts import Prompt, SlashCommand
from opcode_htmx.features.saved_prompts.service import LONGEST_TEXT, matches, words_of
from opcode_htmx.lib.coerce import encodable, seconds
from opcode_htmx.lib.concurrency.cooperative import run_cpu_in_thread, run_in_thread
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.formatting import one_line
from opcode_htmx.sessions.index.file_lines import entry_at
from opcode_htmx.sessions.index.reader import IndexReader, IndexUnavailable
from opcode_htmx.sessions.index.search import Place, Query
from opcode_htmx.sessions.index.terms import phrases_of, spans_of

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


Found = tuple[list[EarlierPrompt], list[EarlierPrompt]]
"""Those of a project, and those of others; the newest first, and each text once."""


class EarlierPrompts:
    """The prompts that a person has written in the sessions of this computer."""

    def __init__(self, config_dir: Path, index: IndexReader) -> None:
        """`index` may have no database: then only the newest prompts are found."""
        self._config_dir = config_dir
        self._index = index

    def find(self, folder: Path | None, query: str, most: int) -> Found:
        """At most `most` prompts with the words of `query`; first those of the project in `folder`.

        The files are read in a thread.
        """
        here, elsewhere = run_cpu_in_thread(_find, self._config_dir, folder, query, most)
        if query and len(here) + len(elsewhere) < most:
            older = self._in_index(str(folder) if folder else "", query)
            known = {each.text for each in (*here, *elsewhere)}
            for each in older:
                if each.text not in known:
                    known.add(each.text)
                    (here if folder and each.cwd == str(folder) else elsewhere).append(each)
        return _cut(here, elsewhere, most)

    def _in_index(self, project: str, query: str) -> list[EarlierPrompt]:
        """Prompts of any age, also those of files that are no longer the newest."""
        places = list[Place]()
        for each in dict.fromkeys((project, "")):
            wanted = Query(words=query, project=each, role="prompt", with_agents=False)
            with contextlib.suppress(IndexUnavailable):
                found = self._index.find(wanted)
                places += [place for session in found.sessions for place in session.places]
        phrases = phrases_of(query)
        prompts = run_in_thread(lambda: [_prompt_at(place) for place in places])
        # the file may have been replaced since it was read for the index
        return [each for each in prompts if each and spans_of(each.text, phrases, 1)]


def _cut(here: list[EarlierPrompt], elsewhere: list[EarlierPrompt], most: int) -> Found:
    for found in (here, elsewhere):
        # a session that was continued lately may have older prompts than others
        found.sort(key=lambda each: each.at, reverse=True)
    here = here[: most - min(len(elsewhere), most // 4)]  # a quarter is for other projects
    return here, elsewhere[: most - len(here)]


def _prompt_at(place: Place) -> EarlierPrompt | None:
    try:
        entry = entry_at(place.path, place.start)
    except OSError:
        return None
    return _prompt_of(entry) if entry else None


def _find(config_dir: Path, folder: Path | None, query: str, most: int) -> Found:
    until = time.monotonic() + SECONDS
    claude_folders = history.claude_folders(config_dir)
    own_name = folder_names.claude_folder(folder) if folder else ""
    own = [each for each in claude_folders if each.name == own_name]
    others = [each for each in claude_folders if each.name != own_name]
    words, seen = words_of(query), set[str]()
    here, elsewhere = list[EarlierPrompt](), list[EarlierPrompt]()
    for folders in (own, others):
        enough = len(here) + len(elsewhere) + 2 * most
        for file in _newest(folders):
            if len(here) + len(elsewhere) >= enough or time.monotonic() > until:
                break
            for each in _prompts_in(file.path, file.size, file.mtime_ns):
                if each.text not in seen and matches(words, each.text):
                    seen.add(each.text)
                    (here if folder and each.cwd == str(folder) else elsewhere).append(each)
    return _cut(here, elsewhere, most)


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
    return _prompt_of(entry) if isinstance(entry, dict) else None


def _prompt_of(entry: dict[str, Any]) -> EarlierPrompt | None:
    if entry.get("type") not in ("user", "attachment"):
        return None
    if entry.get("isSidechain") is True or not (text := _text_of(entry)):
        return None
    cwd = entry.get("cwd")
    return EarlierPrompt(text, cwd if isinstance(cwd, str) else "", seconds(entry.get("timestamp")))


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
    return encodable(text) if len(text) <= LONGEST_TEXT else ""
