"""Channels of a transcript: every field of Claude's lines that reaches a session's page.

Each makes the lines that plant one vector, as Claude writes them to stdout or into its history.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from tests.security.corpus.vectors import Plant

Json = dict[str, Any]
Line = Json | str
"""An object, or text that is no JSON."""

Frame = Literal["block", "line", "bare"]
Shows = Literal["all", "start", "end", "nothing"]
PIXEL = base64.b64encode(
    b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0\x1f\x15\xc4\x89"
).decode()


@dataclass(frozen=True, slots=True)
class Channel:
    """A way for foreign text onto the session's page.

    `shows` says which of the marks must be seen on the page, `words` whether all of the vector's
    words must be seen between them, `shown_as` how the text is written there, and `where` which
    of the two sources carries it.
    """

    name: str
    lines: Callable[[int, str], Sequence[Line]]
    frame: Frame = "block"
    shows: Shows = "all"
    words: bool = True
    where: Literal["both", "live", "history"] = "both"
    shown_as: Callable[[str], str] = str
    ends_turn: bool = False

    def planted(self, plant: Plant) -> list[str]:
        """The lines that plant a vector."""
        text: str = getattr(plant, self.frame)
        lines = self.lines(plant.number, text)
        return [each if isinstance(each, str) else json.dumps(each) for each in lines]


# --- lines as Claude writes them ------------------------------------------------------------


def said(number: int, *blocks: Json, **fields: Any) -> Json:
    message = {"id": f"m{number}", "role": "assistant", "model": "m", "content": list(blocks)}
    return {"type": "assistant", "uuid": f"a{number}", "message": message, **fields}


def user(number: int, content: object, **fields: Any) -> Json:
    message = {"role": "user", "content": content}
    return {"type": "user", "uuid": f"u{number}", "message": message, **fields}


def system(number: int, subtype: str, **fields: Any) -> Json:
    return {"type": "system", "subtype": subtype, "uuid": f"s{number}", **fields}


def called(
    number: int,
    name: str,
    given: Mapping[str, object],
    result: object = "done",
    details: object = None,
    *,
    is_error: bool = False,
) -> list[Json]:
    """A tool's call with its result."""
    use = {"type": "tool_use", "id": f"t{number}", "name": name, "input": dict(given)}
    back = {
        "type": "tool_result",
        "tool_use_id": f"t{number}",
        "content": result,
        "is_error": is_error,
    }
    beside = {} if details is None else {"tool_use_result": details, "toolUseResult": details}
    return [said(number, use), user(number, [back], **beside)]


def in_result(part: Callable[[str], Json]) -> Callable[[int, str], list[Json]]:
    return lambda n, text: called(n, "mcp__trees__grow", {}, [part(text)])


def with_input(name: str, key: str, **more: object) -> Callable[[int, str], list[Json]]:
    return lambda n, text: called(n, name, {**more, key: text})


def asked(number: int, tool: str, given: Mapping[str, object], **fields: Any) -> list[Json]:
    """A request that stays open."""
    request = {"subtype": "can_use_tool", "tool_name": tool, "input": dict(given), **fields}
    return [{"type": "control_request", "request_id": f"r{number}", "request": request}]


def elicited(number: int, **fields: Any) -> list[Json]:
    """What an MCP server asks, which stays open."""
    request = {"subtype": "elicitation", "mcp_server_name": "trees", "message": "x", **fields}
    return [{"type": "control_request", "request_id": f"e{number}", "request": request}]


def in_form(**schema: object) -> Json:
    return {"type": "object", "properties": {"f": {"type": "string", **schema}}}


def question(text: str = "Which?", **fields: object) -> Json:
    option = {"label": "Pear", "description": "sweet", **fields}
    options = [option, {"label": "Apple", "description": "sour"}]
    return {"questions": [{"question": text, "header": "Fruit", "options": options}]}


def as_json(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)[1:-1]


def twice_json(text: str) -> str:
    return as_json(as_json(text))


def document(text: str) -> Json:
    return {"type": "document", "source": {"type": "text", "media_type": "x/y", "data": text}}


def resource(**fields: object) -> Json:
    return {"type": "resource", "resource": {"uri": "x:y", **fields}}


def patch(text: str) -> Json:
    lines = [f"+{line}" for line in text.split("\n")]
    hunk = {"oldStart": 1, "oldLines": 0, "newStart": 1, "newLines": len(lines), "lines": lines}
    return {"structuredPatch": [hunk]}


def cell(**fields: object) -> Json:
    each = {"cellType": "code", "source": "x", "language": "python", "outputs": [], **fields}
    return {"type": "notebook", "file": {"filePath": "/a.ipynb", "cells": [each]}}


