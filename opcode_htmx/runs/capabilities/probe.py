"""The probe: a Claude that is started only to list its capabilities."""

from __future__ import annotations

from pathlib import Path

from opcode_htmx.engines.base import CapabilityCodec, Launcher
from opcode_htmx.lib.coerce import Json
from opcode_htmx.runs.queries.query_process import SECONDS, QueryFailed, QueryProcess


class ProbeFailed(Exception):
    """Claude did not list its capabilities; the text says what happened instead."""


def ask(launcher: Launcher, codec: CapabilityCodec, folder: Path, seconds: float = SECONDS) -> Json:
    """What Claude answers to `initialize` in a folder. Raises ProbeFailed."""
    try:
        with QueryProcess(launcher.probe(), codec, folder) as claude:
            return claude.initialize(seconds)
    except QueryFailed as error:
        raise ProbeFailed(str(error)) from error
