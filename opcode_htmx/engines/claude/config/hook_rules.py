"""What Claude accepts as hooks: it ignores a whole settings file in which one is wrong. Pure."""

from __future__ import annotations

EVENTS = frozenset(
    (
        *("PreToolUse", "PostToolUse", "PostToolUseFailure", "PostToolBatch", "Notification"),
        *("UserPromptSubmit", "UserPromptExpansion", "SessionStart", "SessionEnd", "Stop"),
        *("StopFailure", "SubagentStart", "SubagentStop", "PreCompact", "PostCompact"),
        *("PreModelSwitch", "PostModelSwitch", "PermissionRequest", "PermissionDenied", "Setup"),
        *("TeammateIdle", "TaskCreated", "TaskCompleted", "Elicitation", "ElicitationResult"),
        *("ConfigChange", "WorktreeCreate", "WorktreeRemove", "InstructionsLoaded", "CwdChanged"),
        *("FileChanged", "DirectoryAdded", "MessageDisplay"),
    )
)
"""The events that hooks run at."""
REQUIRED = {
    "command": ("command",),
    "http": ("url",),
    "prompt": ("prompt",),
    "agent": ("prompt",),
    "mcp_tool": ("server", "tool"),
}
"""The types of hooks, each with the texts that it must have."""


def problem(hook: object) -> str:
    """Why a value cannot be a hook, as the end of a sentence; empty if it can."""
    if not isinstance(hook, dict) or not isinstance(hook.get("type"), str):
        return "each entry has a list “hooks”, whose items have a “type”."
    required = REQUIRED.get(hook["type"])
    if required is None:
        return f"the type of a hook is one of {', '.join(REQUIRED)}."
    for name in required:
        if not isinstance(hook.get(name), str):
            return f"a hook of the type {hook['type']} has a text “{name}”."
    timeout = hook.get("timeout", 1)
    if isinstance(timeout, bool) or not isinstance(timeout, int | float) or timeout <= 0:
        return "a “timeout” is a number of seconds above 0."
    return ""
