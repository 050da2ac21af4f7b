"""The log lines about what somebody has done, on one logger and in one format.

    actor=opcode/1f3a9c02 action=prompt.send session=<id> run=<id> prompt=<id>

A value is one word: anything else in it is percent-encoded, and what is missing is `-`. Neither
prompts nor secrets are logged here.
"""

from __future__ import annotations

import logging
from urllib.parse import quote

from opcode_htmx.lib.identity import Identity
from opcode_htmx.lib.logs.formats import FIELDS

LOGGER = "opcode_htmx.audit"

_log = logging.getLogger(LOGGER)
_LONGEST = 200
"""Characters of a value."""


def log_act(
    by: Identity, action: str, *, session: str = "", run: str = "", **more: str | int | bool
) -> None:
    """Log at INFO that an actor has done something; `more` are ids, names and numbers."""
    fields = {"actor": by, "action": action, "session": session, "run": run, **more}
    _log.info(
        " ".join(f"{name}={_word(value)}" for name, value in fields.items()),
        extra={FIELDS: {name: _field(value) for name, value in fields.items()}},
    )


def _field(value: object) -> str | int:
    return value if isinstance(value, int) else str(value)[:_LONGEST]


def _word(value: object) -> str:
    text = str(value)[:_LONGEST]
    if isinstance(value, Identity):
        return text  # which is one word already
    return quote(text, safe="/:@+,", errors="replace") or "-"
