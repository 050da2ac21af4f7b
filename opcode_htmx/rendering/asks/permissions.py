"""Describe permission requests, suggested rules and decisions in words. Pure; no HTML."""

from __future__ import annotations

import posixpath

from opcode_htmx.engines.claude.protocol.encoder import NO_REASONS
from opcode_htmx.engines.messages import Ask, PermissionRequest
from opcode_htmx.lib.coerce import Json
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.rendering.asks.questions import questions_of
from opcode_htmx.rendering.clock import time_of_day
from opcode_htmx.runs.model import permission_updates
from opcode_htmx.transcript.blocks import AskBlock, AskState

MODES = {
    "default": "Ask before changes",
    "acceptEdits": "Accept edits",
    "plan": "Plan before changes",
    "auto": "Auto: a model decides",
    "dontAsk": "Never ask: deny the rest",
    "bypassPermissions": "Bypass: never ask",
}
"""The permission modes with their labels."""

_SCOPES = {
    "session": "in this session",
    "localSettings": "in this project",
    "projectSettings": "in this project, for all who work on it",
    "userSettings": "in all projects",
}
_WHOLE_TOOL = {
    "Bash": "every command",
    "Read": "reading any file",
    "Edit": "editing any file",
    "Write": "writing any file",
    "WebFetch": "fetching from anywhere",
}
_VERBS = {"Read": "reading", "Edit": "editing", "Write": "writing", "WebFetch": "fetching from"}
_PATH_KEYS = ("file_path", "notebook_path", "path")


