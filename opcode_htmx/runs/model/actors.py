"""The actors of one run: which identity has started it, prompted it, answered, or stopped it.

A file of its own in the run's folder, `actors.ndjson`, because the other ones have formats that
stay as they are. An act is noted before its own line is written, so that the worker that reads the
line finds its actor; an act that came to nothing leaves a line that nobody looks for.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from opcode_htmx.lib import bounded_json
from opcode_htmx.lib.coerce import amount, as_dict, as_str
from opcode_htmx.lib.files.disk_space import DiskFull, raise_disk_full
from opcode_htmx.lib.identity import UNKNOWN, Identity

FILE_NAME = "actors.ndjson"


class Act(StrEnum):
    START = "start"
    """Of the run; about nothing else."""
    PROMPT = "prompt"
    """About the id of a prompt."""
    ANSWER = "answer"
    """About the id of a permission request."""
    STOP = "stop"
    """About the time that stands in stop.json, see `stop_key`: only the first stop counts."""


class Actor(NamedTuple):
    """The identity behind an act, and when it was, as a Unix time."""

    by: Identity
    at: float


def stop_key(at: float) -> str:
    """What names the stop that was asked for at that time."""
    return repr(at)


def note(folder: Path, act: Act, about: str, actor: Actor) -> None:
    """Note an actor, before the act. Raises OSError, DiskFull among them."""
    value = {"act": act, "about": about, "by": actor.by.as_json(), "at": actor.at}
    line = json.dumps(value).encode() + b"\n"
    with raise_disk_full():
        file = os.open(folder / FILE_NAME, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            # in front of it a newline: a writer that was killed, or a full disk, may have cut off
            # the line before
            if os.write(file, b"\n" + line) <= len(line):
                raise DiskFull
        finally:
            os.close(file)


def read(folder: Path) -> Mapping[tuple[str, str], Actor]:
    """The actors of a run by what they did and about what; the last one of each counts.

    Empty where nobody has noted any.
    """
    found: dict[tuple[str, str], Actor] = {}
    try:
        lines = (folder / FILE_NAME).read_bytes().splitlines()
    except OSError:
        return found
    for line in lines:
        try:
            value = as_dict(bounded_json.loads(line))
        except ValueError:  # empty, or cut off
            continue
        by = Identity.from_json(as_dict(value.get("by")))
        actor = Actor(by if by.user else UNKNOWN, amount(value.get("at")) or 0.0)
        found[as_str(value.get("act")), as_str(value.get("about"))] = actor
    return found
