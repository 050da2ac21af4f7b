"""Put tables into a document between their markers; the prose around them stays."""

from __future__ import annotations

import os
import platform
import re
from datetime import date
from pathlib import Path

DOCUMENT = Path(__file__).parents[1] / "docs" / "benchmarks.md"


def put(part: str, text: str, document: Path = DOCUMENT) -> None:
    """Replace the text between the markers of `part`.

    Raises ValueError when the document has no such markers.
    """
    begin, end = f"<!-- {part} -->", f"<!-- end of {part} -->"
    between = re.compile(f"(?<={re.escape(begin)}\n).*?(?={re.escape(end)})", re.DOTALL)
    page = document.read_text(encoding="utf-8")
    new, found = between.subn(lambda _: f"{text}\n", page)
    if found != 1:
        raise ValueError(f"{document.name} must have the lines {begin} and {end} once")
    document.write_text(new, encoding="utf-8")


def circumstances() -> str:
    """The date and the machine of a measurement."""
    system = f"{platform.system()} on {platform.machine()}"
    python = f"Python {platform.python_version()}"
    return f"{date.today():%-d %B %Y}, {system}, {os.cpu_count()} CPUs, {python}"
