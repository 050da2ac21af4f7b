"""What Claude would do with a tool call: allow it, ask for it or deny it, and by which rule.

Rules that deny come first, then those that ask, then those that allow, whatever their scopes; where
none matches, the permission mode decides. A command is judged by each of the commands in it.
"""

from __future__ import annotations

import posixpath
import time
from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum
from urllib.parse import urlsplit

from opcode_htmx.engines.claude.permissions import commands, patterns, shell
from opcode_htmx.engines.claude.permissions.patterns import Roots
from opcode_htmx.engines.claude.permissions.rules import (
    BASH,
    EDIT,
    EDITING,
    FETCH,
    READ,
    Behavior,
    InvalidRule,
    Rule,
    parse,
)
from opcode_htmx.engines.claude.permissions.shell import Command
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
_NOWHERE = frozenset({"/dev/null", "/dev/stdout", "/dev/stderr"})
_EDIT_MODES = frozenset({"acceptEdits", "auto"})
_SHARP = frozenset({"rm", "rmdir"})


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


def decide(tool: str, subject: str, situation: Situation) -> Decision:
    """The decision about a call: `subject` is its command, its path or its address.

    Of other tools, only rules about every use of them are known, and `subject` is ignored.
    """
    try:
        return _decide(_Judge(situation), tool, subject)
    except _TooLong:
        return Decision(Outcome.ASKED, "The rules take too long to be looked through here.")


def _decide(judge: _Judge, tool: str, subject: str) -> Decision:
    if tool == BASH:
        return judge.command(subject)
    if tool == READ:
        return judge.reading(judge.absolute(subject))
    if tool in EDITING:
        return judge.editing(tool, judge.absolute(subject))
    if tool == FETCH:
        return judge.fetching(subject)
    return judge.other(tool)


class _TooLong(Exception):
    """The rules have taken SECONDS."""


Matches = Callable[[Rule, PlacedRule], bool]


