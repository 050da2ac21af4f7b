"""Acts on Claude's configuration that may take minutes, such as fetching a repository.

An act goes on beside the request that began it. What became of it stands in a file, so that any
worker can show it.
"""

from __future__ import annotations

import logging
import re
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import gevent

from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.files import atomic_files, file_locks
from opcode_htmx.lib.files.json_files import JsonFileSchema
from opcode_htmx.lib.late.patterns import late_pattern

FOLDER = "claude_acts"
"""Its name in the state folder."""
PATIENCE = 3.0
"""Seconds for which the request waits for the outcome itself."""
SECONDS = 300.0
"""The limit for an act, with the time in which it waits for another one."""
KEPT_SECONDS = 3600.0
"""For which the outcome can be read."""
_ID = late_pattern(r"[0-9a-f]{32}", re.ASCII)

log = logging.getLogger(__name__)


class ActFailed(Exception):
    """An act had no success; the text is for the person."""


@dataclass(frozen=True, slots=True)
class Act:
    """An act, its outcome in `message`; `back` is the page to go on from."""

    id: str
    title: str
    back: str
    until: float
    state: str = "running"
    message: str = ""

    @property
    def is_running(self) -> bool:
        return self.state == "running" and time.time() < self.until

    @property
    def is_done(self) -> bool:
        return self.state == "done"

    @property
    def outcome(self) -> str:
        """A sentence on what became of it."""
        return self.message or "It was interrupted. Look whether it took effect, and try again."


def _parse(content: Mapping[str, Any]) -> Act:
    return Act(**{name: content[name] for name in Act.__slots__})


SCHEMA = JsonFileSchema(1, _parse)


class Acts:
    """The acts, one at a time: those of Claude's own do not expect others beside them."""

    def __init__(self, store: Path) -> None:
        self._store = store

    def begin(self, title: str, back: str, work: Callable[[], str]) -> Act:
        """Begin one; `work` returns a sentence on its success, or raises ActFailed."""
        atomic_files.make_folder(self._store)
        atomic_files.remove_old(self._store.glob("*.json"), KEPT_SECONDS)
        act = Act(uuid.uuid4().hex, title, back, time.time() + SECONDS)
        self._write(act)
        greenlet = gevent.spawn(self._run, act, work)
        greenlet.join(PATIENCE)
        return self.get(act.id) or act

    def get(self, act_id: str) -> Act | None:
        """None for one that is not known any more."""
        return SCHEMA.read(self._path(act_id)) if _ID.fullmatch(act_id) else None

    def _run(self, act: Act, work: Callable[[], str]) -> None:
        try:
            with file_locks.held(self._store / "lock"):
                if time.time() >= act.until:  # the person has been asked to try again
                    raise ActFailed("Others took too long before it. Try again.")
                message = work()
            self._write(replace(act, state="done", message=message))
        except ActFailed as error:
            self._write(replace(act, state="failed", message=str(error)))
        except Exception:
            log.exception("act %s failed", act.id)
            self._write(replace(act, state="failed", message="It failed; the log says why."))

    def _write(self, act: Act) -> None:
        SCHEMA.write(self._path(act.id), asdict(act), durable=False)

    def _path(self, act_id: str) -> Path:
        return self._store / f"{act_id}.json"
