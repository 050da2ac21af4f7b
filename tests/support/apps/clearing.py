"""Clear an app that tests share of what one of them has left."""

from __future__ import annotations

import shutil
from pathlib import Path

import gevent
from flask import Flask

from opcode_htmx.features.context import AppContext
from opcode_htmx.lib.identity import SYSTEM
from tests.support.environment import Sandbox, until


def clear(app: Flask, home: Sandbox, *names: str) -> None:
    """End all runs; empty Claude's folder, and these files and folders of the state."""
    context: AppContext = app.extensions["opcode_context"]
    for run in context.runs.live():
        run.stop(by=SYSTEM)
    until(lambda: not context.runs.live(), "all runs have ended", sleep=lambda: gevent.sleep(0.02))
    for name in names:
        empty(home.state / name)
    home.empty_config()


def empty(path: Path) -> None:
    """Remove a file, or what is in a folder but for its locks, which are held."""
    if path.is_file():
        path.unlink()
    for each in path.glob("*"):
        if each.is_dir():
            shutil.rmtree(each)
        elif each.suffix:  # a lock has none
            each.unlink()
