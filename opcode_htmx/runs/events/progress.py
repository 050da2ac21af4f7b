"""How far the events of one run have been emitted: `events.json` in the run's folder.

The file exists from the run's start until all of its events are in the journal. A run without it
is finished, or of a version that emitted no events.
"""

from __future__ import annotations

import json
from dataclasses import asdict, field
from pathlib import Path
from typing import TypeAlias

from opcode_htmx.lib import bounded_json
from opcode_htmx.lib.coerce import (
    amount,
    as_dict,
    as_int,
    as_list,
    as_str,
)
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.files import atomic_files

FILE_NAME = "events.json"
VERSION = 1


Answer: TypeAlias = tuple[int, bool, float | None]
"""The offset after an answer, whether it allows, and its Unix time."""


@dataclass(slots=True)
class Progress:
    """Byte offsets up to which lines have been read, and the state that later lines refer to."""

    input: int = 0
    output: int = 0
    started: bool = False
    journal: str = ""
    """A position in the journal; all events of this run before it are counted here."""
    asks: dict[str, str] = field(default_factory=dict)
    """The tools of the newest requests, by the requests' ids."""
    early: dict[str, list[Answer]] = field(default_factory=dict)
    """Answers that were read before their requests, by the requests' ids."""
    model: str = ""
    cost_usd: float | None = None
    """The session's cost at the end of the last turn, if known."""
    warned: dict[str, int] = field(default_factory=dict)
    """The number of warnings so far, by limit."""
    warnings: list[str] = field(default_factory=list)
    """The limits that the run is still near."""

    def dump(self) -> bytes:
        return json.dumps({"version": VERSION, **asdict(self)}).encode()

    @classmethod
    def parse(cls, data: bytes) -> Progress:
        """Parse the result of `dump`. Raises ValueError for anything else or another version."""
        value = as_dict(bounded_json.loads(data))
        if value.get("version") != VERSION:
            raise ValueError("it is of another version")
        asks = as_dict(value.get("asks"))
        return cls(
            input=as_int(value.get("input")),
            output=as_int(value.get("output")),
            started=value.get("started") is True,
            journal=as_str(value.get("journal")),
            asks={key: as_str(tool) for key, tool in asks.items()},
            early={key: _answers(each) for key, each in as_dict(value.get("early")).items()},
            model=as_str(value.get("model")),
            cost_usd=amount(value.get("cost_usd")),
            warned={key: as_int(count) for key, count in as_dict(value.get("warned")).items()},
            warnings=[as_str(each) for each in as_list(value.get("warnings"))],
        )


def _answers(value: object) -> list[Answer]:
    return [(as_int(end), allowed is True, amount(at)) for end, allowed, at in as_list(value)]


def load(folder: Path) -> bytes | None:
    """The file's content; None without a file. Raises OSError."""
    try:
        return (folder / FILE_NAME).read_bytes()
    except FileNotFoundError:
        return None


def store(folder: Path, data: bytes) -> None:
    """Replace the file. Raises OSError.

    It need not survive a power failure, as the lines that it counts do not either.
    """
    atomic_files.write(folder / FILE_NAME, data, durable=False)


def remove(folder: Path) -> None:
    """All events have been emitted. Raises OSError."""
    (folder / FILE_NAME).unlink(missing_ok=True)