def streamed(number: int, text: str, kind: str = "text") -> list[Json]:
    """As it grows, in pieces of seven characters, and never whole."""
    delta = "thinking" if kind == "thinking" else "text"
    events: list[Json] = [
        {"type": "message_start", "message": {"id": f"m{number}"}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": kind, delta: ""}},
    ]
    for at in range(0, len(text), 7):
        piece = {"type": f"{delta}_delta", delta: text[at : at + 7]}
        events.append({"type": "content_block_delta", "index": 0, "delta": piece})
    events.append({"type": "content_block_stop", "index": 0})
    return [{"type": "stream_event", "event": event} for event in events]


def subagent(number: int, text: str) -> list[Json]:
    use = {"type": "tool_use", "id": f"t{number}", "name": "Task", "input": {"description": "x"}}
    words = said(-number, {"type": "text", "text": text}, parent_tool_use_id=f"t{number}")
    return [said(number, use), words]


def suggestion(**fields: object) -> list[Json]:
    return [{"type": "addRules", "behavior": "allow", "destination": "session", **fields}]


READ = {"type": "text", "file": {"filePath": "/a", "numLines": 1, "startLine": 1, "totalLines": 1}}

CHANNELS: tuple[Channel, ...] = (
    # Prompts
    Channel("prompt", lambda n, text: [user(n, text, promptSource="typed", isReplay=True)]),
    Channel("prompt of an old CLI", lambda n, text: [user(n, text, isReplay=True)]),
    Channel(
        "media type of an image in a prompt",
        lambda n, text: [
            user(
                n,
                [{"type": "image", "source": {"type": "base64", "media_type": text, "data": "x"}}],
                promptSource="typed",
            )
        ],
        frame="line",
    ),
    Channel(
        "image with text in it",
        lambda n, text: [
            user(
                n,
                [
                    {
                        "type": "image",
                        "source": {"type": "base64", "media_type": "image/png", "data": PIXEL},
                        "alt": text,
                    },
                    {"type": "text", "text": text},
                ],
                promptSource="typed",
            )
        ],
    ),
    # Claude's output
    Channel("answer", lambda n, text: [said(n, {"type": "text", "text": text})], words=False),
    Channel(
        "thinking",
        lambda n, text: [said(n, {"type": "thinking", "thinking": text})],
        words=False,
    ),
    Channel("answer as it grows", streamed, words=False, where="live"),
    Channel(
        "thinking as it grows",
        lambda n, text: streamed(n, text, "thinking"),
        words=False,
        where="live",
    ),
    Channel("answer of a subagent", subagent, words=False),
    Channel(
        "answer that is an error",
        lambda n, text: [said(n, {"type": "text", "text": text}, isApiErrorMessage=True)],
    ),
    Channel(
        "unknown type of a part",
        lambda n, text: [said(n, {"type": text, "x": 1})],
        frame="line",
    ),
    Channel(
        "unknown part",
        lambda n, text: [said(n, {"type": "of_tomorrow", "x": text})],
        shown_as=as_json,
    ),
    Channel(
        "unknown name of a field",
        lambda n, text: [said(n, {"type": "of_tomorrow", text: 1})],
        shown_as=as_json,
    ),
    Channel(
        "unknown type of a line",
        lambda n, text: [{"type": text, "uuid": f"x{n}", "message": {"x": 1}}],
        frame="line",
    ),
    Channel(
        "unknown line",
        lambda n, text: [{"type": "of_tomorrow", "uuid": f"x{n}", "message": text}],
        shown_as=as_json,
    ),
    Channel(
        "line that is no JSON", lambda n, text: [" ".join(text.split())], where="live", words=False
    ),
    # Tools
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
    # Parts of results
    Channel("text of a document", in_result(document)),
    Channel(
        "title of a document",
        in_result(lambda text: {**document("x"), "title": text}),
        frame="line",
    ),
    Channel("context of a document", in_result(lambda text: {**document("x"), "context": text})),
    Channel(
        "media type of a document",
        in_result(
            lambda text: {
                "type": "document",
                "source": {"type": "base64", "media_type": text, "data": "eA=="},
            }
        ),
        frame="line",
    ),
    Channel(
        "name of a file",
        in_result(
            lambda text: {
                "type": "document",
                "title": text,
                "source": {"type": "base64", "media_type": "text/html", "data": "eA=="},
            }
        ),
        frame="line",
    ),
    Channel(
        "address of a document",
        in_result(lambda text: {"type": "document", "source": {"type": "url", "url": text}}),
        frame="bare",
        shows="end",
    ),
    Channel("text of a resource", in_result(lambda text: resource(text=text))),
    Channel(
        "address of a resource",
        in_result(lambda text: resource(uri=text)),
        frame="bare",
        shows="end",
    ),
    Channel("name of a resource", in_result(lambda text: resource(name=text)), frame="line"),
    Channel(
        "media type of a resource", in_result(lambda text: resource(mimeType=text)), frame="line"
    ),
    Channel(
        "link to a resource",
        in_result(lambda text: {"type": "resource_link", "uri": text, "name": "x"}),
        frame="bare",
        shows="end",
    ),
    Channel(
        "description of a link",
        in_result(lambda text: {"type": "resource_link", "uri": "x:y", "description": text}),
    ),
    Channel(
        "source of a result",
        in_result(lambda text: {"type": "search_result", "source": text, "title": "x"}),
        frame="bare",
        shows="end",
    ),
    Channel(
        "title of a result",
        in_result(lambda text: {"type": "search_result", "source": "x", "title": text}),
        frame="line",
    ),
    Channel(
        "text of a result",
        in_result(
            lambda text: {
                "type": "search_result",
                "source": "x",
                "content": [{"type": "text", "text": text}],
            }
        ),
    ),
    Channel(
        "tool that was loaded",
        in_result(lambda text: {"type": "tool_reference", "tool_name": text}),
        frame="line",
    ),
    Channel(
        "media type of a sound",
        in_result(lambda text: {"type": "audio", "mimeType": text, "data": "eA=="}),
        frame="line",
    ),
    Channel(
        "image that is none",
        in_result(lambda text: {"type": "image", "mimeType": "image/svg+xml", "data": text}),
        shown_as=as_json,
    ),
    Channel(
        "unknown part of a result", in_result(lambda text: {"type": text, "x": 1}), frame="line"
    ),
    Channel(
        "structured result",
        lambda n, text: called(n, "mcp__x__y", {}, "x", {"structuredContent": {"a": text}}),
        shown_as=as_json,
    ),
    Channel(
        "resource link of a result",
        lambda n, text: called(
            n, "mcp__x__y", {}, "x", {"resourceLinks": [{"uri": text, "name": text}]}
        ),
        frame="bare",
        shows="end",
    ),
    # Permission requests
    Channel("tool that asks", lambda n, text: asked(n, text, {}), frame="line", where="live"),
    Channel(
        "description of a request",
        lambda n, text: asked(n, "Bash", {"command": "x"}, description=text),
        where="live",
    ),
    Channel(
        "command that is asked about",
        lambda n, text: asked(n, "Bash", {"command": text}),
        where="live",
    ),
    Channel(
        "input that is asked about",
        lambda n, text: asked(n, "Grow", {"a": text}),
        where="live",
        shown_as=as_json,
    ),
    Channel(
        "path outside",
        lambda n, text: asked(n, "Edit", {"file_path": f"/{text}"}, blocked_path=f"/{text}"),
        frame="line",
        where="live",
    ),
    Channel(
        "edit that is asked about",
        lambda n, text: asked(
            n, "Edit", {"file_path": "/a", "old_string": "x", "new_string": text}
        ),
        where="live",
    ),
    Channel(
        "rule that is suggested",
        lambda n, text: asked(
            n,
            "Bash",
            {"command": "x"},
            permission_suggestions=suggestion(rules=[{"toolName": "Bash", "ruleContent": text}]),
        ),
        frame="line",
        where="live",
    ),
    Channel(
        "tool of a rule",
        lambda n, text: asked(
            n,
            "Bash",
            {"command": "x"},
            permission_suggestions=suggestion(rules=[{"toolName": text}]),
        ),
        frame="line",
        where="live",
    ),
    Channel(
        "folder that is suggested",
        lambda n, text: asked(
            n,
            "Bash",
            {"command": "x"},
            permission_suggestions=[{"type": "addDirectories", "directories": [text]}],
        ),
        frame="line",
        where="live",
    ),
    Channel(
        "question",
        lambda n, text: asked(n, "AskUserQuestion", question(text)),
        where="live",
    ),
    Channel(
        "header of a question",
        lambda n, text: asked(
            n, "AskUserQuestion", {"questions": [{**question()["questions"][0], "header": text}]}
        ),
        where="live",
    ),
    Channel(
        "label of an option",
        lambda n, text: asked(n, "AskUserQuestion", question(label=text)),
        where="live",
    ),
    Channel(
        "description of an option",
        lambda n, text: asked(n, "AskUserQuestion", question(description=text)),
        where="live",
    ),
    Channel(
        "preview of an option",
        lambda n, text: asked(n, "AskUserQuestion", question(preview=text)),
        where="live",
        words=False,
    ),
    Channel(
        "MCP server that asks",
        lambda n, text: elicited(n, mcp_server_name=text),
        frame="line",
        where="live",
    ),
    Channel(
        "message of an MCP server",
        lambda n, text: elicited(n, message=text),
        where="live",
    ),
    Channel(
        "title of a field",
        lambda n, text: elicited(n, requested_schema=in_form(title=text)),
        where="live",
    ),
    Channel(
        "description of a field",
        lambda n, text: elicited(n, requested_schema=in_form(description=text)),
        where="live",
    ),
    Channel(
        "choice of a field",
        lambda n, text: elicited(n, requested_schema=in_form(enum=["x"], enumNames=[text])),
        where="live",
    ),
    Channel(
        "unknown part of a field",
        lambda n, text: elicited(n, requested_schema=in_form(of_tomorrow=text)),
        where="live",
        shown_as=as_json,
    ),
    Channel(
        "page that an MCP server wants to be opened",
        lambda n, text: elicited(n, mode="url", url=text),
        frame="line",
        where="live",
    ),
    Channel(
        "plan that is asked about",
        lambda n, text: asked(n, "ExitPlanMode", {"plan": text}),
        where="live",
        words=False,
    ),
    Channel(
        "id of a request",
        lambda n, text: [{**asked(n, "Bash", {"command": f"k{n}a k{n}z"})[0], "request_id": text}],
        where="live",
        words=False,
    ),
    # Notes of the CLI
    Channel(
        "id of a message",
        lambda n, text: [
            {
                **said(n, {"type": "text", "text": f"k{n}a k{n}z"}),
                "message": {"id": text, "content": [{"type": "text", "text": f"k{n}a k{n}z"}]},
                "uuid": text,
            }
        ],
        words=False,
    ),
    Channel("notice", lambda n, text: [system(n, "informational", content=text)]),
    Channel("unknown notice", lambda n, text: [system(n, text.replace("_", "-"))], frame="line"),
    Channel(
        "name of a hook",
        lambda n, text: [system(n, "hook_response", hook_name=text, outcome="error")],
        frame="line",
    ),
    Channel(
        "output of a hook",
        lambda n, text: [system(n, "hook_response", hook_name="x", output=text)],
    ),
    Channel(
        "end of a turn",
        lambda n, text: [
            {
                "type": "result",
                "subtype": "error",
                "uuid": f"e{n}",
                "is_error": True,
                "result": text,
            }
        ],
        ends_turn=True,
        where="live",
    ),
    Channel(
        "kind of an end",
        lambda n, text: [
            {"type": "result", "subtype": text, "uuid": f"e{n}", "is_error": True, "errors": []}
        ],
        frame="line",
        ends_turn=True,
        where="live",
    ),
    Channel(
        "file in the editor",
        lambda n, text: [
            {
                "type": "attachment",
                "uuid": f"f{n}",
                "attachment": {"type": "opened_file_in_ide", "filename": text},
            }
        ],
    ),
    Channel(
        "selection in the editor",
        lambda n, text: [
            {
                "type": "attachment",
                "uuid": f"f{n}",
                "attachment": {"type": "selected_lines_in_ide", "filename": "/a", "content": text},
            }
        ],
    ),
    Channel(
        "slash command",
        lambda n, text: [user(n, f"<command-name>/{text}</command-name>")],
        frame="line",
        words=False,
    ),
    Channel(
        "arguments of a slash command",
        lambda n, text: [
            user(n, f"<command-name>/x</command-name><command-args>{text}</command-args>")
        ],
    ),
    Channel(
        "output of a slash command",
        lambda n, text: [user(n, f"<local-command-stdout>{text}</local-command-stdout>")],
        words=False,
    ),
    Channel(
        "failure of a slash command",
        lambda n, text: [user(n, f"<local-command-stderr>{text}</local-command-stderr>")],
    ),
    Channel(
        "command at the terminal",
        lambda n, text: [user(n, f"<bash-input>{text}</bash-input>")],
    ),
    Channel(
        "output at the terminal",
        lambda n, text: [
            user(n, f"<bash-stdout>{text}</bash-stdout><bash-stderr>{text}</bash-stderr>")
        ],
        words=False,
    ),
    Channel(
        "note for the memory",
        lambda n, text: [user(n, f"<user-memory-input>{text}</user-memory-input>")],
    ),
    Channel(
        "sender of a message",
        lambda n, text: [
            user(
                n,
                f'<teammate-message teammate_id="{text}">k{n}a k{n}z</teammate-message>',
                origin={"kind": "peer"},
            )
        ],
        frame="line",
        words=False,
        shows="nothing",
    ),
    Channel(
        "message of another one",
        lambda n, text: [
            user(
                n,
                f'<teammate-message teammate_id="x">{text}</teammate-message>',
                origin={"kind": "peer"},
            )
        ],
        words=False,
    ),
    Channel(
        "origin of a message",
        lambda n, text: [user(n, "x", origin={"kind": text})],
        frame="line",
    ),
    Channel(
        "reminder in a prompt",
        lambda n, text: [
            user(n, f"<system-reminder>\n{text}\n</system-reminder>\nk{n}a and words")
        ],
        words=False,
    ),
)
