"""A backup that is made and restored, and the files in it."""

from __future__ import annotations

import io
from pathlib import Path

from opcode_htmx.lib.backup import archive, unpack

NAMES = ("runs", "marks.json", "index", "attached", "trees")


def made(state: Path, names: tuple[str, ...] = NAMES) -> bytes:
    out = io.BytesIO()
    archive.write(state, names, out, {"program": "1"})
    return out.getvalue()


def restored(backup: bytes, folder: Path, names: tuple[str, ...] = NAMES) -> unpack.Unpacked:
    folder.mkdir(exist_ok=True)
    return unpack.unpack(io.BytesIO(backup), folder, names)


def files_of(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }
