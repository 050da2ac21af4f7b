"""What Claude says and does in the sessions of the gallery."""

from __future__ import annotations

import struct
import threading
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from opcode_htmx.engines.claude.demo.messages_api import (
    ApiError,
    Request,
    Scene,
    Text,
    Thinking,
    ToolUse,
)
from opcode_htmx.engines.claude.demo.script import Step
from tests.runs.asking import write_plan

APP = '''\
"""How much fruit the orchard gives."""

TREES = {"apple": 12, "pear": 7, "plum": 5}


def harvest(trees, per_tree=40):
    """Kilograms in a usual year."""
    return sum(trees.values()) * per_tree


def baskets(kilograms, size=15):
    return kilograms // size


if __name__ == "__main__":
    total = harvest(TREES)
    print(f"{total} kg in {baskets(total)} baskets")
'''
ROUND = ("    return kilograms // size\n", "    return -(-kilograms // size)\n")
GROW = (
    'def harvest(trees, per_tree=40):\n    """Kilograms in a usual year."""\n',
    'def harvest(trees, per_tree=45):\n    """Kilograms in a good year."""\n',
)
ANSWER = """\
The orchard is in good health. Here is **what I found** in the photo and in `app.py`:

| Tree | Count | Kilograms | Baskets |
|---|--:|--:|--:|
| Apple | 12 | 480 | 32 |
| Pear | 7 | 280 | 19 |
| Plum | 5 | 200 | 14 |

- [x] Count the trees
- [x] Estimate the harvest
- [ ] Round the baskets *up*

```python
def baskets(kilograms, size=15):
    return -(-kilograms // size)  # the last one may be half full
```
"""
WIDE = f"""\
A long line of code, and a table with many columns, scroll inside their box:

```sh
curl --silent --fail https://example.org/harvest {" ".join(f"--data-urlencode month={n}" for n in range(1, 13))}
```

| {" | ".join(f"Week {n}" for n in range(1, 13))} |
|{"--:|" * 12}
| {" | ".join(f"{n * 17} kg" for n in range(1, 13))} |
"""  # noqa: E501

PLAN = """\
# Round the baskets up

1. Change `baskets` in `app.py`
2. Add a test
3. Run **all** tests
"""

QUESTIONS = [
    {
        "question": "How should half baskets count?",
        "header": "Baskets",
        "multiSelect": False,
        "options": [
            {"label": "Round up", "description": "Every apple finds its place"},
            {"label": "Round down", "description": "Only full baskets are sold"},
        ],
    },
    {
        "question": "Which fruit is to be sold?",
        "header": "Fruit",
        "multiSelect": True,
        "options": [
            {"label": "Apples", "description": ""},
            {"label": "Pears", "description": ""},
            {"label": "Plums", "description": "Ripe in August"},
        ],
    },
]


def growing(rows: int) -> str:
    """A long answer of paragraphs, code and tables."""
    return (
        "\n\n".join(
            f"Row {number} stands well. {'The trees are pruned and the grass is cut. ' * 3}\n\n"
            f"```python\nrow({number})\n```\n\n| Tree | Fruit |\n|---|---|\n| {number} | many |"
            for number in range(rows)
        )
        + "\n\nThat is all."
    )


GROWING = growing(8)
QUESTION = ToolUse("AskUserQuestion", {"questions": QUESTIONS})
FORM, PAGE = ToolUse("mcp__orchard__form", {}), ToolUse("mcp__orchard__page", {})


