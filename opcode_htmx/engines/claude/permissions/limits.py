"""The permission rules that limit a whole session, and in words what they enforce. Pure.

A rule that denies counts more than any other rule and any permission mode, also in subagents. So
what a session may not do at all is denied, and its tools are not even offered to the model.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum

from opcode_htmx.engines.claude.permissions import rules
from opcode_htmx.engines.claude.permissions.rules import BASH, EDIT, READ
from opcode_htmx.lib.coerce import Json
from opcode_htmx.lib.dataclass import dataclass

READING = (READ, "Glob", "Grep", "LSP")
WRITING = ("Write", EDIT, "NotebookEdit", "EnterWorktree", "CronCreate")
"""A schedule may be written into the project, and a worktree is a folder in it."""
NETWORK = ("WebFetch", "WebSearch")
SHELLS = (BASH, "PowerShell", "Monitor")
NETWORK_COMMANDS = (
    *("curl", "wget", "nc", "ncat", "netcat", "socat", "telnet", "ftp", "sftp", "scp", "ssh"),
    *("rsync", "ping", "dig", "nslookup", "host", "gh"),
    *(f"git {verb}" for verb in ("push", "fetch", "pull", "clone", "ls-remote")),
)
"""Commands that do nothing without a network."""
LONGEST_PATH = 1000


class Level(StrEnum):
    """How a limit is kept."""

    DENIED = "denied"
    ASKED = "asked"
    ALLOWED = "allowed"
    OPEN = "open"
    """Nothing is added to the rules of Claude's settings."""


@dataclass(frozen=True, slots=True)
class Enforced:
    """One line about what is enforced: the subject, how, and by what."""

    subject: str
    level: Level
    detail: str


@dataclass(frozen=True, slots=True)
class Limits:
    """What a session may do. `allowed` and `denied` are permission rules as Claude reads them."""

    may_read: bool = True
    may_write: bool = True
    may_use_network: bool = True
    allowed: tuple[str, ...] = ()
    denied: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()
    """Absolute paths of further folders to work in."""
    closed: tuple[str, ...] = ()
    """Paths and patterns that are neither read nor written: absolute, with ~, or of the project."""

    @property
    def denies_shell(self) -> bool:
        """Whether no command may run: any command could read and write files."""
        return not (self.may_read and self.may_write) or BASH in self.denied

    @property
    def asked(self) -> tuple[str, ...]:
        """The shells whose commands are all asked for: nothing shows which use the network.

        Rules that allow commands of Bash would have no effect with it among them.
        """
        if self.may_use_network or self.denies_shell:
            return ()
        return tuple(each for each in SHELLS if each != BASH or not self._allows_commands)

    @property
    def without_servers(self) -> bool:
        """Whether no MCP server starts: its tools could do what is switched off."""
        is_limited = not (self.may_read and self.may_write and self.may_use_network)
        return is_limited and not any(each.startswith("mcp__") for each in self.allowed)

    @property
    def _allows_commands(self) -> bool:
        return any(rules.parse(each).tool == BASH for each in self.allowed)

    def permissions(self) -> Json:
        """The permissions of a settings file that keeps the limits."""
        found: Json = {"deny": list(dict.fromkeys(self._deny()))}
        if self.asked:
            found["ask"] = list(self.asked)
        if self.allowed:
            found["allow"] = list(self.allowed)
        if self.folders:
            found["additionalDirectories"] = list(self.folders)
        return {name: value for name, value in found.items() if value}

    def _deny(self) -> Iterator[str]:
        yield from self.denied
        if not self.may_read:
            yield from READING
        if not self.may_write:
            yield from WRITING
        if self.denies_shell:
            yield from SHELLS
        if not self.may_use_network:
            yield from NETWORK
            if not self.denies_shell:
                yield from (f"{BASH}({command}:*)" for command in NETWORK_COMMANDS)
        for path in self.closed:
            for pattern in _patterns(path):
                yield f"{READ}({pattern})"
                yield f"{EDIT}({pattern})"

    def enforced(self) -> list[Enforced]:
        """What the rules keep, and what they leave open."""
        return list(self._enforced())

    def _enforced(self) -> Iterator[Enforced]:
        if self.may_read:
            yield Enforced("Reading files", Level.OPEN, "As Claude’s own rules say.")
        else:
            yield Enforced("Reading files", Level.DENIED, ", ".join(READING))
        if self.may_write:
            yield Enforced("Writing files", Level.OPEN, "As the mode and Claude’s own rules say.")
        else:
            yield Enforced("Writing files", Level.DENIED, ", ".join(WRITING))
        yield self._network()
        yield self._commands()
        if self.without_servers:
            yield Enforced("MCP servers", Level.DENIED, "None is started.")
        for level, found in ((Level.ALLOWED, self.allowed), (Level.DENIED, self.denied)):
            if found:
                subject = "Without asking" if level is Level.ALLOWED else "Denied tools"
                yield Enforced(subject, level, ", ".join(found))
        if self.closed:
            paths = ", ".join(self.closed)
            detail = f"{paths}. In a command, as far as Claude sees which files it uses."
            yield Enforced("Closed paths", Level.DENIED, detail)
        if self.folders:
            yield Enforced("Further folders", Level.ALLOWED, ", ".join(self.folders))

    def _network(self) -> Enforced:
        if self.may_use_network:
            return Enforced("Network", Level.OPEN, "As Claude’s own rules say.")
        if not self.denies_shell and BASH not in self.asked:
            detail = "Every command that the mode or Claude’s settings allow runs, and could use "
            return Enforced("Network", Level.OPEN, f"{detail}the network.")
        commands = "" if self.denies_shell else ", and commands such as curl, ssh and git push"
        return Enforced("Network", Level.DENIED, f"{' and '.join(NETWORK)}{commands}")

    def _commands(self) -> Enforced:
        if self.denies_shell:
            return Enforced("Commands", Level.DENIED, "All of them: they could do what is off.")
        if BASH in self.asked:
            detail = "Each of them, in every mode: any could use the network."
            return Enforced("Commands", Level.ASKED, detail)
        if self.asked:
            detail = "As the rules here, the mode and Claude’s own rules say."
            return Enforced("Commands", Level.OPEN, f"{detail} {' and '.join(self.asked)}: asked.")
        return Enforced("Commands", Level.OPEN, "As the mode and Claude’s own rules say.")


def check_path(path: str) -> str:
    """A path or pattern of `closed` as a person has typed it. Raises rules.InvalidRule."""
    path = path.strip()
    if not path or len(path) > LONGEST_PATH:
        raise rules.InvalidRule(f"A path has 1 to {LONGEST_PATH:,} characters.")
    if path.startswith(("!", "#")) or ".." in path.split("/"):  # a rule with it denies nothing
        raise rules.InvalidRule("A path does not begin with ! or #, and has no part “..”.")
    rules.check(f"{READ}({_patterns(path)[0]})")
    return path


def unwritable(folder: str) -> str:
    """The rule that keeps an absolute folder from being written."""
    return f"{EDIT}({_patterns(folder)[1]})"


def _patterns(path: str) -> tuple[str, ...]:
    """A path as rules spell it, and what lies below it. `//` begins an absolute path there."""
    spelled = path.replace("\\", "\\\\").replace("(", "\\(").replace(")", "\\)")
    if spelled.startswith("/"):
        spelled = f"//{spelled.lstrip('/')}"
    spelled = spelled.removesuffix("/")
    return (spelled,) if spelled.endswith("*") else (spelled, f"{spelled}/**")
