"""gunicorn's log, in the same format and files as the app's own.

gunicorn loads it before it patches the standard library: nothing of the app is imported here but
what needs nothing else. The worker sets up logging again, by the settings that were checked.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gunicorn.glogging import Logger

from opcode_htmx.lib.logs.log_files import FOLDER
from opcode_htmx.lib.logs.set_up import FORMATS, LogOptions, set_up


class GunicornLog(Logger):  # type: ignore[misc]
    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        for handler in list(self.error_log.handlers):
            self.error_log.removeHandler(handler)
        self.error_log.propagate = True
        set_up(_options(cfg.env_orig))


def _options(environ: Mapping[str, str]) -> LogOptions:
    """What the settings mean for gunicorn's own process, which warns of workers that have died.

    It removes no file. Values that cannot be used are reported by the worker.
    """
    form = environ.get("OPCODE_LOG_FORMAT") or "text"
    state = state_folder(environ)
    is_on = (environ.get("OPCODE_LOG_FILE") or "1") == "1"
    return LogOptions(
        format=form if form in FORMATS else "text", folder=state / FOLDER if is_on else None
    )


def state_folder(environ: Mapping[str, str]) -> Path:
    """OPCODE_STATE_DIR, as the settings read it."""
    home = Path(environ.get("HOME") or "~").expanduser()

    def absolute(text: str) -> Path:
        return home / text[2:] if text == "~" or text.startswith("~/") else Path(text).absolute()

    if own := environ.get("OPCODE_STATE_DIR", "").strip():
        return absolute(own)
    return absolute(environ.get("XDG_STATE_HOME", "").strip() or "~/.local/state") / "opcode-htmx"
