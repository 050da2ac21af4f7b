"""Sessions with texts that are expensive to render, one or two for each cause.

Depends on the format of Claude's history files, not on the app.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

Entry = dict[str, object]
STAMP = "2026-01-02T03:04:05.678Z"
SIZE = 100_000
"""Characters of each text."""
COLUMNS = 20_000


def sessions(size: int = SIZE) -> Mapping[str, list[Entry]]:
    """The entries of each session, by description."""
    return {what: list(entries) for each in (_said(size), _done(size)) for what, entries in each}


def write(folder: Path, cwd: Path, size: int = SIZE, only: Collection[str] = ()) -> dict[str, str]:
    """Write a history file in `folder` for each session, or for some; return ids by description."""
    folder.mkdir(parents=True, exist_ok=True)
    ids = {}
    for number, (what, entries) in enumerate(sessions(size).items(), start=1):
        if only and what not in only:
            continue
        ids[what] = f"a77ac000-0000-4000-8000-{number:012}"
        first: Entry = {"type": "user", "uuid": "first", "message": {"content": "Hello"}}
        lines = [{"timestamp": STAMP, "cwd": str(cwd), **each} for each in (first, *entries)]
        text = "".join(f"{json.dumps(line)}\n" for line in lines)
        (folder / f"{ids[what]}.jsonl").write_text(text, encoding="utf-8")
    return ids


def prompt(text: str) -> Entry:
    return {"type": "user", "uuid": "p", "message": {"role": "user", "content": text}}


def answer(text: str, **more: object) -> Entry:
    return {**_assistant({"type": "text", "text": text}), **more}


def call(name: str, given: Entry, output: str, details: object = None) -> list[Entry]:
    """A tool's call and its result."""
    use: Entry = {"type": "tool_use", "id": "t", "name": name, "input": given}
    result = {"type": "tool_result", "tool_use_id": "t", "content": output}
    message = {"role": "user", "content": [result]}
    return [
        _assistant(use),
        {"type": "user", "uuid": "r", "message": message, "toolUseResult": details},
    ]


def _assistant(content: Entry) -> Entry:
    message = {"id": "m", "role": "assistant", "content": [content]}
    return {"type": "assistant", "uuid": "a", "message": message}


def _said(size: int) -> Iterator[tuple[str, list[Entry]]]:
    yield "a prompt of 9,000 blanks in a tag", [prompt(f"<command-name>{9_000 * ' '}x")]
    yield "a prompt of blanks", [prompt(f"<command-name>{size * ' '}x")]
    yield "a prompt of reminders", [prompt("<system-reminder>" * (size // 17))]
    whole = "<system-reminder></system-reminder>\n"
    yield "a prompt of whole reminders", [prompt(f"{whole * (size // len(whole))}x")]
    error = {"isApiErrorMessage": True, "error": "unknown"}
    yield "an error with blanks", [answer(f"Limit{size * ' '}.", **error)]
    yield "an error with line ends", [answer(f"Limit{size * chr(10)}.", **error)]
    wide = f"|{COLUMNS * 'a|'}\n|{COLUMNS * '-|'}\n|{COLUMNS * 'b|'}\n"
    yield "a wide table", [answer(wide)]
    ragged = f"|{90 * 'a|'}\n|{90 * '-|'}\n" + "b\n" * (size // 8)
    yield "a table of empty cells", [answer(ragged)]
    yield "a long table", [answer("|a|b|\n|-|-|\n" + "|x|y|\n" * (size // 12))]
    yield "quotes in one another", [answer(">" * size)]
    yield "lists in one another", [answer("- " * (size // 2))]
    yield "images in one another", [answer("![" * (size // 10))]
    yield "emphasis in one another", [answer("**a_" * (size // 8))]
    yield "definitions of links", [answer("[a]: b\n" * (size // 7))]
    yield "code in fences", [answer(("```\n" + "x\n" * 62 + "```\n") * (size // 264))]
    yield "an unclosed fence", [answer("```python\n" + "x=(\n" * (size // 10))]
    yield "very many blocks", [answer("---\n" * (size // 16))]
    printed = "<local-command-stdout>{}</local-command-stdout>"
    escapes = printed.format("\x1b[" * (size // 2))
    yield "escapes in a command's output", [prompt(escapes)]
    written_over = "a" * (size // 2) + "\r" + "b\r" * (size // 4)
    yield "a line written over", [prompt(printed.format(written_over))]


def _done(size: int) -> Iterator[tuple[str, list[Entry]]]:
    yield "a report of line ends", call("Task", {"prompt": "x"}, f"{size * chr(10)}x")
    yield "a report of blanks", call("Task", {"prompt": "x"}, f"{size * ' '}x")
    report = {"content": [{"type": "text", "text": f"{size * ' '}x"}]}
    yield "a report in details", call("Task", {"prompt": "x"}, "x", report)
    notes = "<tools-used-before-summary>" * (size // 27)
    yield "a report of notes", call("Task", {"prompt": "x"}, notes)
    yield "search results of line ends", call("WebSearch", {"query": "x"}, f"{size * chr(10)}x")
    yield "a plan of rows", call("ExitPlanMode", {"plan": "|a|\n|-|\n" + "|x|\n" * (size // 8)}, "")
    yield "a plan of megabytes", call("ExitPlanMode", {"plan": "*word* `x`\n\n" * (size // 3)}, "")
    old, new = ("".join(f"{n * step % 150}\n" for n in range(size // 10)) for step in (1, 7))
    edit: Entry = {"file_path": "a", "old_string": old, "new_string": new}
    yield "a change of much that repeats", call("Edit", edit, "ok")
    old, new = ("".join(f"{n * step}\n" for n in range(size // 10)) for step in (1, 2))
    yield "a change of many lines", call("Edit", {**edit, "old_string": old, "new_string": new}, "")
    old, new = (f"{98 * words}\n" * 140 for words in ("a b ", "b a "))
    yield "changed words", call("Edit", {**edit, "old_string": old, "new_string": f"{new}c"}, "ok")
    yield "a file of empty lines", call("Write", {"file_path": "a", "content": "\n" * size}, "ok")
    lines = [f"-{n}" for n in range(size // 20)] + [f"+{n}x" for n in range(size // 20)]
    patch = [{"oldStart": 1, "newStart": 1, "lines": lines}]
    yield (
        "a patch of many lines",
        call("Edit", {"file_path": "a"}, "ok", {"structuredPatch": patch}),
    )
    yield "output of escapes", call("Bash", {"command": "x"}, "\x1b[999999999C" * (size // 13))
    yield "JSON of many objects", call("mcp__a__b", {"x": [{}] * (size // 4)}, "[{}]")
    deep: object = []
    for _ in range(80):
        deep = [deep]
    yield "JSON in one another", call("mcp__a__b", {"x": deep}, "[" * size)
    cells = [
        {"cellType": "code", "source": "x = (\n" * (size // 6), "outputs": [{"text": "\x1b["}]}
    ]
    notebook = {"type": "notebook", "file": {"cells": cells * 20}}
    yield "a notebook", call("Read", {"file_path": "a.ipynb"}, "x", notebook)
    code = {"type": "text", "file": {"content": "x = (\n" * (size // 6), "startLine": 1}}
    yield "a file of brackets", call("Read", {"file_path": "a.py"}, "x", code)