@dataclass(frozen=True, slots=True)
class Phrase:
    """A piece of a sentence; `code` for a command, a path or the like."""

    text: str
    code: bool = False


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A permission update that Claude suggests: its index in the request, and its meaning."""

    number: int
    update: Json
    words: tuple[Phrase, ...]

    def __str__(self) -> str:
        return "".join(piece.text for piece in self.words)


def suggestions_of(request: Ask) -> tuple[Suggestion, ...]:
    """The suggested permission updates; those that cannot be described are omitted."""
    if not isinstance(request, PermissionRequest):
        return ()
    return tuple(
        Suggestion(number, each, (Phrase(f"Always {_verb(each)} "), *subject, *_scope(each)))
        for number, each in enumerate(request.suggestions)
        if (subject := _subject(each))
    )


def offered(request: PermissionRequest, *, allow_bypass: bool) -> tuple[Suggestion, ...]:
    """The suggestions that this server allows a user to accept."""
    return tuple(
        each
        for each in suggestions_of(request)
        if permission_updates.is_allowed(
            request.suggestions[each.number], allow_bypass=allow_bypass
        )
    )


def is_plan(request: Ask) -> bool:
    """Whether the request asks to approve a plan."""
    return isinstance(request, PermissionRequest) and request.tool_name == "ExitPlanMode"


def _asks(request: Ask) -> bool:
    return isinstance(request, PermissionRequest) and bool(questions_of(request, {}))


def outside_path(request: PermissionRequest, project: str) -> str:
    """The path outside of the folder `project` that a request is about; empty if there is none."""
    input_paths = (request.input.get(key) for key in _PATH_KEYS)
    for path in (request.blocked_path, *input_paths):
        if isinstance(path, str) and path.startswith("/"):
            target = posixpath.normpath(path)  # resolves `..`, which may lead out of the project
            inside = target == project or target.startswith(project.rstrip("/") + "/")
            return "" if inside else path
    return ""


def verdict(ask: AskBlock) -> str:
    """The decision about a request, with its time; empty while it is open."""
    plan = is_plan(ask.request)
    match ask.state:
        case AskState.OPEN:
            return ""
        case AskState.WITHDRAWN:
            return "No longer asked"
        case AskState.ALLOWED:
            words = _approved(ask) if plan else _allowed(ask)
        case AskState.DENIED:
            words = "Kept planning" if plan else "Not answered" if _asks(ask.request) else "Denied"
            if reason := given_reason(ask):
                words += f": {reason}"
    return words if ask.answered_at is None else f"{words} · {time_of_day(ask.answered_at)}"


def short_verdict(ask: AskBlock) -> str:
    """The decision about a call in a word or two; empty if it was denied, as its state says so."""
    if ask.state is AskState.DENIED:
        return ""
    return "always allowed" if _granted_updates(ask) else "allowed"


def given_reason(ask: AskBlock) -> str:
    """The words of the person who denied it; empty if there are none."""
    reason = ask.answer.get("message") if ask.state is AskState.DENIED else ""
    return reason if isinstance(reason, str) and reason not in NO_REASONS else ""


def _allowed(ask: AskBlock) -> str:
    updates = _granted_updates(ask)
    for suggestion in suggestions_of(ask.request):
        if suggestion.update in updates:
            return str(suggestion).replace("Always allow", "Always allowed:", 1)
    return "Allowed"


def _approved(ask: AskBlock) -> str:
    modes = [each.get("mode") for each in _granted_updates(ask) if isinstance(each, dict)]
    return "Approved, edits accepted" if "acceptEdits" in modes else "Approved"


def _granted_updates(ask: AskBlock) -> list[object]:
    """The permission updates in an answer."""
    updates = ask.answer.get("updatedPermissions")
    return updates if isinstance(updates, list) else []


def _verb(suggestion: Json) -> str:
    return {"deny": "deny", "ask": "ask about"}.get(str(suggestion.get("behavior")), "allow")


def _scope(suggestion: Json) -> tuple[Phrase, ...]:
    scope = _SCOPES.get(str(suggestion.get("destination")))
    return (Phrase(f" {scope}"),) if scope else ()


def _subject(suggestion: Json) -> tuple[Phrase, ...]:
    match suggestion:
        case {"type": "addRules", "rules": [_, *_] as rules}:
            return _listed([_rule(each) for each in rules])
        case {"type": "addDirectories", "directories": [_, *_] as folders}:
            return _listed([(Phrase("work in "), Phrase(str(each), code=True)) for each in folders])
        case {"type": "setMode", "mode": "acceptEdits"}:
            return (Phrase("edits"),)
        case {"type": "setMode", "mode": "bypassPermissions"}:
            return (Phrase("everything, without asking,"),)
        case _:
            return ()


def _listed(items: list[tuple[Phrase, ...]]) -> tuple[Phrase, ...]:
    """Join items: `a, b and c`. Empty if one of them could not be described."""
    if not all(items):
        return ()
    first, *others = items
    pieces = [*first]
    for number, item in enumerate(others, start=2):
        pieces += [Phrase(" and " if number == len(items) else ", "), *item]
    return tuple(pieces)


def _rule(rule: object) -> tuple[Phrase, ...]:
    match rule:
        case {"toolName": str(tool), "ruleContent": str(content)} if content:
            return _rule_with(tool, content)
        case {"toolName": str(tool)}:
            return (
                (Phrase(_WHOLE_TOOL[tool]),)
                if tool in _WHOLE_TOOL
                else (Phrase(tool_name(tool), code=True),)
            )
        case _:
            return ()


def _rule_with(tool: str, content: str) -> tuple[Phrase, ...]:
    if tool in _WHOLE_TOOL and not content.strip(":*"):
        return (Phrase(_WHOLE_TOOL[tool]),)
    if tool == "Bash":
        return (Phrase(_command(content), code=True),)
    verb = _VERBS.get(tool, tool_name(tool))
    name = content.removeprefix("domain:") if tool == "WebFetch" else _path(content)
    return Phrase(f"{verb} "), Phrase(name, code=True)


def _command(pattern: str) -> str:
    """A command pattern for people. A final `*` matches any rest, as `:*` does in older rules.

    There is no ellipsis, which would mean that a text is cut.
    """
    return f"{pattern.removesuffix(':*')} *" if pattern.endswith(":*") else pattern


def _path(pattern: str) -> str:
    """A path pattern for people: `//` begins an absolute path, `/` one in the project."""
    plain = pattern[1:] if pattern.startswith("//") else pattern.removeprefix("/")
    return plain.removesuffix("/**") or "/"


def tool_name(name: str) -> str:
    """The name of a tool for people: `server: tool` for those of MCP servers."""
    if not name.startswith("mcp__"):
        return name
    server, _, tool = name.removeprefix("mcp__").partition("__")
    return f"{server}: {tool}" if tool else f"everything of {server}"
