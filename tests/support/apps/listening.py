"""The app with two event handlers, which write their events into a file each.

A worker to which events are delivered writes its pid into the file "listening".
"""

import os
from pathlib import Path

from app import app
from opcode_htmx.lib.concurrency.jobs import Job
from opcode_htmx.runs.events.types import RunEvent

__all__ = ["app"]

events = app.extensions["opcode_context"].events
folder = Path(os.environ["OPCODE_STATE_DIR"]).parent


def append(name: str, line: str) -> None:
    with (folder / name).open("a") as file:
        file.write(line + "\n")


def write(name: str, event: RunEvent) -> None:
    append(name, f"{os.getpid()} {event.id}")


events.subscribe(RunEvent, lambda event: write("heard-once", event))
events.subscribe(RunEvent, lambda event: write("heard-everywhere", event), every_worker=True)

# Jobs start in their order, and the delivery of events is one of the app's
app.extensions["opcode_jobs"].add(
    Job("listening", lambda: append("listening", str(os.getpid())), lambda: None)
)
