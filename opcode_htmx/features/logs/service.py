"""Read the log for the page and for programs, beside the event loop."""

from __future__ import annotations

from pathlib import Path

from opcode_htmx.lib.concurrency.cooperative import run_cpu_in_thread
from opcode_htmx.lib.logs import reader
from opcode_htmx.lib.logs.reader import LogPage, LogQuery


class LogUnavailable(Exception):
    """There is no log to read, or not at this place any more; the text is for the user."""


class LogReader:
    """The log; `folder` is None where it is not kept in files."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    @property
    def is_on(self) -> bool:
        return self._folder is not None

    def read(self, query: LogQuery, limit: int) -> LogPage:
        """The newest lines that fit, `limit` at most. Raises LogUnavailable."""
        if self._folder is None:
            raise LogUnavailable(
                "The log is not kept: OPCODE_LOG_FILE is 0. It is where the server was started."
            )
        page = run_cpu_in_thread(reader.read, self._folder, query, limit)
        if page.is_gone:
            raise LogUnavailable("This part of the log was removed meanwhile.")
        return page
