"""The events that hooks run at: as the installed CLI lists them, or those known here. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from opcode_htmx.lib.coerce import Json
from opcode_htmx.lib.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Event:
    """An event; `values` are some that a matcher may have there."""

    name: str
    summary: str
    has_matcher: bool
    values: tuple[str, ...] = ()
    matched: str = ""
    """What a matcher is compared with."""


TOOLS = ("Bash", "Edit|Write", "Read", "WebFetch", "Agent", "mcp__.*")
_TOOL_EVENTS = (
    "PreToolUse",
    "PostToolUse",
    "PostToolUseFailure",
    "PermissionDenied",
    "PermissionRequest",
)
MATCHED = {
    **dict.fromkeys(_TOOL_EVENTS, ("the tool", TOOLS)),
    "Notification": ("the kind of notification", ("permission_prompt", "idle_prompt")),
    "SessionStart": ("how it starts", ("startup", "resume", "clear", "compact", "fork")),
    "SessionEnd": ("why it ends", ("clear", "resume", "logout", "prompt_input_exit", "other")),
    "PreCompact": ("who compacts", ("manual", "auto")),
    "PostCompact": ("who compacts", ("manual", "auto")),
    "StopFailure": ("the error", ("rate_limit", "overloaded", "server_error")),
    "Setup": ("the occasion", ("init", "maintenance")),
    "SubagentStart": ("the kind of agent", ("Explore", "Plan", "general-purpose")),
    "SubagentStop": ("the kind of agent", ("Explore", "Plan", "general-purpose")),
    "UserPromptExpansion": ("the command", ()),
    "PreModelSwitch": ("the model", ()),
    "PostModelSwitch": ("the model", ()),
    "Elicitation": ("the MCP server", ()),
    "ElicitationResult": ("the MCP server", ()),
    "ConfigChange": ("what changed", ("user_settings", "project_settings", "skills")),
    "InstructionsLoaded": ("why it is loaded", ("session_start", "include", "compact")),
    "FileChanged": ("the names of the files", (".env", ".envrc|.env")),
    "DirectoryAdded": ("how it was added", ("slash_command", "register_repo_root")),
}
"""What a matcher is compared with, and usual values, by the names of events."""

_KNOWN = (
    ("PreToolUse", "Before Claude uses a tool"),
    ("PostToolUse", "After Claude has used a tool"),
    ("Notification", "When Claude notifies you"),
    ("UserPromptSubmit", "When you send a prompt"),
    ("SessionStart", "When a session starts"),
    ("Stop", "When Claude is about to end its turn"),
    ("SubagentStop", "When an agent is about to end"),
    ("PreCompact", "Before a conversation is compacted"),
    ("SessionEnd", "When a session ends"),
)


def catalog(listing: Json) -> Sequence[Event]:
    """The events of a CLI's listing, in its order; those that every CLI has if it lists none."""
    found = list(_listed(listing.get("eventCatalog")))
    return found or [event(name, summary, name in MATCHED) for name, summary in _KNOWN]


def event(name: str, summary: str, has_matcher: bool) -> Event:
    """An event, with what is known here about its matchers."""
    matched, values = MATCHED.get(name, ("", ())) if has_matcher else ("", ())
    return Event(name, summary, has_matcher, values, matched)


def _listed(given: object) -> Iterator[Event]:
    for each in given if isinstance(given, list) else ():
        match each:
            case {"name": str(name), "summary": str(summary), "supportsMatcher": bool(has)}:
                yield event(name, summary, has)
            case _:
                pass
