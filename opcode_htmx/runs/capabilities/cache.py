"""Claude's capabilities, its models and commands, before any run has listed them.

A probe runs in the background, in an empty folder of ours and without the settings of any project,
whose files could run programs. The answer is cached on disk.
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Callable
from pathlib import Path

import gevent

from opcode_htmx.engines.base import CapabilityReader
from opcode_htmx.engines.capabilities import Command, Model
from opcode_htmx.lib import bounded_json
from opcode_htmx.lib.coerce import Json
from opcode_htmx.lib.concurrency.broadcast import Broadcast
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.files import atomic_files
from opcode_htmx.runs.capabilities.probe import ProbeFailed

log = logging.getLogger(__name__)

FRESH_SECONDS = 24 * 3600.0
"""An older answer is still used, and renewed."""
RETRY_SECONDS = 300.0
"""How long to wait after a failed probe."""
KEPT = 10
"""Files kept: one for each version and login of Claude."""
FOLDER = "nowhere"
"""The name of the empty folder in which the probe runs."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """`at` is when Claude listed them, in seconds since the epoch."""

    models: tuple[Model, ...]
    commands: tuple[Command, ...]
    at: float


class CapabilityCache:
    def __init__(
        self,
        root: Path,
        ask: Callable[[Path], Json] | None,
        said_by: str,
        reader: CapabilityReader,
    ) -> None:
        """`ask` runs a probe in a folder and returns Claude's answer, or raises ProbeFailed.

        None: there are no probes. `said_by` identifies Claude: its version, its login.
        """
        self._root = root
        self._ask = ask
        self._reader = reader
        name = hashlib.sha256(said_by.encode("utf-8", "surrogateescape")).hexdigest()[:32]
        self._file = root / f"{name}.json"
        self._known: Capabilities | None = None
        self._retry_at = 0.0
        self._callbacks: list[Callable[[], None]] = []
        self._worker: gevent.Greenlet[..., None] | None = None
        self._answered = Broadcast()

    @property
    def models(self) -> tuple[Model, ...]:
        """The models of the newest answer."""
        return known.models if (known := self.known) else ()

    @property
    def asks(self) -> bool:
        """Whether there are probes."""
        return self._ask is not None

    @property
    def known(self) -> Capabilities | None:
        """The newest answer, if there is one."""
        if self._known is None:
            try:
                data = bounded_json.loads(self._file.read_bytes())
                self._known = self._report(data, float(data["at"]))
            except (OSError, ValueError, KeyError, TypeError):
                return None
        return self._known

    def want(self, then: Callable[[], None] | None = None) -> None:
        """Start a probe if there is no fresh answer; call `then` when it is done.

        Returns at once, and does nothing for a while after a failed probe.
        """
        known = self.known
        if (
            self._ask is None
            or (known and time.time() - known.at < FRESH_SECONDS)
            or self._retry_at > time.monotonic()
        ):
            return
        if then:
            self._callbacks.append(then)
        if self._worker is None:
            self._worker = gevent.spawn(self._work, self._ask)

    def wait(self, seconds: float) -> Capabilities | None:
        """The newest answer; waits up to `seconds` for the first one if a probe is running."""
        until = time.monotonic() + seconds
        while not self.known and self._worker and (left := until - time.monotonic()) > 0:
            self._answered.wait(self._answered.version, left)
        return self.known

    def close(self) -> None:
        """Start no more probes, and end a running one."""
        if self._worker:
            self._worker.kill()

    def _work(self, ask: Callable[[Path], Json]) -> None:
        try:
            self._learn(ask)
        finally:
            self._worker = None
            callbacks, self._callbacks = self._callbacks, []
            self._answered.notify()
        for callback in callbacks:
            callback()

    def _learn(self, ask: Callable[[Path], Json]) -> None:
        try:
            folder = self._root / FOLDER
            atomic_files.make_folder(folder)
            answer = ask(folder)
            kept = {name: answer.get(name) for name in ("models", "commands")}
            found = self._report(kept, time.time())
            if not found.models:
                raise ProbeFailed("it named no models")
            self._known = found
            self._retry_at = 0.0
            self._store({**kept, "at": found.at})
        except (ProbeFailed, OSError) as error:
            self._retry_at = time.monotonic() + RETRY_SECONDS
            log.warning(
                "Claude did not say what it offers: %s. It is asked again in %d minutes or later; "
                "until then its lists come with its first run.",
                error,
                RETRY_SECONDS / 60,
            )

    def _report(self, answer: Json, at: float) -> Capabilities:
        report = self._reader.capabilities_of(answer)
        return Capabilities(report.models, report.commands, at)

    def _store(self, data: Json) -> None:
        files = sorted(self._root.glob("*.json"), key=_touched, reverse=True)
        for file in files[KEPT - 1 :]:
            file.unlink(missing_ok=True)
        atomic_files.write(self._file, json.dumps(data).encode(), durable=False)


def _touched(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
