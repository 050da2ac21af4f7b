"""Send spans to a collector over HTTP, in batches and beside all other work.

Spans wait in a bounded queue. A collector that is slow or gone costs spans, and nothing else.
"""

from __future__ import annotations

import logging
import ssl
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import gevent
from gevent.event import Event

from opcode_htmx.lib.tracing.spans import Span, Value, request_body

if TYPE_CHECKING:  # imported late: a server without a collector needs no client
    from http.client import HTTPConnection

log = logging.getLogger(__name__)

PATH = "/v1/traces"
QUEUE_SIZE = 4096
BATCH_SIZE = 256
GATHER_SECONDS = 1.0
"""How long spans are gathered, so that a request has more than one."""
TIMEOUT_SECONDS = 10.0
RETRIES = (1.0, 5.0)
"""Pauses before a batch is sent again; then it is dropped."""
CLOSE_SECONDS = 2.0
WARN_SECONDS = 300.0
LARGEST_ANSWER = 64 * 1024
_AGAIN = frozenset({408, 429, 500, 502, 503, 504})
"""Statuses after which the same request may succeed."""


class SpanExporter:
    """One for each worker."""

    def __init__(
        self,
        endpoint: str,
        headers: Mapping[str, str],
        resource: Mapping[str, Value],
        version: str,
        counted: Callable[[str, int], None] = lambda result, count: None,
    ) -> None:
        """`endpoint` is the address of the collector, with or without PATH.

        `counted` is called with `sent` or `dropped` and the number of spans.
        """
        parts = urlsplit(endpoint)
        # made once: it reads all certificates of the system
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None
        self._host, self._port = parts.hostname or "", parts.port
        path = parts.path.rstrip("/")
        self._path = path if path.endswith(PATH) else path + PATH
        self._headers = {**headers, "Content-Type": "application/json"}
        self._resource = resource
        self._version = version
        self._counted = counted
        self._queue: deque[Span] = deque()
        self._waiting = Event()
        self._greenlet: gevent.Greenlet[[], None] | None = None
        self._warned_at = -WARN_SECONDS

    def add(self, span: Span) -> None:
        """Queue a span; the oldest one is dropped where there are too many."""
        if len(self._queue) >= QUEUE_SIZE:
            self._queue.popleft()
            self._counted("dropped", 1)
        self._queue.append(span)
        self._waiting.set()

    def start(self) -> None:
        self._greenlet = gevent.spawn(self._run)

    def stop(self) -> None:
        """Send what is queued, as far as that is possible at once."""
        greenlet, self._greenlet = self._greenlet, None
        if greenlet is None:
            return
        greenlet.kill()
        gevent.with_timeout(CLOSE_SECONDS, self._flush, timeout_value=None)

    def _flush(self) -> None:
        while self._queue:
            self._send(self._next_batch(), pauses=())

    def _run(self) -> None:
        while True:
            self._waiting.wait()
            gevent.sleep(GATHER_SECONDS)
            self._waiting.clear()
            while self._queue:
                try:
                    self._send(self._next_batch(), RETRIES)
                except Exception:  # the next batch may be sent
                    log.exception("spans could not be sent")

    def _next_batch(self) -> list[Span]:
        return [self._queue.popleft() for _ in range(min(BATCH_SIZE, len(self._queue)))]

    def _send(self, batch: list[Span], pauses: tuple[float, ...]) -> None:
        body = request_body(batch, self._resource, self._version)
        for pause in (*pauses, None):
            problem, may_succeed = self._post(body)
            if not problem:
                self._counted("sent", len(batch))
                return
            if pause is None or not may_succeed:
                break
            gevent.sleep(pause)
        self._counted("dropped", len(batch))
        now = time.monotonic()
        if now - self._warned_at >= WARN_SECONDS:
            self._warned_at = now
            log.warning("the collector of traces at %s does not take them: %s", self._host, problem)

    def _post(self, body: bytes) -> tuple[str, bool]:
        """What has gone wrong, else empty; and whether another attempt may succeed."""
        from http.client import HTTPException

        connection = self._connection()
        try:
            connection.request("POST", self._path, body, self._headers)
            answer = connection.getresponse()
            answer.read(LARGEST_ANSWER)
        except (OSError, HTTPException) as error:
            return str(error) or type(error).__name__, True
        finally:
            connection.close()
        if 200 <= answer.status < 300:
            return "", False
        return f"status {answer.status}", answer.status in _AGAIN

    def _connection(self) -> HTTPConnection:
        from http.client import HTTPConnection, HTTPSConnection

        if self._tls:
            return HTTPSConnection(
                self._host, self._port, timeout=TIMEOUT_SECONDS, context=self._tls
            )
        return HTTPConnection(self._host, self._port, timeout=TIMEOUT_SECONDS)
