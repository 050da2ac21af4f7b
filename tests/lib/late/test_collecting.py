"""How often a worker looks for garbage, and what forks leave uncollected."""

from __future__ import annotations

import os

from tests.golden.parts import probe

STARTED = """
import gc, json, runpy
from types import SimpleNamespace
from opcode_htmx.lib.late import collecting

hooks = runpy.run_path("gunicorn.conf.py")
at_first = gc.get_threshold()
collecting.hardly()  # as the worker does after the app was loaded, with `--preload`
worker = SimpleNamespace(wsgi=None, wait_for_end=lambda: None)
hooks["post_worker_init"](worker)
print(json.dumps([at_first, gc.get_threshold()]))
"""
FORKED = """
import gc, json, runpy

class Ring:
    def __init__(self):
        self.self = self

def frozen():
    for _ in range(500):
        Ring()
    hook(None, None)
    return gc.get_freeze_count()

gc.disable()
hook = runpy.run_path("gunicorn.conf.py")["pre_fork"]
hook(None, None)
print(json.dumps([frozen() for _ in range(4)]))
"""


def test_a_worker_whose_app_was_loaded_before_it_began_collects_as_any_other() -> None:
    before, after = probe.printed(STARTED, os.environ)
    assert after == [2000, 10, 50] != before


def test_forks_of_reloads_leave_no_garbage_for_good() -> None:
    counts = probe.printed(FORKED, os.environ)
    assert max(counts) - min(counts) < 100
