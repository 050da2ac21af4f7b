"""Counting the answers of history files for the ledger, also again when others change."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterable
from pathlib import Path

from opcode_htmx.sessions.index.file_pass import FilePass, count_again, rewound_lines
from opcode_htmx.sessions.index.sources import SourceFile
from opcode_htmx.sessions.index.usage.answers import Answer
from opcode_htmx.sessions.index.usage.ledger import Ledger
from opcode_htmx.sessions.index.writing.names import Names

log = logging.getLogger(__name__)

FILES_AT_ONCE = 500


class UsageCount:
    """The usage of the files below `root`. The caller holds a transaction."""

    def __init__(self, database: sqlite3.Connection, names: Names, root: Path) -> None:
        self._database = database
        self._names = names
        self._root = root
        self._ledger = Ledger(database)

    def add(
        self,
        file: int,
        reader: FilePass,
        source: SourceFile,
        *,
        is_counted: bool,
        rewound: set[int] | None,
    ) -> None:
        """Count the answers that were read. `is_counted`: those before are; `rewound`: the starts
        of rewound lines, where these may have changed. Raises OSError.
        """
        facts, counter = reader.facts, reader.counter
        is_first = facts.counted == 0 and is_counted
        facts.counted, facts.pending = facts.read, counter.pending
        if is_first or (is_counted and rewound is None):
            models = self._models(counter.found.values())
            again = self._ledger.add(
                file, counter.found, models, rewound or set(), last=counter.last
            )
            if again is not None:
                self._count_again(again)
                return
        if rewound is None:
            rewound = rewound_lines(source.path, facts.read) if not source.agent else set()
        self._count(file, source.path, facts.read, bool(source.agent), rewound)

    def forget(self, files: list[int]) -> None:
        """Remove the usage of files; answers that stand in others as well are counted there."""
        for at in range(0, len(files), FILES_AT_ONCE):
            self._count_again(self._ledger.forget(files[at : at + FILES_AT_ONCE]))

    def _count(self, file: int, path: Path, end: int, is_agent: bool, rewound: set[int]) -> None:
        answers = count_again(path, end, is_agent=is_agent)
        models = self._models(answers.values())
        self._count_again(self._ledger.replace(file, answers, models, rewound))

    def _count_again(self, files: Iterable[int]) -> None:
        """Count files in which answers stand that have come from or gone to other files."""
        for file in files:
            found = self._database.execute(
                "SELECT path, counted, agent, rewound FROM file WHERE id = ?", (file,)
            ).fetchone()
            if not found:
                continue
            path, end, agent, rewound = found
            path = self._root / path
            try:
                starts = rewound_lines(path, end) if rewound else set()
                self._count(file, path, end, bool(agent), starts)
            except OSError as error:  # it is gone, and is removed from the index next
                log.info("cannot count %s again: %s", path, error)

    def _models(self, answers: Iterable[Answer]) -> dict[str, int]:
        models = {each.model for each in answers}
        return {model: self._names.number("model", model) for model in models}
