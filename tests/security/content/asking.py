"""A client that requests `/healthz` continuously, and records the response times."""

from __future__ import annotations

import threading
import time
from types import TracebackType
from typing import Self

import requests

from tests.support.environment import until
from tests.support.server import Server


class Asking:
    """Asks from its beginning as a context until its end, at least once."""

    def __init__(self, server: Server) -> None:
        self._url = f"{server.url}/healthz"
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._ask, daemon=True)
        self.took: list[float] = []
        """Seconds that each answer took."""

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        type_: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join()

    def wait_for(self, count: int) -> None:
        until(lambda: len(self.took) >= count, f"{count} answers")

    def _ask(self) -> None:
        with requests.Session() as session:
            while True:
                began = time.monotonic()
                session.get(self._url, timeout=120).raise_for_status()
                self.took.append(time.monotonic() - began)
                if self._over.wait(0.005):
                    return
