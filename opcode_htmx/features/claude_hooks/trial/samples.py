"""A sample of each event: the JSON that a hook gets. Pure."""

from __future__ import annotations

from opcode_htmx.lib.coerce import Json

SESSION = "00000000-0000-4000-8000-000000000000"
_TOOL_USE = "toolu_sample"

_TOOLS: dict[str, Json] = {
    "Bash": {"command": "ls -la", "description": "List the files"},
    "Edit": {"file_path": "{cwd}/sample.py", "old_string": "a", "new_string": "b"},
    "Write": {"file_path": "{cwd}/sample.py", "content": "print('hello')\n"},
    "Read": {"file_path": "{cwd}/sample.py"},
    "WebFetch": {"url": "https://example.com/", "prompt": "What is on this page?"},
    "Agent": {"description": "Look around", "prompt": "List the files", "subagent_type": "Explore"},
}

_EVENTS: dict[str, Json] = {
    "PostToolUse": {"tool_response": {"stdout": "", "stderr": "", "interrupted": False}},
    "PostToolUseFailure": {"error": "Exit code 1", "is_interrupt": False},
    "PermissionRequest": {"permission_suggestions": []},
    "PermissionDenied": {"reason": "It was not asked for."},
    "PostToolBatch": {
        "tool_calls": [
            {
                "tool_name": "Bash",
                "tool_input": _TOOLS["Bash"],
                "tool_use_id": _TOOL_USE,
                "tool_response": "",
            }
        ]
    },
    "Notification": {
        "message": "Claude needs your permission to use Bash",
        "notification_type": "permission_prompt",
    },
    "UserPromptSubmit": {"prompt": "Water the trees", "source": "user"},
    "UserPromptExpansion": {
        "expansion_type": "slash_command",
        "command_name": "review",
        "command_args": "",
        "prompt": "/review",
    },
    "SessionStart": {"source": "startup", "model": "sonnet"},
    "SessionEnd": {"reason": "other"},
    "Stop": {"stop_hook_active": False, "last_assistant_message": "The trees are watered."},
    "StopFailure": {"error": "rate_limit"},
    "SubagentStart": {"agent_id": "agent-1", "agent_type": "Explore"},
    "SubagentStop": {
        "stop_hook_active": False,
        "agent_id": "agent-1",
        "agent_type": "Explore",
        "agent_transcript_path": "{cwd}/agent-1.jsonl",
        "last_assistant_message": "I have looked around.",
    },
    "PreCompact": {"trigger": "manual", "custom_instructions": None},
    "PostCompact": {"trigger": "manual", "compact_summary": "The trees were watered."},
    "PreModelSwitch": {"from_model": "sonnet", "to_model": "opus", "source": "command"},
    "PostModelSwitch": {"from_model": "sonnet", "to_model": "opus", "source": "command"},
    "Setup": {"trigger": "init"},
    "TeammateIdle": {"teammate_name": "gardener", "team_name": "orchard"},
    "TaskCreated": {"task_id": "1", "task_subject": "Water the trees"},
    "TaskCompleted": {"task_id": "1", "task_subject": "Water the trees"},
    "Elicitation": {"mcp_server_name": "garden", "message": "Which tree?", "mode": "form"},
    "ElicitationResult": {"mcp_server_name": "garden", "action": "accept", "content": {}},
    "ConfigChange": {"source": "project_settings", "file_path": "{cwd}/.claude/settings.json"},
    "InstructionsLoaded": {
        "file_path": "{cwd}/CLAUDE.md",
        "memory_type": "Project",
        "load_reason": "session_start",
    },
    "WorktreeCreate": {"name": "sample"},
    "WorktreeRemove": {"worktree_path": "{cwd}/.claude/worktrees/sample"},
    "CwdChanged": {"old_cwd": "{cwd}", "new_cwd": "{cwd}/src"},
    "FileChanged": {"file_path": "{cwd}/.env", "event": "change"},
    "DirectoryAdded": {"directory": "{cwd}/../other", "source": "slash_command"},
    "MessageDisplay": {
        "turn_id": SESSION,
        "message_id": SESSION,
        "index": 0,
        "final": True,
        "delta": "The trees are watered.\n",
    },
}
_OF_TOOLS = frozenset(
    {"PreToolUse", "PostToolUse", "PostToolUseFailure", "PermissionRequest", "PermissionDenied"}
)
_MATCHED = {
    "Notification": "notification_type",
    "SessionStart": "source",
    "SessionEnd": "reason",
    "PreCompact": "trigger",
    "PostCompact": "trigger",
    "SubagentStart": "agent_type",
    "SubagentStop": "agent_type",
    "Setup": "trigger",
    "StopFailure": "error",
    "ConfigChange": "source",
}
"""The keys that a matcher is compared with."""


def sample(event: str, matcher: str, cwd: str) -> Json:
    """What a hook with this matcher could get at an event in a folder."""
    found: Json = {
        "session_id": SESSION,
        "transcript_path": "{cwd}/sample.jsonl",
        "cwd": "{cwd}",
        "permission_mode": "default",
        "hook_event_name": event,
    }
    first = matcher.partition("|")[0].strip()
    named = first if first.replace("_", "").replace("-", "").isalnum() else ""
    if event in _OF_TOOLS:
        tool = named or "Bash"
        found |= {"tool_name": tool, "tool_input": _TOOLS.get(tool, {}), "tool_use_id": _TOOL_USE}
    found |= _EVENTS.get(event, {})
    if named and event in _MATCHED:
        found[_MATCHED[event]] = named
    return {key: _in_folder(value, cwd) for key, value in found.items()}


def _in_folder(value: object, cwd: str) -> object:
    match value:
        case str():
            return value.replace("{cwd}", cwd)
        case dict():
            return {key: _in_folder(inner, cwd) for key, inner in value.items()}
        case list():
            return [_in_folder(inner, cwd) for inner in value]
        case _:
            return value
