"""Which changes of Claude's rules and modes an answer to a permission request may carry."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from opcode_htmx.lib.coerce import Json

BYPASS = "bypassPermissions"
"""The permission mode in which Claude asks for no permission."""

KNOWN_MODES = frozenset({"default", "acceptEdits", "plan", "auto", "dontAsk", BYPASS})
_SET_MODE = "setMode"
_MODE_FIELDS = frozenset({"mode", "defaultMode", "permissionMode"})
_ALL_TOOLS = frozenset("*")


class BypassNotAllowed(Exception):
    """Bypass mode, or what amounts to it, on a server that does not allow it."""


def check(updates: Iterable[Json], *, allow_bypass: bool) -> None:
    """Refuse updates after which Claude would never ask, in any field and for any destination.

    An unknown mode may be such a one. Raises BypassNotAllowed.
    """
    if allow_bypass:
        return
    for update in updates:
        for mode in _modes(update):
            if mode == BYPASS:
                refuse()
            if not isinstance(mode, str) or mode not in KNOWN_MODES:
                raise BypassNotAllowed(
                    f"“{str(mode)[:40]}” is no permission mode that is known here, so it may be "
                    "one that never asks. Allow this one time, or deny it."
                )
        if update.get("behavior", "allow") == "allow" and any(map(_is_for_all, _rules(update))):
            refuse()


def is_allowed(update: Json, *, allow_bypass: bool) -> bool:
    """Whether `check` accepts an update."""
    try:
        check([update], allow_bypass=allow_bypass)
    except BypassNotAllowed:
        return False
    return True


def refuse() -> None:
    """Raises BypassNotAllowed."""
    raise BypassNotAllowed(
        "Bypass mode is not allowed on this server. Whoever starts it can allow it with "
        "OPCODE_ALLOW_BYPASS=1."
    )


def _modes(value: object) -> Iterator[object]:
    """The values of all fields for a mode, at any depth, and bypass mode wherever it occurs."""
    levels = [value]
    while levels:
        each = levels.pop()
        match each:
            case dict():
                if each.get("type") == _SET_MODE and not _MODE_FIELDS & each.keys():
                    yield None
                yield from (each[field] for field in _MODE_FIELDS & each.keys())
                levels += each.values()
            case list():
                levels += each
            case str() if each.strip() == BYPASS:
                yield BYPASS
            case _:
                pass


def _rules(update: Json) -> Iterator[object]:
    rules = update.get("rules")
    yield from rules if isinstance(rules, list) else ()


def _is_for_all(rule: object) -> bool:
    """Whether a rule is for all tools instead of one."""
    tool = rule.get("toolName") if isinstance(rule, dict) else rule
    return isinstance(tool, str) and _ALL_TOOLS.issuperset(tool.strip())
