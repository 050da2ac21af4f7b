"""The code that the reference documents print, for those who have these documents.

They are not ours and are no part of this repository. They are looked for in `../shared/seeds`, seen
from its root, or in the folder that `REFERENCE_DOCUMENTS` names.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.environment import ROOT

FOLDER = Path(os.environ.get("REFERENCE_DOCUMENTS") or ROOT.parent / "shared" / "seeds")
SERVER = "opcode-web-server-reference.md"
SOCKET = "websocket-claude-integration.md"

_HEADING = re.compile(r"(#+) +(.*)")


ours_and_printed = pytest.mark.parametrize(
    "printed",
    [
        pytest.param(False, id="ours"),
        pytest.param(
            True,
            id="printed",
            marks=pytest.mark.skipif(
                not FOLDER.is_dir(),
                reason=f"The reference documents were not found at {FOLDER}: copy them there, or "
                "name their folder in REFERENCE_DOCUMENTS.",
            ),
        ),
    ],
)
"""A test of one of our clients, and of the printed one if the documents are here.

Unlike other missing parts, they fail no test under CI either: a clone of this repository alone
cannot have them, and our clients in tests/clients send the same messages there.
"""


def code(document: str, heading: str, language: str) -> list[str]:
    """The code blocks of a language under a heading of a document; at least one."""
    path = FOLDER / document
    if not path.is_file():
        pytest.fail(f"{path} was not found, although its folder is there.")
    blocks = [
        text
        for place, named, text in _blocks(path.read_text(encoding="utf-8"))
        if (place, named) == (heading, language)
    ]
    if not blocks:
        pytest.fail(f"{path} has no {language} block under the heading “{heading}”.")
    return blocks


def _blocks(markdown: str) -> Iterator[tuple[str, str, str]]:
    """Each fenced block: the nearest heading before it, its language, its text."""
    heading, language, inside = "", "", False
    lines: list[str] = []
    for line in markdown.splitlines():
        if line.startswith("```"):
            if inside:
                yield heading, language, "\n".join(lines) + "\n"
            inside, language, lines = not inside, line[3:].strip(), []
        elif inside:
            lines.append(line)
        elif found := _HEADING.fullmatch(line):
            heading = found[2].strip()