class _Judge:
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

    # --- tools ------------------------------------------------------------------------------

    def other(self, tool: str) -> Decision:
        def matches(rule: Rule, _: PlacedRule) -> bool:
            name = rule.tool.removesuffix("__*")
            is_server = name.startswith("mcp__") and tool.startswith(f"{name}__")
            return rule.is_whole and (rule.tool == tool or is_server)

        return self._by_rules(matches) or self._by_mode(f"No rule is about {tool}.")

    def fetching(self, address: str) -> Decision:
        host = _host(address)

        def matches(rule: Rule, _: PlacedRule) -> bool:
            if rule.tool != FETCH:
                return False
            return rule.content is None or patterns.matches_domain(rule.content, host)

        return self._by_rules(matches) or self._by_mode(f"No rule is about {host}.")

    def reading(self, path: str) -> Decision:
        matches = self._about_path(READ, READ, path)
        if found := self._by_rules(matches):
            return found
        if self._is_inside(path):
            return Decision(Outcome.ALLOWED, "It is in a folder that Claude works in.")
        if self._situation.mode in ("plan", "auto"):
            return Decision(Outcome.ALLOWED, "The mode allows reading.")
        return self._by_mode("It is outside of the folders that Claude works in.")

    def editing(self, tool: str, path: str) -> Decision:
        matches = self._about_path(tool, EDIT, path)
        for behavior in (Behavior.DENY, Behavior.ASK):
            if found := self._first(behavior, matches):
                return self._ruled(found)
        if found := self._first(Behavior.DENY, self._named(READ, path)):
            return self._ruled(found)
        if self._is_protected(path) and self._situation.mode != "bypassPermissions":
            return self._asked("Claude always asks before it changes this file.")
        if found := self._first(Behavior.ALLOW, matches):
            return self._ruled(found)
        is_inside = self._is_inside(path)
        if self._situation.mode in _EDIT_MODES and is_inside:
            return Decision(Outcome.ALLOWED, "The mode accepts edits.")
        if self._situation.mode == "plan":
            return Decision(Outcome.ASKED, "No rule is about this file.")
        return self._by_mode(
            "No rule is about this file."
            if is_inside
            else "It is outside of the folders that Claude works in."
        )

    def command(self, text: str) -> Decision:
        script = shell.split(text)
        every = list(script.every())
        denied = self._first(Behavior.DENY, _any_of_commands(every)) or self._denied_file(every)
        if denied:
            return self._ruled(denied)
        if asked := self._first(Behavior.ASK, _any_of_commands(every)):
            return self._ruled(asked)
        if any(map(self._is_sharp, every)):
            return self._asked("It may remove a home folder or the root of the disk.")
        if whole := self._first(Behavior.ALLOW, _whole_bash):
            return self._ruled(whole)
        if self._situation.mode == "bypassPermissions":
            return self._by_mode("")
        if script.doubts:
            return self._by_mode(f"It holds {_listed(script.doubts)}, so no rule can allow it.")
        return self._each_command(script.commands)

    # --- commands ---------------------------------------------------------------------------

    def _each_command(self, script: Sequence[Command]) -> Decision:
        """All of the commands have to be allowed, each by a rule or by what it is."""
        rule: PlacedRule | None = None
        folder, has_moved = self._situation.folder, False
        for command in script:
            if has_moved and next(iter(command.plain), "") == "git":
                return self._by_mode("Git in another folder may run what is configured there.")
            found = self._one_command(command, folder)
            if found.outcome is not Outcome.ALLOWED:
                return found
            rule = rule or found.rule
            if command.plain[:1] == ["cd"] and len(command.plain) > 1:
                folder = self.absolute(command.plain[1], folder)
                has_moved = True
        if rule:
            more = "" if len(script) == 1 else " The rest of it only reads, or is allowed, too."
            return Decision(Outcome.ALLOWED, f"A rule allows it.{more}", rule)
        return Decision(Outcome.ALLOWED, self._why_allowed(script))

    def _why_allowed(self, script: Sequence[Command]) -> str:
        edits = any(commands.edits_files(each) or each.written for each in script)
        return "The mode accepts edits." if edits else "It only reads."

    def _one_command(self, command: Command, folder: str) -> Decision:
        shown = command.text or "The redirection"
        for path in (self.absolute(each, folder) for each in command.written):
            if path not in _NOWHERE and not self._may_write(path):
                return self._by_mode(f"“{shown}” writes to {path}.")
        files = commands.files_of(command)
        read = [self.absolute(each, folder) for each in (*command.read, *files.read)]
        written = [self.absolute(each, folder) for each in files.written]
        if commands.is_known(command):
            if command.has_variable:
                return self._by_mode(f"“{shown}” holds a variable.")
            for path in read:
                if self.reading(path).outcome is not Outcome.ALLOWED:
                    return self._by_mode(f"{path} is outside of the folders that Claude works in.")
            for path in written:
                if not self._is_inside(path):
                    return self._by_mode(f"{path} is outside of the folders that Claude works in.")
        if found := self._first(Behavior.ALLOW, _allows(command)):
            return Decision(Outcome.ALLOWED, "A rule allows it.", found)
        if commands.only_reads(command):
            return Decision(Outcome.ALLOWED, "It only reads.")
        if self._situation.mode in _EDIT_MODES and commands.edits_files(command):
            return Decision(Outcome.ALLOWED, "The mode accepts edits.")
        return self._by_mode(f"No rule allows “{shown}”.")

    def _may_write(self, path: str) -> bool:
        """Whether a redirection to a file is allowed."""
        if "$" in path:
            return False
        return self.editing(EDIT, path).outcome is Outcome.ALLOWED

    def _denied_file(self, every: Iterable[Command]) -> PlacedRule | None:
        """The rule that denies a file which one of the commands reads or writes."""
        for command in every:
            files = commands.files_of(command)
            for each in (*command.read, *files.read):
                if found := self._first(Behavior.DENY, self._named(READ, self.absolute(each))):
                    return found
            for each in (*command.written, *files.written):
                if found := self._first(Behavior.DENY, self._named(EDIT, self.absolute(each))):
                    return found
        return None

    def _is_sharp(self, command: Command) -> bool:
        if not command.plain or command.plain[0] not in _SHARP:
            return False
        roots = {"/", self._situation.home}
        return any(
            self.absolute(each.rstrip("*") or each) in roots
            for each in command.plain[1:]
            if not each.startswith("-")
        )

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
                raise _TooLong
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


def _any_of_commands(every: Sequence[Command]) -> Matches:
    texts = [text for each in every for text in commands.unwrapped(each, to_allow=False)]

    def matches(rule: Rule, _: PlacedRule) -> bool:
        if rule.tool != BASH:
            return False
        content = rule.content
        return content is None or any(patterns.matches_command(content, text) for text in texts)

    return matches


def _allows(command: Command) -> Matches:
    is_plain = all(name in commands.HARMLESS_VARIABLES for name in command.assignments)
    texts = commands.unwrapped(command, to_allow=True) if is_plain else []

    def matches(rule: Rule, _: PlacedRule) -> bool:
        if rule.tool != BASH or rule.content is None:
            return False
        return any(patterns.matches_command(rule.content, text) for text in texts)

    return matches


def _whole_bash(rule: Rule, _: PlacedRule) -> bool:
    return rule.tool == BASH and rule.is_whole


def _host(address: str) -> str:
    try:
        parts = urlsplit(address if "://" in address else f"https://{address}")
        return parts.hostname or ""
    except ValueError:
        return ""


def _listed(words: Sequence[str]) -> str:
    return " and ".join(words) if len(words) < 3 else f"{', '.join(words[:-1])} and {words[-1]}"
