"""The limits of the plan in Claude's lines: what it reports by itself, and its answers. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from opcode_htmx.engines.claude.protocol.encoder import control_line
from opcode_htmx.engines.messages import ControlResponse, SystemEvent
from opcode_htmx.engines.plan_limits import LimitWindow
from opcode_htmx.lib.coerce import LATEST, Json, amount, as_dict, as_str, seconds

KINDS = ("five_hour", "seven_day", "seven_day_opus", "seven_day_sonnet")
_OF_EVENTS = (*KINDS, "seven_day_overage_included")


def limits_line(request_id: str) -> bytes:
    """Ask for the limits, without the scan of all transcripts that may come with them."""
    return control_line(request_id, "get_usage", skip_behaviors=True)


def limits_in(message: SystemEvent) -> tuple[LimitWindow, ...]:
    """The limits that a line of Claude's reports; shares are parts of one there."""
    if message.subtype != "rate_limit_event":
        return ()
    return tuple(_of_event(as_dict(message.raw.get("rate_limit_info"))))


def _of_event(info: Json) -> Iterator[LimitWindow]:
    windows = as_dict(info.get("unifiedWindows"))
    for kind in _OF_EVENTS:
        if window := as_dict(windows.get(kind)):
            yield LimitWindow(
                kind, _share(window.get("utilization")), _time(window.get("resetsAt"))
            )
    kind = as_str(info.get("rateLimitType"))
    if kind in _OF_EVENTS and kind not in windows:
        is_used_up = info.get("status") == "rejected"
        used = 1.0 if is_used_up else _share(info.get("utilization"))
        yield LimitWindow(kind, used, _time(info.get("resetsAt")))


def limits_of(response: ControlResponse) -> tuple[LimitWindow, ...]:
    """The limits in the answer to `limits_line`; shares are percentages there."""
    limits = as_dict(response.response.get("rate_limits")) if response.ok else {}
    found = []
    for kind in KINDS:
        window = as_dict(limits.get(kind))
        used = _share(window.get("utilization"))
        if used is not None:
            resets_at = seconds(window.get("resets_at")) or None
            found.append(LimitWindow(kind, used / 100, resets_at))
    return tuple(found)


def _share(value: object) -> float | None:
    found = None if isinstance(value, bool) else amount(value)
    return found if found is None or found < 1_000 else None


def _time(value: object) -> float | None:
    found = amount(value)
    return found if found and 0 < found < LATEST else None
