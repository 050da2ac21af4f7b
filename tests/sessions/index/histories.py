"""History files for the tests of the index, in the CLI's form."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

from opcode_htmx.engines.claude.files import history
from opcode_htmx.sessions.index.excerpts import excerpt_of
from opcode_htmx.sessions.index.indexer import Indexer
from opcode_htmx.sessions.index.reader import IndexReader
from opcode_htmx.sessions.index.search import Query
from tests.support.clients.api import stamp

ONE = "11111111-1111-4111-8111-111111111111"
TWO = "22222222-2222-4222-8222-222222222222"
NOON = 1_795_000_000.0
SHOP = "/home/me/shop"


class Session:
    """The file of a session, to which entries are added, each the child of the one before."""

    def __init__(self, config_dir: Path, session_id: str = ONE, cwd: str = SHOP) -> None:
        folder = config_dir / "projects" / history.project_id(Path(cwd))
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / f"{session_id}.jsonl"
        self.cwd = cwd
        self.tip: str | None = None
        self._count = 0
        self._id = session_id

    def add(self, type_: str, content: object, **more: Any) -> str:
        """Append an entry; its uuid. `at` is in seconds after noon."""
        self._count += 1
        uuid = f"{self._id[:8]}-0000-4000-8000-{self._count:012}"
        at = NOON + float(more.pop("at", self._count))
        fields = more.pop("message", {})
        role = {"role": type_, "content": content, **fields}
        entry = {
            "parentUuid": self.tip,
            "type": type_,
            "uuid": uuid,
            "cwd": self.cwd,
            "sessionId": self._id,
            "timestamp": stamp(at),
            "message": role,
            **more,
        }
        self.write(json.dumps(entry) + "\n")
        self.tip = uuid
        return uuid

    def write(self, text: str) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            file.write(text)

    def prompt(self, text: str, **more: Any) -> str:
        return self.add("user", text, **more)

    def answer(self, text: str, **more: Any) -> str:
        return self.add("assistant", [{"type": "text", "text": text}], **more)

    def call(self, tool: str, call_id: str, **tool_input: object) -> str:
        part = {"type": "tool_use", "id": call_id, "name": tool, "input": tool_input}
        return self.add("assistant", [part])

    def result(self, call_id: str, text: str) -> str:
        part = {"type": "tool_result", "tool_use_id": call_id, "content": text}
        return self.add("user", [part])

    def of_agent(self, text: str) -> Path:
        """Append an answer to the file of the subagent a1; its path."""
        path = self.path.with_suffix("") / "subagents" / "agent-a1.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        message = {"role": "assistant", "content": [{"type": "text", "text": text}]}
        line = {"type": "assistant", "uuid": "a1", "isSidechain": True, "cwd": self.cwd}
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({**line, "message": message}) + "\n")
        return path

    def compaction(self, summary: str) -> str:
        """Append a compaction with its summary; the uuid of the compaction's own line."""
        metadata = {"trigger": "auto", "preTokens": 900}
        fields = {"logicalParentUuid": self.tip, "compactMetadata": metadata}
        self.tip = None
        boundary = self.add("system", "", subtype="compact_boundary", **fields)
        self.prompt(summary, isCompactSummary=True)
        return boundary


class Searchable:
    """An index over the histories in a folder."""

    def __init__(self, folder: Path) -> None:
        self.config_dir = folder / "claude"
        self.database = folder / "sessions.sqlite"
        self.reader = IndexReader(self.database, history.root(self.config_dir))
        self.indexer = Indexer(self.database, self.config_dir)

    def session(self, session_id: str = ONE, cwd: str = SHOP) -> Session:
        return Session(self.config_dir, session_id, cwd)

    def update(self) -> int:
        """Bring the index up to date; the number of files that were read."""
        return sum(1 for _ in self.indexer.look())

    def restart(self) -> None:
        self.indexer.close()
        self.indexer = Indexer(self.database, self.config_dir)

    def texts(self, words: str, **limits: Any) -> list[str]:
        """The excerpts that match, the newest first."""
        found = self.reader.find(Query(words=words, **limits))
        places = [place for session in found.sessions for place in session.places]
        excerpts = [excerpt_of(place, found.phrases) for place in places]
        return ["".join(text for text, _ in each.pieces) for each in excerpts if each]

    def marked(self, words: str) -> list[str]:
        """The words that are marked in the excerpts."""
        found = self.reader.find(Query(words=words))
        places = [place for session in found.sessions for place in session.places]
        excerpts = [excerpt_of(place, found.phrases) for place in places]
        return [text for each in excerpts if each for text, is_match in each.pieces if is_match]


def rows(index: Searchable, query: str) -> list[tuple[object, ...]]:
    database = sqlite3.connect(index.database)
    try:
        return database.execute(query).fetchall()
    finally:
        database.close()
