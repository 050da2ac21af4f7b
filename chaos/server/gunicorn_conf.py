"""The app's own gunicorn settings, and a worker that counts its greenlets on a signal.

It writes the counts to a file named after its pid in the folder CHAOS_COUNTS.
"""

import gc
import json
import os
import runpy
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import gevent
import greenlet

from opcode_htmx.lib.concurrency import cooperative

_APPS = runpy.run_path(str(Path(__file__).parents[2] / "gunicorn.conf.py"))
globals().update({name: value for name, value in _APPS.items() if not name.startswith("__")})

COUNTS_SIGNAL = signal.SIGRTMIN + 3


def live_greenlets() -> Counter[str]:
    """The live greenlets of this process, counted by function."""
    greenlets = [each for each in gc.get_objects() if isinstance(each, greenlet.greenlet)]
    return Counter(_function_of(each) for each in greenlets if not each.dead)


def _function_of(each: greenlet.greenlet) -> str:
    """The function that a greenlet was started with."""
    frame = each.gr_frame
    if frame is None:
        return "running" if each else "not started"
    while frame.f_back is not None:
        frame = frame.f_back
    # The outermost frame of a greenlet of gevent's own is run()
    function = getattr(each, "_run", None)
    return str(getattr(function, "__qualname__", None) or frame.f_code.co_qualname)


def _write() -> None:
    # Python crashes when all objects are listed while a thread is still filling a tuple
    while cooperative._worker_threads:
        gevent.sleep(0.01)
    path = _counts_file()
    temporary = path.with_suffix(".new")
    temporary.write_text(json.dumps(live_greenlets()), encoding="utf-8")
    temporary.replace(path)


def _counts_file() -> Path:
    return Path(os.environ["CHAOS_COUNTS"]) / str(os.getpid())


def post_worker_init(worker: Any) -> None:
    if inner := _APPS.get("post_worker_init"):
        inner(worker)
    worker.counts_watch = gevent.signal_handler(COUNTS_SIGNAL, _write)
    _counts_file().with_suffix(".ready").touch()
