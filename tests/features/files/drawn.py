"""Pages of PDF documents that were drawn."""

from __future__ import annotations

import re
import struct
import zlib

import psutil

from opcode_htmx.features.files.documents import renderer

PICTURE = re.compile(
    r'<img src="([^"]+)" width="(\d+)" height="(\d+)" loading="lazy" alt="([^"]+)"'
)


def pixel(png: bytes, across: int, down: int) -> bytes:
    """A pixel of a PNG whose rows have no filter."""
    width, _ = struct.unpack(">II", png[16:24])
    channels = {0: 1, 2: 3}[png[25]]
    at = png.index(b"IDAT")
    (length,) = struct.unpack(">I", png[at - 4 : at])
    rows = zlib.decompress(png[at + 4 : at + 4 + length])
    start = down * (1 + width * channels) + 1 + across * channels
    return rows[start : start + channels]


def drawing_processes() -> list[int]:
    """The processes of this one that draw, or have drawn and were not waited for."""
    return [each.pid for each in psutil.Process().children() if _draws(each)]


def _draws(process: psutil.Process) -> bool:
    try:
        return str(renderer._PROGRAM) in process.cmdline()
    except psutil.ZombieProcess:
        return True
    except psutil.NoSuchProcess:
        return False
