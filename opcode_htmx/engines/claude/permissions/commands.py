"""The commands that Claude knows: those that only read, and those that handle files. Pure.

This is what was seen of the CLI (2.1), not all of its list: of a command that is missing here, the
answer is that it would be asked for.
"""

from __future__ import annotations

from collections.abc import Sequence

from opcode_htmx.engines.claude.permissions.shell import Command
from opcode_htmx.lib.dataclass import dataclass

HARMLESS_VARIABLES = frozenset(
    {
        *("LANG", "LANGUAGE", "LC_ALL", "LC_CTYPE", "TZ", "TERM", "COLUMNS", "NO_COLOR"),
        *("FORCE_COLOR", "NODE_ENV", "RUST_BACKTRACE", "RUST_LOG", "PYTHONUNBUFFERED"),
        *("GOOS", "GOARCH", "CGO_ENABLED", "GO111MODULE"),
    }
)
"""Variables in front of a command that change nothing about its permission."""

MOST_TEXTS = 30
"""With which a command is compared: nobody wraps one more often than that."""
_WRAPPERS = frozenset({"timeout", "nice", "nohup", "time", "stdbuf", "command", "xargs"})
"""A rule that allows a command allows it behind one of these, too."""
_MORE_WRAPPERS = _WRAPPERS | {
    *("sudo", "doas", "env", "exec", "builtin", "setsid", "ionice", "watch", "strace"),
}
"""A rule that denies a command, or asks about it, applies behind one of these, too."""

_READERS = frozenset(
    {
        *("cat", "head", "tail", "wc", "uniq", "stat", "file", "diff", "ls", "tree", "cut", "nl"),
        *("du", "df", "sort", "find", "grep", "rg", "jq", "sed", "strings", "od", "hexdump"),
        *("md5sum", "sha1sum", "sha256sum", "cmp", "comm", "tac", "rev", "realpath", "readlink"),
    }
)
"""Their operands are files that they read."""
_WITH_PATTERN = frozenset({"grep", "rg", "jq", "sed"})
"""Their first operand is none."""
_OTHERS = frozenset(
    {
        *("pwd", "echo", "true", "false", "date", "whoami", "which", "sleep", "uname", "ps"),
        *("test", "[", "basename", "dirname", "id", "hostname", "type", "tr", "seq", "nproc"),
    }
)
"""Commands without files that only read."""
_NEVER_HARMLESS = {
    "find": ("-delete", "-exec", "-execdir", "-ok", "-okdir", "-fprint", "-fprintf", "-fls"),
    "sort": ("-o", "--output", "--compress-program"),
    "date": ("-s", "--set"),
    "tree": ("-o",),
    "rg": ("--pre",),
    "file": ("-C", "-m"),
    "hostname": ("-F", "-b"),
}
"""Options with which a command does more than read."""
_GIT = frozenset({"status", "log", "diff", "show", "blame", "rev-parse", "ls-files", "describe"})
_EDITORS = frozenset({"touch", "mkdir", "rm", "rmdir", "mv", "cp"})
"""Those that "Accept edits" allows, within the folders that Claude works in."""


_RUNNERS = frozenset(
    {
        *("python", "python2", "python3", "node", "deno", "tsx", "ruby", "perl", "php", "lua"),
        *("npx", "bunx", "pnpx", "npm run", "yarn run", "pnpm run", "bun run", "npm exec"),
        *("pnpm exec", "pnpm dlx", "yarn exec", "yarn dlx", "bun exec", "bun x", "npm x"),
        *("bash", "sh", "zsh", "fish", "ssh", "eval", "exec", "env", "xargs", "sudo"),
    }
)
"""Commands that run any code: in the mode "auto", a rule does not allow all that they run."""


@dataclass(frozen=True, slots=True)
class Files:
    """The operands of a command that are files."""

    read: tuple[str, ...] = ()
    written: tuple[str, ...] = ()


