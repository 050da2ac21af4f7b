"""The rules of a situation, and what they and the permission mode say about a call.

Rules that deny come first, then those that ask, then those that allow, whatever their scopes; where
none matches, the permission mode decides.
"""

from __future__ import annotations

import posixpath
import time
from collections.abc import Callable, Sequence
from enum import StrEnum

from opcode_htmx.engines.claude.permissions import commands, patterns
from opcode_htmx.engines.claude.permissions.patterns import Roots
from opcode_htmx.engines.claude.permissions.rules import BASH, Behavior, InvalidRule, Rule, parse
from opcode_htmx.lib.dataclass import dataclass

_PROTECTED = frozenset(
    {
        *(".git", ".claude", ".vscode", ".idea", ".husky", ".mcp.json", ".gitmodules"),
        *(".gitconfig", ".bashrc", ".bash_profile", ".zshrc", ".zprofile", ".profile"),
    }
)
"""Files and folders that are asked about whatever allows edits."""
SECONDS = 5.0
"""Of the processor, for one decision: the rules may be in a file that nobody has checked."""
_WILD = frozenset("*?[")


class Outcome(StrEnum):
    """What becomes of a call."""

    ALLOWED = "allowed"
    ASKED = "asked"
    DENIED = "denied"
    JUDGED = "judged"
    """A model decides."""


@dataclass(frozen=True, slots=True)
class PlacedRule:
    """A rule where it stands; `root` is the folder that its paths with one slash are below."""

    behavior: Behavior
    text: str
    scope: str
    root: str = "/"


@dataclass(frozen=True, slots=True)
class Situation:
    """What a decision depends on. Folders are absolute paths without links.

    `folders` are those that Claude works in: the project, and the additional directories.
    """

    rules: Sequence[PlacedRule]
    mode: str
    folder: str
    home: str
    folders: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Decision:
    """The outcome; `rule` decides it, if one does, and `reason` says the rest, for people."""

    outcome: Outcome
    reason: str
    rule: PlacedRule | None = None


class TooLong(Exception):
    """The rules have taken SECONDS."""


Matches = Callable[[Rule, PlacedRule], bool]


class Rulebook:
    """Looks up the rules of one situation, within a limit of time."""

    def __init__(self, situation: Situation) -> None:
        self._situation = situation
        self._deadline = time.thread_time() + SECONDS
        self._rules: list[tuple[Rule, PlacedRule]] = []
        for placed in situation.rules:
            try:
                self._rules.append((parse(placed.text), placed))
            except InvalidRule:
                continue
        if situation.mode == "auto":  # Claude leaves these out there
            self._rules = [
                (rule, placed)
                for rule, placed in self._rules
                if placed.behavior is not Behavior.ALLOW
                or rule.tool != BASH
                or not commands.allows_any_code(rule.content)
            ]

    # --- paths ------------------------------------------------------------------------------

    def absolute(self, path: str, folder: str = "") -> str:
        """A path as Claude would follow it, without `.` and `..`."""
        if path == "~" or path.startswith("~/"):
            path = self._situation.home + path[1:]
        found = posixpath.normpath(posixpath.join(folder or self._situation.folder, path))
        return found.replace("//", "/", 1) if found.startswith("//") else found

    def _is_inside(self, path: str) -> bool:
        return any(
            patterns.relative(path, folder) is not None for folder in self._situation.folders
        )

    def _is_protected(self, path: str) -> bool:
        folders = self._situation.folders
        inside = next((r for f in folders if (r := patterns.relative(path, f)) is not None), path)
        return not _PROTECTED.isdisjoint(inside.split("/"))

    def _named(self, about: str, path: str) -> Matches:
        """Matches rules that limit the tool `about` to paths that hold this one."""
        is_pattern = not _WILD.isdisjoint(path)

        def matches(rule: Rule, placed: PlacedRule) -> bool:
            if rule.tool != about or rule.content is None or is_pattern:
                return False
            roots = Roots(self._situation.folder, self._situation.home, placed.root)
            return patterns.matches_path(rule.content, path, roots)

        return matches

    def _about_path(self, tool: str, about: str, path: str) -> Matches:
        named = self._named(about, path)

        def matches(rule: Rule, placed: PlacedRule) -> bool:
            return (rule.is_whole and rule.tool == tool) or named(rule, placed)

        return matches

    # --- rules and modes --------------------------------------------------------------------

    def _first(self, behavior: Behavior, matches: Matches) -> PlacedRule | None:
        for rule, placed in self._rules:
            if time.thread_time() > self._deadline:
                raise TooLong
            if placed.behavior is behavior and matches(rule, placed):
                return placed
        return None

    def _by_rules(self, matches: Matches) -> Decision | None:
        for behavior in Behavior:
            if found := self._first(behavior, matches):
                return self._ruled(found)
        return None

    def _ruled(self, placed: PlacedRule) -> Decision:
        match placed.behavior:
            case Behavior.DENY:
                return Decision(Outcome.DENIED, "A rule denies it.", placed)
            case Behavior.ASK if self._situation.mode == "dontAsk":
                reason = "A rule asks about it, and the mode never asks."
                return Decision(Outcome.DENIED, reason, placed)
            case Behavior.ASK:
                return Decision(Outcome.ASKED, "A rule asks about it.", placed)
            case Behavior.ALLOW:
                return Decision(Outcome.ALLOWED, "A rule allows it.", placed)

    def _asked(self, reason: str) -> Decision:
        outcomes = {"dontAsk": Outcome.DENIED, "auto": Outcome.JUDGED}
        return Decision(outcomes.get(self._situation.mode, Outcome.ASKED), reason)

    def _by_mode(self, reason: str) -> Decision:
        """What becomes of a call that no rule decides."""
        match self._situation.mode:
            case "bypassPermissions":
                return Decision(Outcome.ALLOWED, "The mode allows everything.")
            case "dontAsk":
                return Decision(Outcome.DENIED, f"{reason} The mode never asks.".strip())
            case "plan" | "auto":
                return Decision(Outcome.JUDGED, reason)
            case _:
                return Decision(Outcome.ASKED, reason)
