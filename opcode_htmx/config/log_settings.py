"""The settings of the log."""

from __future__ import annotations

from typing import Annotated

from opcode_htmx.config import values
from opcode_htmx.config.declarations import FeatureSettings, Parser, setting
from opcode_htmx.config.settings import Settings
from opcode_htmx.lib.logs.log_files import FOLDER
from opcode_htmx.lib.logs.set_up import FORMATS, LEVELS, LogOptions


def _level(text: str) -> str:
    found = text.strip().lower()
    if found not in LEVELS:
        raise ValueError(f"must be one of {', '.join(LEVELS)}, not {text!r}")
    return found


def _format(text: str) -> str:
    if text not in FORMATS:
        raise ValueError(f"must be {' or '.join(FORMATS)}, not {text!r}")
    return text


class LogSettings(FeatureSettings):
    """OPCODE_LOG_…"""

    level: Annotated[str, Parser(_level)] = setting(
        "info",
        "What is logged: `debug` (also every request), `info` (also what people do), `warning` or "
        "`error`.",
    )
    format: Annotated[str, Parser(_format)] = setting(
        "text", "The form of the lines on stderr: `text`, or `json`, one object a line."
    )
    file: values.Switch = setting(
        "1",
        "`1`: the log is also kept in files in the state folder, always as JSON, which the page "
        "Log shows. `0`: it goes to stderr only.",
    )
    size: values.Size = setting(
        "50M",
        "How much space the files of the log may take. A file is closed at a tenth of it, and at "
        "the end of a day (UTC); the oldest are removed. 0 is no limit.",
    )
    keep: values.Days = setting(
        "14d", "How long a file of the log is kept. 0 is until there is no space for it."
    )


def options(settings: Settings) -> LogOptions:
    """How the server logs, and its processes besides the workers."""
    try:
        chosen = settings.of(LogSettings)
    except LookupError:  # an app without the feature
        chosen = LogSettings.read({}, settings.home)
    return LogOptions(
        level=chosen.level,
        format=chosen.format,
        folder=settings.state_dir / FOLDER if chosen.file else None,
        total=chosen.size,
        keep=chosen.keep,
    )
