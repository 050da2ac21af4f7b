"""The app with two event handlers, which write their events into a file each."""

import os
from pathlib import Path

from app import app
from opcode_htmx.runs.events.types import RunEvent

__all__ = ["app"]

events = app.extensions["opcode_context"].events
folder = Path(os.environ["OPCODE_STATE_DIR"]).parent


def write(name: str, event: RunEvent) -> None:
    with (folder / name).open("a") as file:
        file.write(f"{os.getpid()} {event.id}\n")


events.subscribe(RunEvent, lambda event: write("heard-once", event))
events.subscribe(RunEvent, lambda event: write("heard-everywhere", event), every_worker=True)