def unwrapped(command: Command, *, to_allow: bool) -> list[str]:
    """The texts with which a command is compared: itself, and what a wrapper in it runs.

    To deny or to ask, it counts under the name of its program alone, and without quotation marks.
    """
    found, at = list[str](), 0
    wrappers = _WRAPPERS if to_allow else _MORE_WRAPPERS
    while (plain := command.plain[at:]) and len(found) < MOST_TEXTS:
        found.append(command.text_from(at))
        name = plain[0]
        if not to_allow:
            name = name.rpartition("/")[2]
            found += [" ".join(plain), " ".join([name, *plain[1:]])]
        if name not in wrappers and (to_allow or not name.startswith("-")):
            break
        skipped = _options_of(name, plain, to_allow=to_allow)
        if skipped is None:
            break
        at += skipped
    return list(dict.fromkeys(found))


def _options_of(name: str, words: Sequence[str], *, to_allow: bool) -> int | None:
    """How many words of a wrapper there are before the command that it runs."""
    at = 1
    if to_allow and name in ("command", "xargs", "time", "nohup"):
        return None if words[1:2] and words[1].startswith("-") else at
    while at < len(words) and (
        words[at].startswith("-") or words[at][:1].isdigit() or (name == "env" and "=" in words[at])
    ):
        at += 1
    return at


def allows_any_code(content: str | None) -> bool:
    """Whether a rule about Bash allows everything that one of the _RUNNERS may run."""
    return content is None or (
        content.endswith("*") and content[:-1].removesuffix(":").strip() in _RUNNERS
    )


def is_known(command: Command) -> bool:
    """Whether its operands are looked at as files."""
    name = command.plain[0] if command.plain else ""
    return name in _READERS or name in _EDITORS or name == "cd"


def files_of(command: Command) -> Files:
    """The files that a command reads and writes, as far as is known; `cd` reads its folder."""
    if not command.plain:
        return Files()
    name, operands = command.plain[0], [w for w in command.plain[1:] if not w.startswith("-")]
    if name in _WITH_PATTERN:
        operands = operands[1:]
    if name == "git" and operands[:1] and operands[0] in _GIT:
        return Files(tuple(operands[1:]))
    if name in ("cp", "mv"):
        return Files(tuple(operands[:-1]), tuple(operands[-1:]))
    if name in _EDITORS or is_edit_in_place(command):
        return Files((), tuple(operands))
    return Files(tuple(operands)) if name in _READERS or name == "cd" else Files()


def is_edit_in_place(command: Command) -> bool:
    """Whether it is `sed -i`."""
    return command.plain[:1] == ["sed"] and any(
        each.startswith(("-i", "--in-place")) for each in command.plain[1:]
    )


def only_reads(command: Command) -> bool:
    """Whether Claude runs a command without asking, as it changes nothing."""
    if not command.plain:
        return not command.has_variable  # an assignment, or a redirection
    if any(name not in HARMLESS_VARIABLES for name in command.assignments):
        return False
    name, rest = command.plain[0], command.plain[1:]
    if rest == ["--version"] or (
        name in ("node", "python", "python3") and rest in (["-v"], ["-V"])
    ):
        return True
    if name == "git":
        return bool(rest) and (rest[0] in _GIT or rest == ["branch"]) and "--output" not in rest
    if name == "docker":
        return rest[:1] == ["ps"]
    if name == "sed":
        return rest[:1] == ["-n"] and not is_edit_in_place(command)
    forbidden = _NEVER_HARMLESS.get(name, ())
    if any(word.partition("=")[0] in forbidden for word in rest):
        return False
    return name in _READERS or name in _OTHERS or name == "cd"


def edits_files(command: Command) -> bool:
    """Whether "Accept edits" allows it within the folders that Claude works in."""
    if any(name not in HARMLESS_VARIABLES for name in command.assignments):
        return False
    return command.plain[:1] != [] and (command.plain[0] in _EDITORS or is_edit_in_place(command))
