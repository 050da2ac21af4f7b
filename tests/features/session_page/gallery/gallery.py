"""The sessions of the gallery: every card and every control of the session page, played once.

The real Claude CLI plays them against a scripted model. Four things it does not do here, and they
are written as lines of a history instead, as Claude writes them elsewhere: tools that this version
does not offer (MultiEdit, Grep, Glob, TodoWrite), the web with a connection to it, a limit of use,
and a line of a kind that nobody knows yet.
"""

from __future__ import annotations

import json
import os
import re
import signal
import struct
import sys
import threading
import uuid
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import requests

from opcode_htmx.engines.claude.demo.messages_api import (
    ApiError,
    MessagesApi,
    Request,
    Scene,
    Text,
    Thinking,
    ToolUse,
)
from opcode_htmx.engines.claude.files.history import project_id
from tests.runs.asking import write_plan
from tests.support.environment import (
    PASSWORD,
    ROOT,
    USER,
    Sandbox,
    Server,
    until,
)
from tests.support.pages import screenshots

LIMIT_ENDS = 1798800000
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
CHECK = r"""printf '\033[32m✓\033[0m counts trees\n\033[32m✓\033[0m weighs apples\n'
printf '\033[31m✗ fills baskets\033[0m\n  expected \033[1m65\033[0m, got \033[1m64\033[0m\n'
exit 1
"""
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
GROWING = (
    "\n\n".join(
        f"Row {number} stands well. {'The trees are pruned and the grass is cut. ' * 3}\n\n"
        f"```python\nrow({number})\n```\n\n| Tree | Fruit |\n|---|---|\n| {number} | many |"
        for number in range(8)
    )
    + "\n\nThat is all."
)


QUESTION = ToolUse("AskUserQuestion", {"questions": QUESTIONS})


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
            Scene("grow", "let it grow", [Text(GROWING, pace=0.003)]),
            Scene("edit", "expect more", [self._read("app.py"), self._edit(GROW), Text("Done.")]),
            Scene("npm", "install", [_bash("npm install --save-dev vitest"), Text("Installed.")]),
            Scene("outside", "back up", [self._outside(), Text("Copied.")]),
            Scene(
                "ask", "what do you need", [ToolUse("AskUserQuestion", {"questions": QUESTIONS})]
            ),
            Scene("form", "plan the harvest", [ToolUse("mcp__orchard__form", {})]),
            Scene("page", "connect the orchard", [ToolUse("mcp__orchard__page", {})]),
            Scene("plan", "make a plan", [self._plan, ToolUse("ExitPlanMode", {}), Text("Begun.")]),
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


UNKNOWN = {"type": "tree_ring", "rings": 42, "note": "a kind of block that nobody knows yet"}
THOUGHT = "The photo shows a row of trees. I count them, and multiply by what a tree gives."


def _bash(command: str) -> ToolUse:
    return ToolUse("Bash", {"command": command})


# Lines that Claude writes elsewhere


def past_lines(project: Path) -> list[dict[str, object]]:
    """A history of tools and lines that the CLI does not produce here."""
    calls: list[tuple[str, dict[str, object], str, object]] = [
        (
            "MultiEdit",
            {
                "file_path": str(project / "app.py"),
                "edits": [
                    {"old_string": "per_tree=40", "new_string": "per_tree=45"},
                    {"old_string": "size=15", "new_string": "size=20"},
                ],
            },
            "Applied 2 edits",
            None,
        ),
        (
            "Grep",
            {"pattern": "harvest"},
            "Found 2 files",
            {"mode": "files_with_matches", "numFiles": 2, "filenames": ["app.py", "notes.md"]},
        ),
        (
            "Glob",
            {"pattern": "**/*.py"},
            "app.py",
            {"numFiles": 1, "filenames": [str(project / "app.py")]},
        ),
        (
            "TodoWrite",
            {
                "todos": [
                    {"content": "Prune the trees", "status": "completed", "activeForm": "Pruning"},
                    {"content": "Sow", "status": "in_progress", "activeForm": "Sowing the meadow"},
                ]
            },
            "Todos have been modified successfully.",
            None,
        ),
        (
            "WebFetch",
            {"url": "https://example.org/pruning", "prompt": "When are pears pruned?"},
            "In **winter**, before the buds swell.",
            {"code": 200, "result": "In **winter**, before the buds swell."},
        ),
        (
            "WebSearch",
            {"query": "old apple varieties"},
            "Links: …",
            {
                "query": "old apple varieties",
                "results": [
                    {
                        "content": [
                            {"title": "Boskoop", "url": "https://example.org/boskoop"},
                            {"title": "Gravenstein", "url": "https://example.org/gravenstein"},
                        ]
                    },
                    "Two varieties that keep well.",
                ],
            },
        ),
    ]
    limit = {"status": "rejected", "rateLimitType": "five_hour", "resetsAt": LIMIT_ENDS}
    entries: list[dict[str, object]] = [
        {"type": "user", "message": {"role": "user", "content": "Look around the web"}}
    ]
    for number, (name, tool_input, output, details) in enumerate(calls):
        use = {"type": "tool_use", "id": f"call-{number}", "name": name, "input": tool_input}
        result = {"type": "tool_result", "tool_use_id": f"call-{number}", "content": output}
        entries += [
            {"type": "assistant", "message": {"id": f"m{number}", "content": [use]}},
            {
                "type": "user",
                "message": {"role": "user", "content": [result]},
                "toolUseResult": details,
            },
        ]
    entries += [
        {"type": "assistant", "message": {"id": "new", "content": [UNKNOWN]}},
        {"type": "rate_limit_event", "rate_limit_info": limit},
    ]
    return [
        {"uuid": f"past-{number}", "cwd": str(project), **entry}
        for number, entry in enumerate(entries)
    ]


