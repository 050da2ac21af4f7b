"""Channels of what Claude asks a person: permissions, questions and forms."""

from __future__ import annotations

from tests.security.corpus.transcript.lines import (
    Channel,
    as_json,
    asked,
    elicited,
    in_form,
    question,
    suggestion,
)

REQUESTS: tuple[Channel, ...] = (
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
)
