"""What a person is asked to permit, and what they decided, in words. Pure; no HTML."""

from __future__ import annotations

import posixpath
import time
from dataclasses import dataclass

from opcode_htmx.engines.claude.protocol.encoder import NO_REASONS
from opcode_htmx.engines.messages import PermissionRequest
from opcode_htmx.lib.coerce import Json
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
"""The permission modes, each as one choice."""

_WHERE = {
    "session": "in this session",
    "localSettings": "in this project",
    "projectSettings": "in this project, for all who work on it",
    "userSettings": "in all projects",
}
_ANY = {
    "Bash": "every command",
    "Read": "reading any file",
    "Edit": "editing any file",
    "Write": "writing any file",
    "WebFetch": "fetching from anywhere",
}
_VERBS = {"Read": "reading", "Edit": "editing", "Write": "writing", "WebFetch": "fetching from"}
_PATH_KEYS = ("file_path", "notebook_path", "path")


@dataclass(frozen=True, slots=True)
class Words:
    """A piece of a sentence; `code` if it is a command, a path or the like."""

    text: str
    code: bool = False


@dataclass(frozen=True, slots=True)
class Suggestion:
    """One of Claude's suggestions: its number in the request, and what it would mean."""

    number: int
    words: tuple[Words, ...]

    def __str__(self) -> str:
        return "".join(piece.text for piece in self.words)


def suggestions_of(request: PermissionRequest) -> tuple[Suggestion, ...]:
    """What may be allowed from now on; what cannot be put in words is not offered."""
    return tuple(
        Suggestion(number, (Words(f"Always {_verb(each)} "), *what, *_where(each)))
        for number, each in enumerate(request.suggestions)
        if (what := _what(each))
    )


def offered(request: PermissionRequest, *, allow_bypass: bool) -> tuple[Suggestion, ...]:
    """Those of the suggestions that this server lets a person accept."""
    return tuple(
        each
        for each in suggestions_of(request)
        if permission_updates.is_allowed(
            request.suggestions[each.number], allow_bypass=allow_bypass
        )
    )


def is_plan(request: PermissionRequest) -> bool:
    return request.tool_name == "ExitPlanMode"


def outside(request: PermissionRequest, project: str) -> str:
    """The path outside of the folder `project` that is asked about; empty if there is none."""
    named = (request.input.get(key) for key in _PATH_KEYS)
    for path in (request.blocked_path, *named):
        if isinstance(path, str) and path.startswith("/"):
            target = posixpath.normpath(path)  # `..` leads out of a folder that it begins with
            inside = target == project or target.startswith(project.rstrip("/") + "/")
            return "" if inside else path
    return ""


def verdict(ask: AskBlock) -> str:
    """What became of a request."""
    plan = is_plan(ask.request)
    match ask.state:
        case AskState.OPEN:
            return ""
        case AskState.WITHDRAWN:
            return "No longer asked"
        case AskState.ALLOWED:
            words = _approved(ask) if plan else _allowed(ask)
        case AskState.DENIED:
            reason = ask.answer.get("message")
            words = "Kept planning" if plan else "Denied"
            if isinstance(reason, str) and reason and reason not in NO_REASONS:
                words += f": {reason}"
    return words if ask.answered_at is None else f"{words} · {_clock(ask.answered_at)}"


def _allowed(ask: AskBlock) -> str:
    given = _given(ask)
    for suggestion in suggestions_of(ask.request):
        if ask.request.suggestions[suggestion.number] in given:
            return str(suggestion).replace("Always allow", "Always allowed:", 1)
    return "Allowed"


def _approved(ask: AskBlock) -> str:
    modes = [each.get("mode") for each in _given(ask) if isinstance(each, dict)]
    return "Approved, edits accepted" if "acceptEdits" in modes else "Approved"


def _given(ask: AskBlock) -> list[object]:
    """What was permitted beyond this one request."""
    given = ask.answer.get("updatedPermissions")
    return given if isinstance(given, list) else []


def _clock(seconds: float) -> str:
    """A time of day where the server is."""
    return time.strftime("%H:%M", time.localtime(seconds))


def _verb(suggestion: Json) -> str:
    return {"deny": "deny", "ask": "ask about"}.get(str(suggestion.get("behavior")), "allow")


def _where(suggestion: Json) -> tuple[Words, ...]:
    where = _WHERE.get(str(suggestion.get("destination")))
    return (Words(f" {where}"),) if where else ()


def _what(suggestion: Json) -> tuple[Words, ...]:
    match suggestion:
        case {"type": "addRules", "rules": [_, *_] as rules}:
            return _listed([_rule(each) for each in rules])
        case {"type": "addDirectories", "directories": [_, *_] as folders}:
            return _listed([(Words("work in "), Words(str(each), code=True)) for each in folders])
        case {"type": "setMode", "mode": "acceptEdits"}:
            return (Words("edits"),)
        case {"type": "setMode", "mode": "bypassPermissions"}:
            return (Words("everything, without asking,"),)
        case _:
            return ()


def _listed(each: list[tuple[Words, ...]]) -> tuple[Words, ...]:
    """Several as one: `a, b and c`. One that cannot be put in words spoils them all."""
    if not all(each):
        return ()
    first, *others = each
    words = [*first]
    for number, another in enumerate(others, start=2):
        words += [Words(" and " if number == len(each) else ", "), *another]
    return tuple(words)


def _rule(rule: object) -> tuple[Words, ...]:
    match rule:
        case {"toolName": str(tool), "ruleContent": str(content)} if content:
            return _rule_with(tool, content)
        case {"toolName": str(tool)}:
            return (Words(_ANY[tool]),) if tool in _ANY else (Words(tool_name(tool), code=True),)
        case _:
            return ()


def _rule_with(tool: str, content: str) -> tuple[Words, ...]:
    if tool in _ANY and not content.strip(":*"):
        return (Words(_ANY[tool]),)
    if tool == "Bash":
        return (Words(_command(content), code=True),)
    verb = _VERBS.get(tool, tool_name(tool))
    name = content.removeprefix("domain:") if tool == "WebFetch" else _path(content)
    return Words(f"{verb} "), Words(name, code=True)


def _command(pattern: str) -> str:
    """A pattern for commands. `*` stands for anything behind it, as `:*` does in older rules.

    No ellipsis: that is for texts which are cut.
    """
    return f"{pattern.removesuffix(':*')} *" if pattern.endswith(":*") else pattern


def _path(pattern: str) -> str:
    """A path pattern of Claude's: `//` begins an absolute one, `/` one in the project."""
    plain = pattern[1:] if pattern.startswith("//") else pattern.removeprefix("/")
    return plain.removesuffix("/**") or "/"


def tool_name(name: str) -> str:
    """A tool as a person calls it: `server: tool` for those of MCP servers."""
    if not name.startswith("mcp__"):
        return name
    server, _, tool = name.removeprefix("mcp__").partition("__")
    return f"{server}: {tool}" if tool else f"everything of {server}"
