"""Import the library for sockets, with the first socket: it and what it needs are 22 modules."""

from __future__ import annotations

from opcode_htmx.lib.concurrency.cooperative import run_cpu_in_thread
from opcode_htmx.lib.late.modules import imported_late, late_functions


def load() -> None:
    """Other greenlets run meanwhile, as it takes 14 ms."""
    run_cpu_in_thread(_import)


def _import() -> None:
    # nothing here uses asyncio, which is 31 modules and 7 ms more
    with imported_late(late_functions("simple_websocket.aiows", "AioServer", "AioClient")):
        import flask_sock  # noqa: F401 - for its modules
