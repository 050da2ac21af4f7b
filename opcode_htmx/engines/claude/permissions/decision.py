"""What Claude would do with a tool call: allow it, ask for it or deny it, and by which rule.

A command is judged by each of the commands in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from urllib.parse import urlsplit

from opcode_htmx.engines.claude.permissions import commands, patterns, shell
from opcode_htmx.engines.claude.permissions.rulebook import (
    Decision,
    Matches,
    Outcome,
    PlacedRule,
    Rulebook,
    Situation,
    TooLong,
)
from opcode_htmx.engines.claude.permissions.rules import (
    BASH,
    EDIT,
    EDITING,
    FETCH,
    READ,
    Behavior,
    Rule,
)
from opcode_htmx.engines.claude.permissions.shell import Command

_NOWHERE = frozenset({"/dev/null", "/dev/stdout", "/dev/stderr"})
_EDIT_MODES = frozenset({"acceptEdits", "auto"})
_SHARP = frozenset({"rm", "rmdir"})


def decide(tool: str, subject: str, situation: Situation) -> Decision:
    """The decision about a call: `subject` is its command, its path or its address.

    Of other tools, only rules about every use of them are known, and `subject` is ignored.
    """
    try:
        return _decide(_Judge(situation), tool, subject)
    except TooLong:
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


class _Judge(Rulebook):
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
