"""Have gunicorn start its workers again, which then read everything anew. The runs go on.

The worker loads it before the standard library is patched: nothing of the app is imported here.
"""

from __future__ import annotations

import os
import signal

_arbiter: list[int] = []
"""The process that started this worker; none where no gunicorn serves the app."""


def served_by(arbiter: int) -> None:
    """This process is a worker of that one."""
    _arbiter[:] = [arbiter]


def reload() -> bool:
    """Order new workers; False where there is no gunicorn that could start them."""
    for arbiter in _arbiter:
        if arbiter == os.getppid():
            os.kill(arbiter, signal.SIGHUP)
            return True
    return False
