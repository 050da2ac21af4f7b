"""The table of all that can be asked over HTTP. The description is made from it.

A new route gets its line here: a test compares the table with what the app answers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import BaseModel

from opcode_htmx.api.schema import requests, responses

Method = Literal["GET", "POST", "PUT", "DELETE"]

BODY = {
    400: "The body is not valid JSON.",
    413: "The body is too large.",
    415: "The body is not declared as application/json.",
    422: "The body, or what it asks for, cannot be used.",
}
EXAMPLES = {
    "project_id": "-home-me-work-orchard",
    "session_id": "7c2f1d9e-4b3a-4c8e-9d21-5f6a7b8c9d0e",
    "either_id": "7c2f1d9e-4b3a-4c8e-9d21-5f6a7b8c9d0e",
}
"""Of the parameters in the addresses."""

NOT_FOUND = {404: "There is no such project or session."}
CANNOT_START = {
    403: "Bypass mode is not allowed on this server, or the request came from the page of another "
    "origin, or without its token.",
    404: "There is no session to go on with.",
    409: "A session with this id exists already, or Claude does not read, or the files of the "
    "project would run what nobody has trusted: then “trust” has the list.",
    503: "Claude could not be started.",
}
CANNOT_END = {**NOT_FOUND, 503: "Its processes are still being ended."}
CANNOT_READ = {422: "The file cannot be read as what it should be."}


@dataclass(frozen=True, slots=True, eq=False)
class Endpoint:
    """One method of one address."""

    method: Method
    path: str
    """With its parameters in braces."""
    tag: str
    summary: str
    data: Any = None
    """The type of what stands under `data` in the answer."""
    beside: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    """The schemas of what may stand beside `data`."""
    body: type[BaseModel] | None = None
    query: type[BaseModel] | None = None
    refusals: Mapping[int, str] = field(default_factory=dict)
    """Beside those that every request may meet; what a body may meet is added by itself."""
    status: int = 200
    media: str = ""
    """The type of an answer that does not come in the envelope."""
    also: tuple[str, ...] = ()
    """The types that may be asked for beside it."""
    details: str = ""
    refused: str = ""
    """Why the address is there and the method is not for it: it is answered with 405."""


PROJECTS, SESSIONS, SETTINGS = "Projects", "Sessions", "Settings"
CATALOG, CHATS, DESCRIPTION = "Catalog", "Chats", "Description"
SERVER = "Server"

_GET_AND_POST: tuple[Method, ...] = ("GET", "POST")


def _starting(verb: str, summary: str) -> tuple[Endpoint, ...]:
    """POST starts a run; GET is there because clients of the earlier server may ask it."""
    path = f"/api/sessions/{verb}"
    return (
        Endpoint(
            "POST",
            path,
            SESSIONS,
            summary,
            responses.StartedRun,
            body=requests.Execution,
            refusals=CANNOT_START,
            status=202,
        ),
        Endpoint("GET", path, SESSIONS, "Says how to start a run", refused="Send a POST."),
    )


ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint(
        "GET", "/api/projects", PROJECTS, "All projects, newest first", list[responses.Project]
    ),
    Endpoint(
        "GET",
        "/api/projects/{project_id}/sessions",
        PROJECTS,
        "The sessions of a project, newest first",
        list[responses.Session],
        refusals=NOT_FOUND,
    ),
    Endpoint(
        "GET",
        "/api/sessions/{session_id}/history/{project_id}",
        SESSIONS,
        "The lines of a session's history",
        list[responses.JsonValue],
        beside={"taken_back": {"type": "array", "items": {"type": "string"}}},
        refusals=NOT_FOUND,
        details="As Claude has written them, one value a line. The answer is streamed. A line that "
        'is no JSON becomes {"type": "raw", "line": …}. “taken_back” has the uuids of the lines '
        "that Claude does not go on from: they were rewound or edited, or another branch was "
        "gone on with. The id of a run finds its session, too.",
    ),
    *_starting("execute", "Begin a session"),
    *_starting("continue", "Go on with the newest session of a project"),
    *_starting("resume", "Go on with a session"),
    Endpoint("GET", "/api/sessions/new", SESSIONS, "An id for a session that may begin", str),
    Endpoint(
        "GET",
        "/api/sessions/running",
        SESSIONS,
        "The runs whose process is alive, newest first",
        list[responses.RunningSession],
    ),
    *(
        Endpoint(
            method,
            "/api/sessions/{either_id}/cancel",
            SESSIONS,
            "End a run: answers when its processes are gone",
            responses.CancelledRun,
            refusals=CANNOT_END,
        )
        for method in _GET_AND_POST
    ),
    Endpoint(
        "GET",
        "/api/sessions/{either_id}/output",
        SESSIONS,
        "What the runs of a session have written",
        responses.Output,
        query=requests.OutputQuery,
        refusals=NOT_FOUND,
    ),
    Endpoint(
        "GET",
        "/api/settings/claude",
        SETTINGS,
        "The user's settings.json",
        responses.ClaudeSettings,
        refusals=CANNOT_READ,
        details="Secrets under env are shown as ********.",
    ),
    Endpoint(
        "PUT",
        "/api/settings/claude",
        SETTINGS,
        "Write the user's settings.json",
        responses.ClaudeSettings,
        body=responses.NewSettings,
        details="The whole object is replaced. ******** under env keeps the secret as it is.",
    ),
    Endpoint(
        "GET",
        "/api/settings/claude/version",
        SETTINGS,
        "The Claude CLI that is used",
        responses.ClaudeVersion,
    ),
    Endpoint(
        "GET",
        "/api/settings/claude/installations",
        SETTINGS,
        "Every Claude CLI on this computer",
        list[responses.ClaudeInstallation],
    ),
    Endpoint(
        "GET",
        "/api/settings/system-prompt",
        SETTINGS,
        "The user's CLAUDE.md",
        str,
        refusals=CANNOT_READ,
    ),
    Endpoint(
        "PUT",
        "/api/settings/system-prompt",
        SETTINGS,
        "Write the user's CLAUDE.md",
        str,
        body=responses.NewSystemPrompt,
    ),
    Endpoint(
        "GET",
        "/api/slash-commands",
        CATALOG,
        "Commands and skills of the user and, if one is named, of a project",
        list[responses.SlashCommand],
        query=responses.OfProject,
        refusals=NOT_FOUND,
    ),
    Endpoint(
        "GET",
        "/api/mcp/servers",
        CATALOG,
        "MCP servers of the user and, if one is named, of a project",
        list[responses.McpServer],
        query=responses.OfProject,
        refusals=NOT_FOUND,
        details="Values of env and headers, and what looks like a secret, are shown as ********.",
    ),
    Endpoint("GET", "/api/agents", CATALOG, "Agents: none yet", list[responses.Agent]),
    Endpoint("GET", "/api/usage", CATALOG, "Usage: not counted yet", list[responses.UsageEntry]),
    Endpoint(
        "POST",
        "/api/claude/sessions",
        CHATS,
        "Make a session, without a process until it is prompted",
        responses.ChatSession,
        body=requests.NewChat,
        refusals={
            403: "Bypass mode is not allowed on this server, or the request came from the "
            "page of another origin, or without its token."
        },
        status=201,
    ),
    Endpoint(
        "GET",
        "/api/claude/sessions",
        CHATS,
        "The sessions that were made here and those that have a run, newest first",
        list[responses.ChatSession],
    ),
    Endpoint(
        "GET",
        "/api/claude/sessions/{session_id}",
        CHATS,
        "One session",
        responses.ChatSession,
        refusals=NOT_FOUND,
    ),
    Endpoint(
        "DELETE",
        "/api/claude/sessions/{session_id}",
        CHATS,
        "End a session: answers when its processes are gone",
        responses.EndedChat,
        refusals=CANNOT_END,
        details="Its history stays. A session that was never prompted is forgotten.",
    ),
    Endpoint(
        "GET",
        "/api/claude/sessions/{session_id}/export",
        CHATS,
        "A session as a file",
        str,
        query=responses.ExportQuery,
        refusals={**NOT_FOUND, 409: "Nothing has been said in it yet."},
        media="text/markdown",
        also=("text/html", "application/x-ndjson"),
    ),
    Endpoint(
        "GET",
        "/api/health",
        SERVER,
        "How long anything has kept the server from attending to everything else",
        responses.Health,
    ),
    Endpoint(
        "GET",
        "/api/openapi.json",
        DESCRIPTION,
        "This description",
        dict[str, responses.JsonValue],
        media="application/json",
    ),
    Endpoint("GET", "/api/docs", DESCRIPTION, "This description as a page", str, media="text/html"),
)
