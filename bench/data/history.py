"""A session as Claude's CLI leaves it on disk, made of realistic turns.

Depends on the format of the history file, not on the app.
"""

from __future__ import annotations

import difflib
import json
import textwrap
from collections.abc import Iterator, Mapping
from itertools import cycle
from pathlib import Path

from bench.data import material

SESSION_ID = "5e5510a0-0000-4000-8000-000000000050"
BLOCKS_PER_TURN = 10
CONTEXT_LINES = 3
STAMP = "2026-11-20T09:00:00.000Z"


def write(path: Path, cwd: Path, turns: int) -> None:
    """A session in `cwd` of `turns` turns, which show as BLOCKS_PER_TURN blocks each."""
    entries = [entry for number in range(turns) for entry in Turn(number, cwd).entries()]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{json.dumps(entry)}\n" for entry in entries), encoding="utf-8")


class Turn:
    """Prompt, thoughts, text, a search, a file read, two edits, a failing and a passing test, text.

    The mix of a person's question about code that ends in a change.
    """

    def __init__(self, number: int, cwd: Path) -> None:
        self._number = number
        self._cwd = cwd
        self._ids = 0
        words = material.paragraphs()
        self._words = cycle(words[number * 31 % len(words) :] + words)

    def entries(self) -> Iterator[dict[str, object]]:
        number, name = self._number, material.MODULES[self._number]
        path = f"{self._cwd}/src/{name}.py"
        yield self._user(next(self._words))
        yield self._assistant({"type": "thinking", "thinking": next(self._words), "signature": ""})
        yield self._text(next(self._words))
        found = "\n".join(f"src/{module}.py" for module in material.MODULES[number : number + 9])
        yield from self._tool("Grep", {"pattern": f"def {name}", "path": str(self._cwd)}, found)
        code = material.code(number, 60)
        numbered = "\n".join(f"{at:6}\t{line}" for at, line in enumerate(code.splitlines(), 120))
        yield from self._tool("Read", {"file_path": path, "offset": 120, "limit": 60}, numbered)
        yield from self._edit(path, code, at=20)
        yield from self._edit(path, code, at=44)
        test = {"command": f"python -m pytest tests/test_{name}.py -q", "description": "Run tests"}
        failure = f"F....\n{material.code(number + 7, 14)}\nE   AssertionError\n1 failed, 4 passed"
        yield from self._tool("Bash", test, failure, is_error=True)
        yield from self._tool("Bash", test, ".....\n5 passed in 0.31s")
        yield self._text(material.answer(1200, skip=number * 1700))

    def _edit(self, path: str, code: str, at: int) -> Iterator[dict[str, object]]:
        before = code.splitlines()
        new = textwrap.wrap(next(self._words), 70)[:4]
        after = [*before[:at], *(f"    # {line}" for line in new), *before[at + 3 :]]
        matcher = difflib.unified_diff(before, after, n=CONTEXT_LINES, lineterm="")
        patch = [line for line in matcher if not line.startswith(("---", "+++", "@@"))]
        hunk = {"oldStart": at - 2, "oldLines": 9, "newStart": at - 2, "newLines": 10}
        details = {"filePath": path, "structuredPatch": [{**hunk, "lines": patch}]}
        tool_input = {
            "file_path": path,
            "old_string": "\n".join(before[at : at + 3]),
            "new_string": "\n".join(after[at : at + len(new)]),
        }
        yield from self._tool("Edit", tool_input, f"The file {path} has been updated.", details)

    def _text(self, text: str) -> dict[str, object]:
        return self._assistant({"type": "text", "text": text})

    def _tool(
        self,
        name: str,
        tool_input: Mapping[str, object],
        output: str,
        details: object = None,
        is_error: bool = False,
    ) -> Iterator[dict[str, object]]:
        use_id = f"toolu_{self._number:04}{self._ids:04}"
        yield self._assistant({"type": "tool_use", "id": use_id, "name": name, "input": tool_input})
        result = {"type": "tool_result", "tool_use_id": use_id, "content": output}
        yield {**self._user([{**result, "is_error": is_error}]), "toolUseResult": details}

    def _assistant(self, content: dict[str, object]) -> dict[str, object]:
        message_id = f"msg_{self._number:04}{self._ids:04}"
        message = {"id": message_id, "role": "assistant", "content": [content]}
        return {**self._entry("assistant"), "message": message}

    def _user(self, content: object) -> dict[str, object]:
        return {**self._entry("user"), "message": {"role": "user", "content": content}}

    def _entry(self, kind: str) -> dict[str, object]:
        self._ids += 1
        return {
            "type": kind,
            "uuid": f"{self._number:08}-0000-4000-8000-{self._ids:012}",
            "sessionId": SESSION_ID,
            "cwd": str(self._cwd),
            "timestamp": STAMP,
            "isSidechain": False,
        }