def photo(width: int = 320, height: int = 200) -> bytes:
    """A picture of a meadow with a row of trees, as a PNG."""

    def colour(x: int, y: int) -> bytes:
        middle = x // 64 * 64 + 32
        if (x - middle) ** 2 + (y - 92) ** 2 < 24**2:
            return b"\x2f\x7d\x3f"
        if abs(x - middle) < 4 and 92 <= y < 140:
            return b"\x6b\x4a\x2b"
        return b"\x8f\xc0\x62" if y >= 132 else bytes((150 + y // 2, 200 + y // 4, 235))

    def chunk(name: bytes, data: bytes) -> bytes:
        end = struct.pack(">I", zlib.crc32(name + data))
        return struct.pack(">I", len(data)) + name + data + end

    rows = b"".join(b"\0" + b"".join(colour(x, y) for x in range(width)) for y in range(height))
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = chunk(b"IHDR", head), chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


# The model's answers
@dataclass
class Script:
    project: Path
    never: threading.Event = field(default_factory=threading.Event)
    """Holds an answer in its middle until all is over."""
    refusals: Iterator[int] = field(default_factory=lambda: iter(range(2)))

    def scenes(self) -> tuple[Scene, ...]:
        return (
            # After the text of a prompt with an image Claude states the path of the image
            Scene("answer", "[Image: source", [(Thinking(THOUGHT), Text(ANSWER))]),
            Scene("wide", "show it wide", [Text(WIDE)]),
            Scene("files", "tidy up", self._files()),
            Scene("commands", "check everything", self._commands()),
            Scene("agent", "look at the trees", [_bash("ls"), Text("There are **24** trees.")]),
            Scene("retry", "try hard", [self._overloaded]),
            Scene("error", "too much", [ApiError(400, "invalid_request_error", "Too many trees.")]),
            Scene("cut", "tell a long story", [Text(GROWING, gate=self.never)]),
            Scene("hold", "hold on", [Text(GROWING, gate=self.never)]),
            Scene("more", "grow again", [Text(GROWING)]),
            Scene("grow", "let it grow", [Text(growing(4), pace=0.003)]),
            Scene("edit", "expect more", [self._read("app.py"), self._edit(GROW), Text("Done.")]),
            Scene("asks", "ask everything", self._asked()),
            Scene("question", "what do you need", [QUESTION]),
            Scene("form", "plan the harvest", [FORM]),
            Scene("page", "connect the orchard", [PAGE]),
            Scene("anything", "", [lambda request: (Text(f"You said: {request.prompt}"),)]),
        )

    def _read(self, name: str, **which: int) -> ToolUse:
        return ToolUse("Read", {"file_path": str(self.project / name), **which})

    def _edit(self, change: tuple[str, str]) -> ToolUse:
        old, new = change
        edit = {"file_path": str(self.project / "app.py"), "old_string": old, "new_string": new}
        return ToolUse("Edit", edit)

    def _outside(self) -> ToolUse:
        place = self.project.parent.parent / "backup" / "app.py"
        return ToolUse("Write", {"file_path": str(place), "content": APP})

    def _asked(self) -> list[Step]:
        """A request of each kind, in plan mode until the first one is answered."""
        return [
            *(self._plan, ToolUse("ExitPlanMode", {})),
            _bash("npm install --save-dev vitest"),
            *(self._read("app.py"), self._edit(GROW)),
            self._outside(),
            *(QUESTION, FORM, PAGE),
        ]

    def _plan(self, request: Request) -> ToolUse:
        asked = write_plan(request)
        return ToolUse("Write", {**asked.input, "content": PLAN})

    def _overloaded(self, request: Request) -> Text | ApiError:
        if next(self.refusals, None) is None:
            return Text("Now it went through.")
        return ApiError(529, "overloaded_error", "Overloaded", retry=True)

    def _files(self) -> list[ToolUse | Text]:
        cell = {
            "notebook_path": str(self.project / "harvest.ipynb"),
            "cell_id": "count",
            "new_source": "trees = 24\nprint(trees * 40)",
        }
        notes = "# Harvest\n\n- Apples in September\n- Pears in October\n"
        return [
            self._read("app.py", offset=6, limit=7),
            self._read("photo.png"),
            self._edit(ROUND),
            ToolUse("Write", {"file_path": str(self.project / "notes.md"), "content": notes}),
            self._read("harvest.ipynb"),
            ToolUse("NotebookEdit", cell),
            Text("The files are tidy."),
        ]

    def _commands(self) -> list[ToolUse | Text]:
        def task(subject: str, doing: str) -> ToolUse:
            about = {"subject": subject, "description": subject, "activeForm": doing}
            return ToolUse("TaskCreate", about)

        agent = {
            "description": "Count the trees",
            "prompt": "Look at the trees and count them.",
            "subagent_type": "general-purpose",
            "run_in_background": False,
        }
        page = {"url": "https://orchard.invalid/weather", "prompt": "Will it rain?"}
        return [
            task("Run the tests", "Running the tests"),
            task("Count the trees", "Counting the trees"),
            task("Ask for the weather", "Asking for the weather"),
            ToolUse("TaskUpdate", {"taskId": "1", "status": "completed"}),
            ToolUse("TaskUpdate", {"taskId": "2", "status": "in_progress"}),
            _bash("python3 app.py"),
            _bash("sh check.sh"),
            _bash("seq 1 4000"),
            ToolUse("Task", agent),
            ToolUse("mcp__weather__forecast", {"days": 2}),
            ToolUse("WebFetch", page),
            Text("All is checked."),
        ]


THOUGHT = "The photo shows a row of trees. I count them, and multiply by what a tree gives."


def _bash(command: str) -> ToolUse:
    return ToolUse("Bash", {"command": command})
