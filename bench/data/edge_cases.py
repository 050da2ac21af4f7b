"""Extreme sessions, each with one kind of content that is expensive to render.

Depends on the format of the history file, not on the app.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from bench.data.history import STAMP

LANGUAGES = ("scala", "julia", "scss", "bat", "sql", "kotlin", "less", "python", "html", "csharp")
"""The languages with the slowest lexers to load, and some others."""
Entry = dict[str, object]
ANSWER = 100_000
"""Characters."""


def write(folder: Path, cwd: Path) -> dict[str, str]:
    """Write one session in `cwd` for each edge case; return their ids by description."""
    folder.mkdir(parents=True, exist_ok=True)
    ids = {}
    for number, (what, entries) in enumerate(_sessions(), start=1):
        ids[what] = f"0dd00000-0000-4000-8000-{number:012}"
        prompt: Entry = {"type": "user", "cwd": str(cwd), "message": {"content": "Hello"}}
        lines = (json.dumps({"timestamp": STAMP, **each}) for each in (prompt, *entries))
        (folder / f"{ids[what]}.jsonl").write_text("\n".join([*lines, ""]), encoding="utf-8")
    return ids


def _sessions() -> Iterator[tuple[str, Iterable[Entry]]]:
    row = "| some words | **other** words `x` |\n"
    yield "one list of 100,000 characters", _said("- some **words**\n" * (ANSWER // 17))
    yield "a list of 25,000 letters", _said("- a\n" * (ANSWER // 4))
    yield "a table of 100,000 characters", _said("|a|b|\n|-|-|\n" + row * (ANSWER // len(row)))
    yield "100,000 brackets", _said("[" * ANSWER)
    yield "code in ten languages", _said(*(f"```{name}\nx = 1\n```" for name in LANGUAGES))
    yield "3,000 answers", _said(*(f"Answer *{number}*" for number in range(3000)))
    yield "300 files of 10,000 characters", (each for n in range(300) for each in _read(n))
    yield "a line of 700,000 empty objects", [{"type": "odd", "uuid": "o", "x": [{}] * 700_000}]


def _said(*answers: str) -> Iterator[Entry]:
    for number, text in enumerate(answers):
        yield _assistant(number, {"type": "text", "text": text})


def _read(number: int) -> Iterator[Entry]:
    path, content = f"/x/f{number}.py", "def a(): return 'x'\n" * 500
    use: Entry = {
        "type": "tool_use",
        "id": f"t{number}",
        "name": "Read",
        "input": {"file_path": path},
    }
    yield _assistant(number, use)
    result = {"type": "tool_result", "tool_use_id": f"t{number}", "content": content}
    file = {"filePath": path, "content": content, "numLines": 500, "startLine": 1}
    yield {
        "type": "user",
        "uuid": f"r{number}",
        "message": {"role": "user", "content": [result]},
        "toolUseResult": {"type": "text", "file": {**file, "totalLines": 500}},
    }


def _assistant(number: int, content: Entry) -> Entry:
    message = {"id": f"m{number}", "role": "assistant", "content": [content]}
    return {"type": "assistant", "uuid": f"u{number}", "message": message}
