"""Lines of the stand-in of every kind, also very long ones, and a gate at which it waits."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

Steps = list[list[object]]

LONG_WORD = "Donaudampfschifffahrtsgesellschaftskapitän" * 6
NAME = "the_file.py"
MARKDOWN = f"""# A heading with {LONG_WORD}

Some text, `{LONG_WORD}`, and a [link](https://example.org/{LONG_WORD}).

```python
{"value = compute(something, and_something_more); " * 8}
```

| {" | ".join(f"column {n}" for n in range(12))} |
|{"---|" * 12}
| {" | ".join(f"cell-with-{n}-words" for n in range(12))} |

1. one
   - two
     - three {LONG_WORD}

> {LONG_WORD}
"""
PARAGRAPH = "The quick brown fox jumps over the lazy dog, again and again, until it is dark. " * 3


# The lines of the stand-in
def line(**value: object) -> list[object]:
    return ["raw", json.dumps(value) + "\n"]


def said(name: str, *content: dict[str, object], parent: str | None = None) -> list[object]:
    message = {"id": name, "role": "assistant", "content": content}
    return line(type="assistant", message=message, parent_tool_use_id=parent, uuid=name)


def tool(name: str, tool_id: str, **tool_input: object) -> dict[str, object]:
    return {"type": "tool_use", "id": tool_id, "name": name, "input": tool_input}


def gave(tool_id: str, text: str, details: object = None) -> list[object]:
    content = [{"type": "tool_result", "tool_use_id": tool_id, "content": text}]
    message = {"role": "user", "content": content}
    return line(type="user", message=message, uuid=f"u-{tool_id}", tool_use_result=details)


def asks(request_id: str, tool_name: str, **tool_input: object) -> list[object]:
    request = {"subtype": "can_use_tool", "tool_name": tool_name, "input": tool_input}
    return line(type="control_request", request_id=request_id, request=request)


def question(text: str) -> dict[str, object]:
    options = [{"label": LONG_WORD, "description": PARAGRAPH}, {"label": "No", "description": ""}]
    return {"question": text, "header": "", "multiSelect": False, "options": options}


LONG_RESULTS: list[tuple[str, dict[str, object], object]] = [
    ("Read", {"file_path": "/a"}, {"file": {"content": f"{LONG_WORD} = 1", "startLine": 1}}),
    ("Grep", {"pattern": LONG_WORD}, {"numFiles": 1, "filenames": [LONG_WORD]}),
    ("Write", {"file_path": LONG_WORD, "content": LONG_WORD}, None),
    ("WebFetch", {"url": f"https://{LONG_WORD}.org/{LONG_WORD}"}, None),
    (
        "WebSearch",
        {"query": LONG_WORD},
        {"results": [{"content": [{"url": f"https://a.b/{LONG_WORD}"}]}]},
    ),
    ("Task", {"description": LONG_WORD, "prompt": LONG_WORD}, {"totalToolUseCount": 9}),
    ("TodoWrite", {"todos": [{"content": LONG_WORD, "status": "in_progress"}]}, None),
    (
        "AskUserQuestion",
        {"questions": [{"question": LONG_WORD}]},
        {"answers": {LONG_WORD: LONG_WORD}},
    ),
    (f"mcp__{LONG_WORD}__{LONG_WORD}", {"a": LONG_WORD}, None),
]
"""Calls with a long word in all that is shown of them, and what their results have besides it."""

EVERYTHING: Steps = [
    ["stderr", f"warning: {LONG_WORD}"],
    *(
        step
        for number, (name, tool_input, details) in enumerate(LONG_RESULTS)
        for step in (
            said(f"l{number}", tool(name, f"long-{number}", **tool_input)),
            gave(f"long-{number}", LONG_WORD, details),
        )
    ),
    said("m1", {"type": "text", "text": MARKDOWN}),
    said("m2", tool("Bash", "t1", command=f"echo {LONG_WORD}", description=LONG_WORD)),
    gave("t1", f"{LONG_WORD}\n" * 3),
    said("m3", tool("Edit", "t2", file_path=f"/{LONG_WORD}", old_string="a", new_string=LONG_WORD)),
    said("m3b", tool("Read", "t2b", file_path=f"/{'folder/' * 9}{NAME}")),
    said("m4", tool("Task", "t3", description="Look around", prompt=PARAGRAPH)),
    said("m5", {"type": "text", "text": MARKDOWN}, parent="t3"),
    said("m6", tool("Bash", "t4", command=f"ls {LONG_WORD}"), parent="t3"),
    line(type="something_new", text=LONG_WORD),
    asks("r1", "Bash", command=f"rm {LONG_WORD}", description=LONG_WORD),
    asks("r2", "Edit", file_path=f"/{LONG_WORD}", old_string="a", new_string=LONG_WORD),
    asks("r3", "AskUserQuestion", questions=[question(f"Why {LONG_WORD}?")]),
]


def texts(count: int, begin: int = 0) -> Steps:
    return [["text", f"Number {number}. {PARAGRAPH}"] for number in range(begin, begin + count)]


@dataclass
class Gate:
    """The file for which the stand-in waits until the test creates it."""

    path: Path

    @property
    def step(self) -> list[object]:
        return ["wait", str(self.path)]

    def open(self) -> None:
        self.path.touch()
