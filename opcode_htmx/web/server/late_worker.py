"""The worker as the arbiter knows it: in its own process it loads gevent and becomes the real one.

The arbiter only waits. Without gevent it takes 4 MB less, which each worker would take once more:
counting references copies what both have.
"""

from __future__ import annotations

import gc
from typing import Any

from gunicorn.workers.base import Worker as BaseWorker


class LateWorker(BaseWorker):  # type: ignore[misc]
    def init_process(self) -> None:
        """After the fork. The arbiter has set up this very object, so it changes its class."""
        # What is imported stays, so collections would take time for nothing; see app.py
        gc.set_threshold(1_000_000)
        from opcode_htmx.web.server.worker import Worker

        alive = self.__dict__.pop("alive")
        worker: Any = self
        worker.__class__ = Worker
        worker.alive = alive
        worker.worker_connections = self.cfg.worker_connections
        worker.init_process()
