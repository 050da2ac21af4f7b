"""The app's own gunicorn settings, and a worker that counts its greenlets on a signal.

It writes the counts to a file named after its pid in the folder CHAOS_CENSUS.
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

_APPS = runpy.run_path(str(Path(__file__).parents[1] / "gunicorn.conf.py"))
globals().update({name: value for name, value in _APPS.items() if not name.startswith("__")})

CENSUS_SIGNAL = signal.SIGRTMIN + 3


def census() -> Counter[str]:
    """The live greenlets of this process, counted by function."""
    greenlets = [each for each in gc.get_objects() if isinstance(each, greenlet.greenlet)]
    return Counter(_deed(each) for each in greenlets if not each.dead)


def _deed(each: greenlet.greenlet) -> str:
    """The function that a greenlet was started with."""
    frame = each.gr_frame
    if frame is None:
        return "now" if each else "not begun"
    while frame.f_back is not None:
        frame = frame.f_back
    begun = getattr(
        each, "_run", None
    )  # a greenlet of gevent's own, whose outermost frame is run()
    return str(getattr(begun, "__qualname__", None) or frame.f_code.co_qualname)


def _write() -> None:
    path = _place()
    temporary = path.with_suffix(".new")
    temporary.write_text(json.dumps(census()), encoding="utf-8")
    temporary.replace(path)


def _place() -> Path:
    return Path(os.environ["CHAOS_CENSUS"]) / str(os.getpid())


def post_worker_init(worker: Any) -> None:
    if inner := _APPS.get("post_worker_init"):
        inner(worker)
    worker.census_watch = gevent.signal_handler(CENSUS_SIGNAL, _write)
    _place().with_suffix(".ready").touch()
