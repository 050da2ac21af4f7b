"""What Claude itself says about its configuration in a project, asked without a session.

Asking takes half a second, so an answer is kept for a while, as long as the files that it depends
on do not change.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import field
from pathlib import Path

from opcode_htmx.engines.base import CapabilityCodec, Launcher, QueryOptions
from opcode_htmx.engines.requests import Query
from opcode_htmx.lib.coerce import Json
from opcode_htmx.lib.concurrency.keyed_lock import KeyedLock
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.files import atomic_files
from opcode_htmx.runs.queries.query_process import QueryFailed, QueryProcess

KEPT_SECONDS = 120.0
"""Files that are imported, and the login, may change without a change of the files that are
checked."""
FAILED_SECONDS = 10.0
"""A Claude that does not answer holds up the first page only."""
MOST = 16
"""Answers that are kept."""
INITIALIZE = "initialize"


@dataclass(frozen=True, slots=True)
class ClaudeReport:
    """The answers of one Claude by the name of the query; one that was refused is missing.

    `problem` says why there are none at all.
    """

    answers: Mapping[str, Json] = field(default_factory=dict)
    problem: str = ""

    def answer(self, query: Query | str) -> Json:
        """An answer; empty if there is none."""
        return self.answers.get(query if isinstance(query, str) else query.name, {})


@dataclass(frozen=True, slots=True)
class _Kept:
    report: ClaudeReport
    stamp: tuple[object, ...]
    until: float


class ClaudeReports:
    """The reports of this worker, one for each folder."""

    def __init__(
        self,
        launcher: Launcher,
        codec: CapabilityCodec,
        empty_folder: Path,
        queries: Iterable[Query],
    ) -> None:
        """`empty_folder` is one of ours, for the configuration of the user alone."""
        self._launcher = launcher
        self._codec = codec
        self._empty_folder = empty_folder
        self._queries = tuple(queries)
        self._kept: dict[Path | None, _Kept] = {}
        self._locks = KeyedLock()

    def of(self, project: Path | None, files: Iterable[Path] = ()) -> ClaudeReport:
        """The report for a trusted project, or None: for the user alone.

        `files` are those it depends on. Never raises: see ClaudeReport.problem.
        """
        with self._locks.of(str(project)):
            stamp = tuple(map(_stamp, files))
            kept = self._kept.get(project)
            if kept and kept.stamp == stamp and kept.until > time.monotonic():
                return kept.report
            report = self._ask(project)
            seconds = FAILED_SECONDS if report.problem else KEPT_SECONDS
            self._kept.pop(project, None)
            self._kept[project] = _Kept(report, stamp, time.monotonic() + seconds)
            while len(self._kept) > MOST:
                self._kept.pop(next(iter(self._kept)))
            return report

    def forget(self) -> None:
        """Ask again next time, whatever has changed."""
        self._kept.clear()

    def _ask(self, project: Path | None) -> ClaudeReport:
        answers: dict[str, Json] = {}
        try:
            if project is None:
                atomic_files.make_folder(self._empty_folder)
            command = self._launcher.query(QueryOptions(project_settings=project is not None))
            with QueryProcess(command, self._codec, project or self._empty_folder) as claude:
                answers[INITIALIZE] = claude.initialize()
                for query in self._queries:
                    try:
                        answers[query.name] = claude.ask(query)
                    except QueryFailed:
                        if not claude.is_running:
                            raise
        except (QueryFailed, OSError) as error:
            return ClaudeReport(answers, f"Claude could not be asked: {error}.")
        return ClaudeReport(answers)


def _stamp(path: Path) -> object:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino
