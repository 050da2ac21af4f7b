"""What is stored in the files of a folder."""

from __future__ import annotations

from pathlib import Path


def everything_in(folder: Path) -> bytes:
    """The names and the contents of all files."""
    found = [path for path in folder.rglob("*") if path.is_file()]
    return b"\n".join(str(path).encode() + path.read_bytes() for path in found)