# The house, and the play


def furnish(sandbox: Sandbox) -> None:
    """A project with files, an MCP server, a hook, and rules that keep most tools from asking."""
    project = sandbox.project
    (project / "app.py").write_text(APP, encoding="utf-8")
    (project / "check.sh").write_text(CHECK, encoding="utf-8")
    (project / "photo.png").write_bytes(photo())
    cell: dict[str, object] = {
        "cell_type": "code",
        "id": "count",
        "metadata": {},
        "outputs": [],
        "execution_count": None,
        "source": ["trees = 23\n", "print(trees)"],
    }
    book = {"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    (project / "harvest.ipynb").write_text(json.dumps(book), encoding="utf-8")
    greeting = {"type": "command", "command": "test ! -e greeting || cat greeting"}
    hooks = {
        "hooks": {"SessionStart": [{"hooks": [greeting]}]},
        "permissions": {"allow": ["mcp__orchard"]},
    }
    (project / ".claude").mkdir()
    (project / ".claude" / "settings.json").write_text(json.dumps(hooks), encoding="utf-8")
    servers = {
        name: {"command": sys.executable, "args": [str(ROOT / "tests/support/cli" / file)]}
        for name, file in {"weather": "mcp_server.py", "orchard": "asking_server.py"}.items()
    }
    trust = {str(project): {"hasTrustDialogAccepted": True}}
    config = {"mcpServers": servers, "projects": trust}
    (sandbox.config_dir / ".claude.json").write_text(json.dumps(config), encoding="utf-8")
    past = sandbox.config_dir / "projects" / project_id(project) / f"{PAST}.jsonl"
    past.parent.mkdir(parents=True)
    past.write_text("".join(f"{json.dumps(each)}\n" for each in past_lines(project)))


PAST = "5e5510a0-0000-4000-8000-000000000001"
TOOLS_ALLOWED = ["Bash", "Edit", "Write", "NotebookEdit", "WebFetch", "mcp__weather"]


class Gallery:
    """A server with all the sessions; `address` has the pages of those by their names."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.sandbox = server.sandbox
        self.project = f"/projects/{project_id(server.sandbox.project)}"
        self.address = {"past": f"{self.project}/sessions/{PAST}"}

    def begin(self, name: str, prompt: str, *, picture: bool = False, **choices: str) -> None:
        form = {"session_id": str(uuid.uuid4()), "prompt_id": str(uuid.uuid4()), **choices}
        answer = requests.post(
            f"{self.server.url}/sessions",
            data={**form, "folder": str(self.sandbox.project), "prompt": prompt},
            files={"files": ("photo.png", photo())} if picture else None,
            auth=(USER, PASSWORD),
            timeout=20,
            allow_redirects=False,
        )
        assert answer.status_code == 303, answer.text
        self.address[name] = answer.headers["Location"].partition("#")[0]

    def prompt(self, name: str, text: str) -> None:
        form = {"prompt_id": str(uuid.uuid4()), "prompt": text}
        answer = self.server.post(f"{self.address[name]}/prompt", form)
        assert answer.status_code == 303, answer.text

    def page(self, name: str) -> str:
        return self.server.get(self.address[name]).text

    def shows(self, name: str, words: str, count: int = 1) -> None:
        until(lambda: self.page(name).count(words) >= count, f"{name} shows {words}", 60)

    def run_id(self, name: str) -> str:
        found = re.search(r"/runs/([0-9a-f]{32})/stop", self.page(name))
        assert found, f"{name} runs"
        return found[1]

    def stop(self, name: str) -> None:
        self.server.post(f"/runs/{self.run_id(name)}/stop", {})

    def signal(self, name: str, number: int) -> None:
        record = self.sandbox.state / "runs" / self.run_id(name) / "run.json"
        os.kill(json.loads(record.read_text())["pid"], number)


@contextmanager
def opened(sandbox: Sandbox, start: Callable[..., Server], claude: Path) -> Iterator[Gallery]:
    """The gallery, with everything in place."""
    furnish(sandbox)
    script = Script(sandbox.project)
    with MessagesApi(script.scenes()) as api:
        settings = {
            "CLAUDE_CODE_ENABLE_TODO_TOOLS": "1",
            "OPCODE_ALLOW_BYPASS": "1",
            "OPCODE_SEARCH_INDEX": "1" if screenshots.WANTED else "0",
            "OPCODE_TERMINAL": "1" if screenshots.WANTED else "0",
            "IS_SANDBOX": "1",
            "OPCODE_STOP_DEADLINE": "600",
        }
        gallery = Gallery(start(sandbox, claude, api.url, **settings))
        try:
            play(gallery)
            yield gallery
        finally:
            script.never.set()


def allow(sandbox: Sandbox, rules: Mapping[str, object]) -> None:
    path = sandbox.config_dir / "settings.json"
    path.write_text(json.dumps({"permissions": rules}), encoding="utf-8")


def play(gallery: Gallery) -> None:
    rules = {"allow": TOOLS_ALLOWED}
    settings = gallery.sandbox.config_dir / "settings.json"
    settings.write_text(json.dumps({"permissions": rules}), encoding="utf-8")
    greeting = gallery.sandbox.project / "greeting"
    greeting.write_text("The orchard is open from 8 to 18 o'clock.\n", encoding="utf-8")
    gallery.begin("events", "Try hard")
    gallery.shows("events", "Hook SessionStart")
    greeting.unlink()
    gallery.begin("answer", "How is the orchard doing?", picture=True)
    gallery.begin("files", "Tidy up the files")
    gallery.begin("commands", "Check everything")
    gallery.shows("answer", "tokens in,")
    gallery.prompt("answer", "Show it wide")
    play_events(gallery)
    for name, turns in {"answer": 2, "files": 1, "commands": 1}.items():
        gallery.shows(name, "tokens in,", turns)
    settings.unlink()  # from here on Claude asks
    play_asks(gallery)
    play_phases(gallery)
    for name in ASKED:
        gallery.shows(name, 'data-state="open"')


def play_events(gallery: Gallery) -> None:
    """After a hook that spoke and retries: an error, a compaction, an interruption."""
    gallery.shows("events", "tokens in,")
    for turns, text in enumerate(("This is too much", "/compact", "And now?"), 2):
        gallery.prompt("events", text)
        gallery.shows("events", "tokens in,", turns)
    gallery.prompt("events", "Tell a long story")
    gallery.shows("events", "Row 2")
    gallery.stop("events")
    gallery.shows("events", "Stopped by you.")


def play_asks(gallery: Gallery) -> None:
    """One of each kind, left open."""
    for name, prompt in ASKED.items():
        mode = "plan" if name == "ask-plan" else ""
        gallery.begin(name, prompt, permission_mode=mode, was_permission_mode="")


ASKED = {
    "ask-edit": "Expect more of each tree",
    "ask-command": "Install vitest",
    "ask-outside": "Back up app.py",
    "ask-question": "What do you need to know?",
    "ask-plan": "Make a plan",
    "ask-form": "Plan the harvest",
    "ask-page": "Connect the orchard",
}


def play_phases(gallery: Gallery) -> None:
    """A run in each state; transient states are held."""
    gallery.begin("working", "Hold on")
    gallery.shows("working", "Row 2")
    gallery.prompt("working", "Then water the young trees")
    gallery.prompt("working", "And write down the date")
    gallery.begin("bypass", "Hello", permission_mode="bypassPermissions", was_permission_mode="")
    gallery.begin("failed", "Hello again")
    gallery.begin("stopping", "Tell a long story")
    gallery.shows("bypass", "tokens in,")
    gallery.shows("failed", "tokens in,")
    gallery.prompt("failed", "Tell a long story")
    gallery.shows("failed", "Row 2")
    gallery.signal("failed", signal.SIGKILL)
    gallery.shows("stopping", "Row 2")
    gallery.signal("stopping", signal.SIGSTOP)  # it cannot end before the picture is taken
    gallery.stop("stopping")
    gallery.begin("starting", "Hello")
    gallery.signal("starting", signal.SIGSTOP)
