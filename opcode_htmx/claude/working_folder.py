"""Which folders a person may choose for Claude to work in."""

from __future__ import annotations

from pathlib import Path


class InvalidFolder(Exception):
    """The folder that a person chose cannot be worked in; the text says why."""


def choice(path_text: str, roots: list[Path] | tuple[Path, ...]) -> Path:
    """The folder that a person typed, resolved, if Claude may work in it; else InvalidFolder.

    It must be absolute or begin with `~`, exist, and lie in one of `roots` once links are
    followed.
    """
    text = path_text.strip()
    if not text:
        raise InvalidFolder("Type the path of a folder.")
    if "\0" in text:
        raise InvalidFolder("A path cannot contain a NUL character.")
    try:
        path = Path(text).expanduser()
        if not path.is_absolute():
            raise InvalidFolder(f"“{text}” is not a full path: begin with / or ~.")
        path = path.resolve()
        if not any(path.is_relative_to(root.expanduser().resolve()) for root in roots):
            raise InvalidFolder(
                f"“{path}” is outside the folders that may be worked in (OPCODE_PROJECT_ROOTS)."
            )
        if not path.exists():
            raise InvalidFolder(f"There is no folder “{path}”.")
        if not path.is_dir():
            raise InvalidFolder(f"“{path}” is a file, not a folder.")
        next(path.iterdir(), None)
    except (OSError, RuntimeError) as error:
        raise InvalidFolder(f"“{text}” cannot be opened: {_reason(error)}.") from error
    return path


def _reason(error: Exception) -> str:
    return (getattr(error, "strerror", None) or str(error) or "unknown reason").rstrip(".").lower()
