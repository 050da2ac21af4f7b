"""The installation of Claude that a person has chosen on a page, and the one to use."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from opcode_htmx.config.settings import Settings
from opcode_htmx.engines.claude.install import cli_binary
from opcode_htmx.engines.claude.install.cli_binary import Binary
from opcode_htmx.lib.files.json_files import JsonFileSchema

NAME = "chosen_claude.json"
"""Of the file in the state folder."""


def _parse(content: Mapping[str, Any]) -> Path:
    path = Path(content["path"])
    if not path.is_absolute():
        raise ValueError("the path is not absolute")
    return path


log = logging.getLogger(__name__)
_SCHEMA = JsonFileSchema(1, _parse)


def read(state_dir: Path) -> Path | None:
    """The path of the CLI; None if nobody has chosen one."""
    return _SCHEMA.read(state_dir / NAME)


def write(state_dir: Path, path: Path | None) -> None:
    """Choose the CLI at a path; None: the newest. Raises OSError."""
    if path is None:
        (state_dir / NAME).unlink(missing_ok=True)
    else:
        _SCHEMA.write(state_dir / NAME, {"path": str(path)})


def find(settings: Settings) -> Binary:
    """The CLI in CLAUDE_PATH, else the one that a person has chosen, else the newest.

    Where the launcher has found that one already, no other is asked for its version. Raises
    BinaryNotFound or BinaryTooOld.
    """
    path = settings.child_environment.get("PATH", os.defpath)
    if settings.claude_path is None:
        wanted = read(settings.state_dir)
        for each in filter(None, (wanted, settings.newest_claude)):
            try:
                return cli_binary.find(each, path, settings.home)
            except cli_binary.BinaryError:
                log.warning("The Claude CLI %s cannot be used any more; another one is.", each)
    return cli_binary.find(settings.claude_path, path, settings.home)
