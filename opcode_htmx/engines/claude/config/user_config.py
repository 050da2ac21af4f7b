"""The user's configuration files for Claude: settings.json and CLAUDE.md.

Written whole or not at all. Knows nothing of the meaning of single settings, except that some are
secret.
"""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any, NoReturn

from opcode_htmx.engines.claude.config.redaction import HIDDEN, is_secret
from opcode_htmx.lib.files import atomic_files

MOST_BYTES = 1024 * 1024
_NEW_MODE = 0o600


class UserFileError(Exception):
    """The file cannot be read or written; the text says why."""


# settings.json ---------------------------------------------------------------------------


def settings(config_dir: Path) -> dict[str, Any]:
    """The user's settings, empty if there are none. Raises UserFileError.

    The secrets among the environment's values are hidden.
    """
    return _hidden(_settings(config_dir))


def save_settings(config_dir: Path, new: dict[str, Any]) -> dict[str, Any]:
    """Replace all settings with `new`; return them as `settings` does. Raises UserFileError.

    A secret that is hidden in `new`, as `settings` returned it, keeps its value.
    """
    whole = _revealed(new, _settings(config_dir))
    try:
        text = json.dumps(whole, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
        _write(config_dir / "settings.json", text.encode())
    except (ValueError, RecursionError):
        raise UserFileError("The settings hold something that JSON cannot hold.") from None
    return _hidden(whole)


def _settings(config_dir: Path) -> dict[str, Any]:
    text = _read(config_dir / "settings.json")
    if not text.strip():
        return {}
    try:
        found = json.loads(text, parse_constant=_refuse)
    except json.JSONDecodeError as error:
        raise UserFileError(
            f"Claude's settings.json is not valid JSON (line {error.lineno}, column "
            f"{error.colno}): mend it in an editor first."
        ) from None
    except (ValueError, RecursionError):
        raise UserFileError(
            "Claude's settings.json is not valid JSON: mend it in an editor first."
        ) from None
    if not isinstance(found, dict):
        raise UserFileError("Claude's settings.json holds no object: mend it in an editor first.")
    return found


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)


def _hidden(found: dict[str, Any]) -> dict[str, Any]:
    env = found.get("env")
    if not isinstance(env, dict):
        return found
    return {
        **found,
        "env": {name: HIDDEN if is_secret(name, value) else value for name, value in env.items()},
    }


def _revealed(new: dict[str, Any], old: dict[str, Any]) -> dict[str, Any]:
    env, before = new.get("env"), old.get("env")
    if not isinstance(env, dict):
        return new
    before = before if isinstance(before, dict) else {}
    lost = [name for name, value in env.items() if value == HIDDEN and name not in before]
    if lost:
        raise UserFileError(f"{HIDDEN} stands for the value of {lost[0]}, and there is none yet.")
    kept = {name: before[name] for name, value in env.items() if value == HIDDEN}
    return {**new, "env": {**env, **kept}}


# CLAUDE.md -------------------------------------------------------------------------------


def system_prompt(config_dir: Path) -> str:
    """The user's CLAUDE.md; empty if there is none. Raises UserFileError."""
    return _read(config_dir / "CLAUDE.md")


def save_system_prompt(config_dir: Path, text: str) -> None:
    """Raises UserFileError."""
    try:
        _write(config_dir / "CLAUDE.md", text.encode())
    except UnicodeEncodeError:
        raise UserFileError("The text holds half a character, which no file can hold.") from None


# Files -----------------------------------------------------------------------------------


def _read(path: Path) -> str:
    """The text of a file; empty if there is none."""
    try:
        # a pipe would block the server
        if path.exists() and not path.is_file():
            raise UserFileError(f"{path} is not a file.")
        with path.open("rb") as file:
            text = file.read(MOST_BYTES + 1)
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise UserFileError(f"{path} cannot be read ({_why(error)}).") from None
    if len(text) > MOST_BYTES:
        raise UserFileError(f"{path} is larger than 1 MB.")
    try:
        return text.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UserFileError(f"{path} is not UTF-8 text.") from None


def _write(path: Path, content: bytes) -> None:
    """Replace a file with `content` atomically; a link stays, and its target is replaced."""
    if len(content) > MOST_BYTES:
        raise UserFileError(f"{path.name} must not be larger than 1 MB.")
    try:
        target = path.resolve()
        if path.is_symlink() and not target.is_file():
            raise UserFileError(f"{path} is a link that leads to no file.")
        mode = _mode_of(target)
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        atomic_files.write(target, content, mode=mode)
    except (OSError, RuntimeError) as error:  # RuntimeError: links that lead in a circle
        raise UserFileError(f"{path} cannot be written ({_why(error)}).") from None


def _mode_of(target: Path) -> int:
    try:
        found = target.stat()
    except FileNotFoundError:
        return _NEW_MODE
    if not stat.S_ISREG(found.st_mode):
        raise UserFileError(f"{target} is not a file.")
    return stat.S_IMODE(found.st_mode)


def _why(error: Exception) -> str:
    number = getattr(error, "errno", None)
    return (os.strerror(number) if number else str(error) or "unknown reason").lower()
