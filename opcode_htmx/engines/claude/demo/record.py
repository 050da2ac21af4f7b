"""The demo API's entry on disk: which process serves, on which port. Starts nothing."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import time
from dataclasses import asdict
from pathlib import Path

import psutil

from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.process_identity import ProcessIdentity

_END_TIMEOUT = 5.0


@dataclass(frozen=True, slots=True)
class Record:
    """api.json. `started`: seconds since the epoch; `nonce`: what /healthz must return."""

    port: int
    pid: int
    started: float
    nonce: str

    @classmethod
    def of_process(cls, pid: int, port: int, nonce: str) -> Record:
        identity = ProcessIdentity.of(psutil.Process(pid))
        return cls(port, identity.pid, identity.started_at, nonce)

    def save(self, path: Path) -> None:
        """Write it, mode 0600, so that a reader sees the old or the new one whole."""
        draft = path.with_name(f".{path.name}.{os.getpid()}")
        with contextlib.suppress(FileNotFoundError):
            draft.unlink()
        fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(fd, "w", encoding="utf-8") as file:
            json.dump(asdict(self), file)
        draft.replace(path)

    @classmethod
    def load(cls, path: Path) -> Record | None:
        """None if there is none, or none that makes sense."""
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
            return cls(
                int(data["port"]), int(data["pid"]), float(data["started"]), str(data["nonce"])
            )
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def answers(self, timeout: float = 2.0) -> bool:
        """Whether this very API answers on its port."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request("GET", "/healthz")
            body = json.loads(connection.getresponse().read())
        except (OSError, http.client.HTTPException, ValueError):
            return False
        finally:
            connection.close()
        return isinstance(body, dict) and body.get("nonce") == self.nonce

    def end_process(self) -> None:
        """Kill the recorded process, if it still is that process and not another with its id."""
        process = ProcessIdentity(self.pid, self.started).find()
        if process is None:
            return
        try:
            process.kill()
            deadline = time.monotonic() + _END_TIMEOUT
            # a zombie counts as ended: in some containers it is never reaped
            while process.status() != psutil.STATUS_ZOMBIE and time.monotonic() < deadline:
                time.sleep(0.01)
        except psutil.NoSuchProcess:
            return
