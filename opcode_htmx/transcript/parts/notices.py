"""Translate the CLI's system lines into notices: compaction, retries, limits, hooks. No HTML."""

from __future__ import annotations

import re
from typing import Any

from opcode_htmx.engines.messages import LongLine, SystemEvent
from opcode_htmx.lib.coerce import Json
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.formatting import format_bytes
from opcode_htmx.lib.late.patterns import late_pattern

_HIDDEN_SUBTYPES = frozenset(
    {
        "",
        "filler",
        "init",
        "status",
        "thinking_tokens",
        "task_started",
        "task_progress",
        "task_updated",
        "task_notification",
        "hook_started",
        "hook_progress",
        "session_state_changed",
        "session_title_changed",
        "files_persisted",
        "turn_duration",
        "away_summary",
        "post_turn_summary",
        "stop_hook_summary",
        "bridge_state",
        "background_tasks_changed",
        "vcs_state_changed",
    }
)
"""System lines about Claude's progress, which cards and the status line show already."""

_LIMITS = {
    "five_hour": "5-hour limit",
    "seven_day": "weekly limit",
    "seven_day_opus": "weekly limit for Opus",
    "seven_day_sonnet": "weekly limit for Sonnet",
    "seven_day_overage_included": "weekly limit",
    "overage": "limit for extra usage",
}
_ADDRESS = late_pattern(r"https?://[\w.:-]{1,255}/[\w./~-]{1,400}", re.ASCII)
_AT_GITHUB = late_pattern(
    r"https://github\.com/[\w.-]{1,100}/[\w.-]{1,100}/pull/\d{1,10}", re.ASCII
)
_TIME_DIGITS = 10
"""Of a Unix time, which the CLI appends to some errors."""
RETRY = "retry"
_LATEST = 4102444800.0
"""The year 2100: no limit lasts that long, and every platform can format that time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """A sentence about an event."""

    text: str
    detail: str = ""
    """Details, collapsed at first."""
    until: float | None = None
    """When it ends, as a Unix time."""
    topic: str = ""
    """A notice that directly follows one of the same topic replaces it."""
    id: str = ""
    """Notices with the same id are shown once; empty: no such id."""
    pull_request: str = ""
    """The address at github.com of the pull request that it is about; unverified."""


def notice(event: SystemEvent) -> Notice | None:
    """The notice for a system line; None if the line is not for people."""
    raw = event.raw
    match event.subtype:
        case "compact_boundary":
            return Notice(text=_compaction(raw))
        case "api_retry" | "api_error":
            return Notice(text=_retry(raw), topic=RETRY)
        case "rate_limit_event":
            return _limit(_dict(raw.get("rate_limit_info")))
        case "hook_response":
            return _hook(raw)
        case "conversation_reset":
            text = "The conversation was cleared: Claude knows nothing of what stands above."
            return Notice(text=text)
        case "code_change_published":
            return _published(raw)
        case "elicitation_complete":
            return Notice(text=f"{_str(raw.get('mcp_server_name'))}: its page is done.")
        case subtype if subtype in _HIDDEN_SUBTYPES:
            return None
        case subtype:
            content = raw.get("content") or raw.get("message") or raw.get("output")
            return Notice(text=_str(content).strip() or subtype.replace("_", " "))


def _published(raw: Json) -> Notice | None:
    """A pull request that a command of Claude's has opened, changed or merged."""
    address = _str(raw.get("url"))
    if not _ADDRESS.fullmatch(address):
        return None
    action = _str(raw.get("action"))
    verb = {"created": "opened"}.get(action, action if action.isalpha() else "changed")
    where = " ".join(_str(raw.get(name)) for name in ("repo", "identifier")).strip()
    text = f"A pull request was {verb}: {where} {address}"
    return Notice(text=text, pull_request=address if _AT_GITHUB.fullmatch(address) else "")


def is_reached_limit(notice_id: str) -> bool:
    """Whether the id of a notice is that of a usage limit that is used up."""
    return notice_id.startswith("limit-") and "-rejected-" in notice_id


def long_line_notice(line: LongLine, run_id: str | None) -> Notice:
    """The notice for an omitted line, with its place; no `run_id`: in Claude's history file."""
    size, begin = format_bytes(line.size), f"{line.offset:,}"
    file = f"runs/{run_id}/out.ndjson in the state folder" if run_id else "Claude's history file"
    return Notice(
        text=f"Claude wrote a line of {size}, which is too long to be shown here.",
        detail=f"It is kept whole, and begins behind byte {begin} of {file}.",
    )


def split_end_time(text: str) -> tuple[str, float | None]:
    """Split an error into its text and the Unix time that some errors end with, or None."""
    message, bar, digits = text.rstrip().rpartition("|")
    is_time = bar and len(digits) == _TIME_DIGITS and digits.isascii() and digits.isdecimal()
    return (f"{message.rstrip()}.", float(digits)) if is_time else (text, None)


def _compaction(raw: Json) -> str:
    # stdout and history spell the keys differently
    metadata = _dict(raw.get("compact_metadata", raw.get("compactMetadata")))
    before = _int(metadata.get("pre_tokens", metadata.get("preTokens")))
    after = _int(metadata.get("post_tokens", metadata.get("postTokens")))
    if not before:
        return "The conversation so far was compacted."
    rest = f" to {after:,}" if after else ""
    return f"The conversation so far was compacted, from {before:,} tokens{rest}."


def _retry(raw: Json) -> str:
    attempt = _int(raw.get("attempt", raw.get("retryAttempt")))
    limit = _int(raw.get("max_retries", raw.get("maxRetries")))
    status = _int(raw.get("error_status", _dict(raw.get("error")).get("status")))
    tries = f" (attempt {attempt}{f' of {limit}' if limit else ''})" if attempt else ""
    what = f"answered with status {status}" if status else "did not answer as it should"
    return f"The API {what}; Claude tries again{tries}."


def _limit(info: Json) -> Notice | None:
    kind, status = _str(info.get("rateLimitType")), _str(info.get("status"))
    name = _LIMITS.get(kind, "usage limit")
    ends = info.get("resetsAt")
    until = float(ends) if isinstance(ends, int | float) and 0 < ends < _LATEST else None
    if status == "rejected":
        more = info.get("isUsingOverage") is True or info.get("overageStatus") == "allowed"
        text = f"The {name} is reached{'; Claude goes on with extra usage' if more else ''}."
    elif status == "allowed_warning":
        used = info.get("utilization")
        share = f"{used:.0%}" if isinstance(used, int | float) and 0 <= used < 10 else "Much"
        text = f"{share} of the {name} is used."
    else:
        return None
    return Notice(text=text, until=until, id=f"limit-{kind}-{status}-{int(until or 0)}")


def _hook(raw: Json) -> Notice | None:
    name = _str(raw.get("hook_name")) or _str(raw.get("hook_event")) or "of yours"
    output = _str(raw.get("output")) or "\n".join(
        filter(None, (_str(raw.get("stdout")), _str(raw.get("stderr"))))
    )
    status = _int(raw.get("exit_code"))
    match raw.get("outcome"):
        case "error":
            text = f"The hook {name} failed{f' with status {status}' if status else ''}."
        case "cancelled":
            text = f"The hook {name} was cancelled."
        case _ if output.strip():
            text = f"Hook {name}"
        case _:
            return None
    return Notice(text=text, detail=output.strip())


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _str(value: object) -> str:
    return value if isinstance(value, str) else ""


def _int(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0
