"""What Claude makes of how a hook ended. Pure.

The sentences follow what the CLI says of each event: exit code 0 takes the output, 2 blocks, others
are reported. JSON on stdout says more than an exit code.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from opcode_htmx.lib.coerce import Json

BLOCKS = {
    "PreToolUse": "The tool call is blocked, and Claude reads the error.",
    "PostToolUse": "Claude reads the error. The tool has run already.",
    "PostToolUseFailure": "Claude reads the error.",
    "PostToolBatch": "Claude stops, and you see the error.",
    "UserPromptSubmit": "The prompt is blocked and erased, and you see the error.",
    "UserPromptExpansion": "The command is not expanded, and you see the error.",
    "Stop": "Claude does not end its turn: it reads the error and goes on.",
    "SubagentStop": "The agent does not end: it reads the error and goes on.",
    "PreCompact": "The conversation is not compacted.",
    "PreModelSwitch": "The model is not switched, and you see the error.",
    "TeammateIdle": "The teammate reads the error and goes on working.",
    "TaskCreated": "The task is not made, and Claude reads the error.",
    "TaskCompleted": "The task stays open, and Claude reads the error.",
    "Elicitation": "The MCP server's question is declined.",
    "ElicitationResult": "Your answer is not sent: the question counts as declined.",
    "ConfigChange": "The change of the configuration does not take effect.",
    "PermissionRequest": "The permission is denied.",
    "WorktreeCreate": "The worktree could not be made.",
}
"""What exit code 2 does; at other events the person sees the error, and that is all."""
_READ = {
    "UserPromptSubmit": "Claude gets the output with the prompt.",
    "UserPromptExpansion": "Claude gets the output with the prompt.",
    "SessionStart": "Claude gets the output at the start of the session.",
    "PostModelSwitch": "Claude gets the output with the next request.",
    "PreCompact": "The output is added to the instructions for compacting.",
    "PostCompact": "You see the output.",
    "WorktreeCreate": "The output is the path of the worktree.",
}
"""Where plain text on stdout goes after exit code 0; at other events nobody reads it."""
_DECISIONS = {
    "allow": "It is allowed without asking you.",
    "deny": "It is denied.",
    "ask": "You are asked.",
    "defer": "It is left for later.",
}
_ENDS = frozenset({"Stop", "SubagentStop", "TaskCompleted", "TeammateIdle"})
"""Events at which `onFailure` does nothing."""


def verdict(
    event: str, config: Json, status: int | None, stdout: str, timed_out: bool = False
) -> list[str]:
    """What follows from an exit code and stdout, as sentences. A status of None: it did not start.

    For the answer of an HTTP request, `status` is 0 where it was a success.
    """
    if config.get("asyncRewake") and status == 2:
        return ["It runs in the background, and wakes Claude with the error."]
    if config.get("async") or config.get("asyncRewake"):
        return ["It runs in the background: Claude does not wait, and nothing is blocked."]
    if status is None or timed_out or status not in (0, 2):
        return list(_failure(event, config, timed_out))
    if status == 2:
        return [BLOCKS.get(event, "You see the error, and Claude goes on.")]
    text = stdout.strip()
    if text.startswith("{"):
        return list(_json(event, config, text))
    if text:
        return [_READ.get(event, "Claude goes on. Nobody reads the output.")]
    return ["Claude goes on."]


def _failure(event: str, config: Json, timed_out: bool) -> Iterator[str]:
    yield "It took too long and was ended." if timed_out else "It failed."
    if config.get("onFailure") == "block" and event not in _ENDS:
        yield BLOCKS.get(event, "Nothing is blocked at this event.")
    elif event == "WorktreeCreate":
        yield BLOCKS[event]
    else:
        yield "You see the error, and Claude goes on."


def _json(event: str, config: Json, text: str) -> Iterator[str]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        yield "The output begins like JSON, but is none."
        yield from _failure(event, config, timed_out=False)
        return
    if not isinstance(found, dict):
        return
    said = [*_general(event, found), *_specific(event, found.get("hookSpecificOutput"))]
    yield from said or ["Claude goes on: the JSON asks for nothing."]


def _general(event: str, found: Json) -> Iterator[str]:
    if found.get("async") is True:
        yield "It goes on in the background, and Claude does not wait."
    if found.get("continue") is False:
        reason = found.get("stopReason")
        yield f"Claude stops: {reason}" if isinstance(reason, str) else "Claude stops."
    reason = found.get("reason")
    because = f" The reason: {reason}" if isinstance(reason, str) and reason else ""
    match found.get("decision"):
        case "block":
            yield BLOCKS.get(event, "Nothing is blocked at this event.") + because
        case "approve" | "allow":
            yield "It is allowed without asking you." + because
        case None:
            pass
        case other:
            yield f"“{other}” is no decision that Claude knows: the whole output is a failure."
    if isinstance(message := found.get("systemMessage"), str):
        yield f"You see: {message}"


def _specific(event: str, found: object) -> Iterator[str]:
    if not isinstance(found, dict):
        return
    named = found.get("hookEventName")
    if named != event:
        yield (
            f"hookEventName must be “{event}”"
            + (f", and is “{named}”" if named else "")
            + ": the whole output is a failure."
        )
        return
    if (decision := found.get("permissionDecision")) is not None:
        reason = found.get("permissionDecisionReason")
        unknown = f"“{decision}” is no decision that Claude knows: the whole output is a failure."
        yield _DECISIONS.get(str(decision), unknown) + (f" The reason: {reason}" if reason else "")
    match found.get("decision"):
        case {"behavior": "allow"}:
            yield "It is allowed, and you are not asked."
        case {"behavior": "deny"}:
            yield "It is denied, and you are not asked."
        case _:
            pass
    match found.get("action"):
        case "accept" | "decline" | "cancel" as action:
            yield f"The question is answered for you: {action}."
        case _:
            pass
    for key, sentence in _OUTPUTS.items():
        if found.get(key) not in (None, "", []):
            yield sentence
    if found.get("retry") is True:
        yield "Claude may try again."


_OUTPUTS = {
    "updatedInput": "The tool gets the changed input.",
    "updatedToolOutput": "Claude gets the changed output of the tool.",
    "updatedMCPToolOutput": "Claude gets the changed output of the tool.",
    "additionalContext": "Claude gets the additional context.",
    "displayContent": "You see the changed text.",
    "watchPaths": "The paths are watched.",
    "worktreePath": "That is the worktree.",
    "sessionTitle": "The session gets the title.",
    "initialUserMessage": "The session begins with this prompt.",
}
