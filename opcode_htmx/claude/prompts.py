"""Tell a person's own words in a history entry from what the CLI wraps around or adds to them.

Pure; knows nothing of files.
"""

import re
from typing import Any

_COMMAND = re.compile(r"<command-name>\s*(.*?)\s*</command-name>", re.DOTALL)
_COMMAND_ARGS = re.compile(r"<command-args>\s*(.*?)\s*</command-args>", re.DOTALL)
_WRAPPER = re.compile(
    r"<(command-[a-z]+|local-command-[a-z]+|system-reminder|bash-(?:stdout|stderr)|ide_[a-z_]+"
    r"|task-notification|user-prompt-submit-hook)\b[^>]*>.*?(?:</\1>|\Z)",
    re.DOTALL,
)
_NOT_A_PROMPT = ("[Request interrupted by user", "Caveat: The messages below were generated")


def user_text(entry: dict[str, Any]) -> str | None:
    """What stands in an entry as said by the user; None if it is anything else.

    Tool results, summaries of earlier sessions and notes that the CLI adds are no prompts.
    """
    if is_refused_command(entry):
        return str(entry["content"])
    if entry.get("type") != "user" or entry.get("isMeta") or entry.get("isCompactSummary"):
        return None
    message = entry.get("message")
    content = message.get("content") if isinstance(message, dict) else None
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return None
    blocks = [block for block in content if isinstance(block, dict)]
    if any(block.get("type") == "tool_result" for block in blocks):
        return None
    texts = [
        b["text"] for b in blocks if b.get("type") == "text" and isinstance(b.get("text"), str)
    ]
    if not any(t.strip() for t in texts) and any(b.get("type") == "image" for b in blocks):
        return "(image)"
    return "\n".join(texts)


def prompt_of(text: str) -> str | None:
    """The person's own words in a user text, without what the CLI wraps around them."""
    words = _WRAPPER.sub("", text).strip()
    return words if words and not words.startswith(_NOT_A_PROMPT) else None


def command_of(text: str) -> str | None:
    """A slash command with its arguments, for sessions that begin with nothing else."""
    name = _COMMAND.search(text)
    if not name:
        return None
    arguments = _COMMAND_ARGS.search(text)
    return f"{name[1]} {arguments[1] if arguments else ''}".strip() or None


def is_refused_command(entry: dict[str, Any]) -> bool:
    """Whether a history entry is a prompt that Claude Code took as a command and did not run.

    Only these are filed as typed, as a system entry with the id of the prompt.
    """
    if entry.get("type") != "system" or entry.get("subtype") != "local_command":
        return False
    content, prompt_id = entry.get("content"), entry.get("submitUuid")
    return isinstance(content, str) and content.startswith("/") and isinstance(prompt_id, str)
