"""Channels of tools: their calls, and what they answer."""

from __future__ import annotations

from tests.security.corpus.transcript.lines import (
    READ,
    Channel,
    as_json,
    called,
    cell,
    patch,
    question,
    with_input,
)

TOOLS: tuple[Channel, ...] = (
    Channel("name of a tool", lambda n, text: called(n, text, {"a": 1}), frame="line"),
    Channel("server of a tool", lambda n, text: called(n, f"mcp__{text}__x", {}), frame="line"),
    Channel("tool of a server", lambda n, text: called(n, f"mcp__x__{text}", {}), frame="line"),
    Channel("input of any tool", with_input("Grow", "anything"), shown_as=as_json),
    Channel("name of an input", lambda n, text: called(n, "Grow", {text: "x"}), shown_as=as_json),
    Channel(
        "input of any tool, inside",
        lambda n, text: called(n, "Grow", {"a": [{"b": text}]}),
        shown_as=as_json,
    ),
    Channel("output of any tool", lambda n, text: called(n, "Grow", {}, text), words=True),
    Channel("failure of any tool", lambda n, text: called(n, "Grow", {}, text, is_error=True)),
    Channel("command", with_input("Bash", "command")),
    Channel(
        "description of a command", with_input("Bash", "description", command=" "), shows="start"
    ),
    Channel("stdout", lambda n, text: called(n, "Bash", {"command": "x"}, "x", {"stdout": text})),
    Channel("stderr", lambda n, text: called(n, "Bash", {"command": "x"}, "x", {"stderr": text})),
    Channel(
        "failure of a command",
        lambda n, text: called(n, "Bash", {"command": "x"}, f"Exit code 1\n{text}", is_error=True),
    ),
    Channel(
        "what a status means",
        lambda n, text: called(
            n, "Bash", {"command": "x"}, "x", {"returnCodeInterpretation": text}
        ),
        frame="line",
    ),
    Channel("path that is read", with_input("Read", "file_path"), frame="bare", shows="end"),
    Channel(
        "content that is read",
        lambda n, text: called(
            n, "Read", {"file_path": "/a.html"}, "x", {**READ, "file": {"content": text}}
        ),
    ),
    Channel(
        "content of a file that is named by it",
        lambda n, text: called(
            n, "Read", {"file_path": f"/a.{text}"}, "x", {**READ, "file": {"content": text}}
        ),
    ),
    Channel("pattern of a search", with_input("Grep", "pattern"), frame="line"),
    Channel("place of a search", with_input("Grep", "path", pattern="x"), frame="line"),
    Channel(
        "files that were found",
        lambda n, text: called(
            n, "Grep", {"pattern": "x"}, "x", {"mode": "files_with_matches", "filenames": [text]}
        ),
    ),
    Channel(
        "lines that were found",
        lambda n, text: called(
            n, "Grep", {"pattern": "x"}, "x", {"mode": "content", "content": text}
        ),
    ),
    Channel("pattern of file names", with_input("Glob", "pattern"), frame="line"),
    Channel(
        "path of an edit",
        with_input("Edit", "file_path", old_string="a"),
        frame="bare",
        shows="end",
    ),
    Channel(
        "text that is replaced", with_input("Edit", "old_string", file_path="/a", new_string="x")
    ),
    Channel("text that replaces", with_input("Edit", "new_string", file_path="/a", old_string="x")),
    Channel(
        "words of a line that change",
        lambda n, text: called(
            n,
            "Edit",
            {
                "file_path": "/a",
                "old_string": f"the trees {text} grow well",
                "new_string": f"the trees {text} grow badly",
            },
        ),
        shows="end",
        frame="line",
    ),
    Channel("edit that is none", lambda n, text: called(n, "Edit", {"x": text}), shown_as=as_json),
    Channel(
        "patch",
        lambda n, text: called(n, "Edit", {"file_path": "/a"}, "x", patch(text)),
    ),
    Channel(
        "one edit of several",
        lambda n, text: called(
            n,
            "MultiEdit",
            {"file_path": "/a", "edits": [{"old_string": "x", "new_string": text}] * 2},
        ),
    ),
    Channel("content that is written", with_input("Write", "content", file_path="/a.py")),
    Channel("failure of an edit", lambda n, text: called(n, "Edit", {}, text, is_error=True)),
    Channel(
        "cell that is written", with_input("NotebookEdit", "new_source", notebook_path="/a.ipynb")
    ),
    Channel("cell", lambda n, text: called(n, "Read", {}, "x", cell(source=text))),
    Channel(
        "language of a cell",
        lambda n, text: called(n, "Read", {}, "x", cell(language=text)),
        shows="nothing",
    ),
    Channel(
        "output of a cell",
        lambda n, text: called(n, "Read", {}, "x", cell(outputs=[{"text": text}])),
    ),
    Channel(
        "description of an agent", with_input("Task", "description"), frame="line", shows="start"
    ),
    Channel("prompt of an agent", with_input("Task", "prompt")),
    Channel(
        "report of an agent",
        lambda n, text: called(n, "Task", {}, "x", {"content": [{"type": "text", "text": text}]}),
        words=False,
    ),
    Channel(
        "address that is fetched",
        with_input("WebFetch", "url", prompt="x"),
        frame="bare",
        shows="nothing",
    ),
    Channel("question to a page", with_input("WebFetch", "prompt", url="https://a.example/")),
    Channel(
        "page that was fetched",
        lambda n, text: called(n, "WebFetch", {"url": "https://a.example/"}, text),
        words=False,
    ),
    Channel("query", with_input("WebSearch", "query"), frame="line", shows="start"),
    Channel(
        "title of a page that was found",
        lambda n, text: called(
            n,
            "WebSearch",
            {"query": "x"},
            "x",
            {"results": [{"content": [{"title": text, "url": "https://a.example/"}]}]},
        ),
    ),
    Channel(
        "address of a page that was found",
        lambda n, text: called(
            n,
            "WebSearch",
            {"query": "x"},
            "x",
            {"results": [{"content": [{"title": "x", "url": text}]}]},
        ),
        frame="bare",
        shows="nothing",
    ),
    Channel(
        "words about what was found",
        lambda n, text: called(n, "WebSearch", {"query": "x"}, "x", {"results": [text]}),
        words=False,
    ),
    Channel(
        "list of todos",
        lambda n, text: called(
            n, "TodoWrite", {"todos": [{"content": text, "activeForm": text, "status": text}]}
        ),
        shows="nothing",
    ),
    Channel(
        "subject of a task", with_input("TaskCreate", "subject", description="x"), frame="line"
    ),
    Channel("status of a task", with_input("TaskUpdate", "status", taskId="1"), frame="line"),
    Channel("id of a task", with_input("TaskUpdate", "taskId", status="x"), frame="line"),
    Channel(
        "question that was answered",
        lambda n, text: called(
            n, "AskUserQuestion", question(text), "x", {"answers": {text: text}}
        ),
    ),
    Channel("plan", with_input("ExitPlanMode", "plan"), words=False),
    Channel("skill", with_input("Skill", "skill"), frame="line"),
)
