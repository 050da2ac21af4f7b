"""The installation of Claude that a person has chosen on a page, for the next start."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from opcode_htmx.lib.files.json_files import JsonFileSchema

NAME = "chosen_claude.json"
"""Of the file in the state folder."""


def _parse(content: Mapping[str, Any]) -> Path:
    path = Path(content["path"])
    if not path.is_absolute():
        raise ValueError("the path is not absolute")
    return path


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
