"""List the programs that a command of git would run, for a person to decide before it does.

A repository names hooks, filters, signing and credential programs in its configuration; so does
the person's own. The digest of a list names exactly these programs, the texts of hooks among them.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.git.commands import begun
from opcode_htmx.lib.git.commands.settings import (
    CONNECTIONS,
    LISTING,
    REMOTE_PROGRAMS,
    Setting,
    fetches_missing,
    listed,
    promisors_of,
)
from opcode_htmx.lib.git.commands.words import redacted
from opcode_htmx.lib.git.git import Git
from opcode_htmx.lib.git.login import decides_where
from opcode_htmx.lib.git.process import GitFailed
from opcode_htmx.lib.git.repository import Repository

Act = Literal["commit", "switch", "merge", "rebase", "fetch", "push", "files", "continue"]

_CREDENTIALS = "credential helper"
_STEP = "step of the rebase"
_ALWAYS = ("reference-transaction", "post-index-change")
_COMMIT = ("pre-commit", "prepare-commit-msg", "commit-msg", "post-commit", "post-rewrite")
_MERGE = ("pre-merge-commit", "prepare-commit-msg", "commit-msg", "post-merge", "post-checkout")
_REBASE = (*_COMMIT, "pre-rebase", "post-checkout", "post-rewrite")
_APPLY = ("applypatch-msg", "pre-applypatch", "post-applypatch")
"""Of a rebase that was begun with --apply."""
_HOOKS: dict[Act, tuple[str, ...]] = {
    "commit": (*_ALWAYS, *_COMMIT),
    "switch": (*_ALWAYS, "post-checkout"),
    "merge": (*_ALWAYS, *_MERGE),
    "rebase": (*_ALWAYS, *_REBASE),
    "continue": (*_ALWAYS, *_REBASE, *_MERGE, *_APPLY),
    "fetch": ("reference-transaction",),
    "push": ("reference-transaction", "pre-push"),
    "files": ("post-index-change",),
}
_WRITES_FILES = frozenset({"switch", "merge", "rebase", "continue", "files"})
_MERGES = frozenset({"merge", "rebase", "continue"})
_COMMITS = frozenset({"commit", "merge", "rebase", "continue"})
_REMOTE = frozenset({"fetch", "push"})
_NO_PROGRAM = frozenset({"", "false", "true", "0", "1", "no", "yes", "on", "off"})
_MOST = 200


@dataclass(frozen=True, slots=True)
class Program:
    """A program that git would run."""

    kind: str
    """What it is, in a word or two, such as `hook`."""
    name: str
    command: str
    """Its command line, or the path of its file; without logins in addresses."""
    of_repository: bool
    """Whether the repository names it; else the person's own configuration does."""
    digest: str = ""
    """Of the content of a hook."""


@dataclass(frozen=True, slots=True)
class Programs:
    """The programs of one command. An empty list runs nothing."""

    found: tuple[Program, ...]

    def __bool__(self) -> bool:
        return bool(self.found)

    @property
    def can_be_left_out(self) -> bool:
        """Whether the command can run without them: the steps of a rebase are the rebase."""
        return all(each.kind != _STEP for each in self.found)

    @property
    def digest(self) -> str:
        """Names exactly these programs."""
        text = "\0".join(
            f"{each.kind}\0{each.name}\0{each.command}\0{each.of_repository}\0{each.digest}"
            for each in self.found
        )
        return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:32]


def of(git: Git, *acts: Act, remote: str = "", may_log_in: bool = True) -> Programs:
    """What the acts would run in this repository now. Raises GitFailed.

    `may_log_in`: whether the addresses of the remote are such that git would ask for a login.
    """
    settings = list(listed(git.under(LISTING)))
    found: list[Program] = []
    for act in acts:
        found += _hooks(git.repository, _HOOKS[act], settings)
        found += _named_hooks(settings, _HOOKS[act])
        found += _filters(git, settings, all_own=act != "files") if act in _WRITES_FILES else ()
        found += _plain(act, settings, remote)
        is_begun = act == "continue"
        if act in _COMMITS:
            found += _signing(settings, is_begun=is_begun and begun.is_signed(git))
        found += _steps(git) if is_begun else ()
    if not may_log_in:
        found = [each for each in found if each.kind != _CREDENTIALS]
    programs = tuple(dict.fromkeys(found))
    if len(programs) > _MOST:  # one that is not listed would run unseen
        raise GitFailed(f"This would run {len(programs)} programs: too many to look at.")
    return Programs(programs)


def who_reads_logins(git: Git) -> str:
    """The first setting of the repository that affects who can read a login; empty if none does.

    Raises GitFailed.
    """
    settings = list(listed(git.under(LISTING)))
    promisors = promisors_of(settings)

    def reads(setting: Setting) -> bool:
        return decides_where(setting.key) or fetches_missing(setting, promisors)

    return next((s.key for s in settings if s.of_repository and reads(s)), "")


def filters_of(git: Git, paths: Sequence[bytes]) -> Programs:
    """The filters that these files go through when they are staged or written. Raises GitFailed."""
    listing = git.under(LISTING)
    configured = list(_configured_filters(list(listed(listing))))
    if not configured or not paths:
        return Programs(())
    output = listing.run(
        "check-attr", "-z", "--stdin", "filter", stdin=b"".join(path + b"\0" for path in paths)
    )
    used = set(output.content.split(b"\0")[2::3])
    found = (each for each in configured if each.name.rpartition(".")[0].encode() in used)
    return Programs(tuple(found))


def _hooks(
    repository: Repository, names: Sequence[str], settings: Sequence[Setting]
) -> Iterator[Program]:
    values = [each for each in settings if each.key == "core.hookspath"]
    folder = repository.common_dir / "hooks"
    if values:  # relative to where hooks run, with `~` for a home
        folder = repository.top / Path(values[-1].value).expanduser()
    of_repository = not values or values[-1].of_repository or folder.is_relative_to(repository.top)
    for name in dict.fromkeys(names):
        path = folder / name
        try:
            if os.access(path, os.X_OK) and path.is_file():
                yield Program("hook", name, str(path), of_repository, _digest(path))
        except OSError:
            continue


def _digest(path: Path) -> str:
    return hashlib.sha256(begun.small_file(path)).hexdigest()


def _named_hooks(settings: Sequence[Setting], names: Sequence[str]) -> Iterator[Program]:
    """Hooks that newer versions of git read from the configuration."""
    events = {
        each.parts[1]
        for each in settings
        if each.parts[0] == "hook" and each.parts[2] == "event" and each.value in names
    }
    for each in settings:
        section, name, last = each.parts
        if section == "hook" and last == "command" and name in events:
            yield Program("hook", name, each.value, each.of_repository)


def _configured_filters(settings: Sequence[Setting]) -> Iterator[Program]:
    for each in settings:
        section, name, last = each.parts
        if section == "filter" and last in ("clean", "smudge", "process") and each.value:
            yield Program("filter", f"{name}.{last}", each.value, each.of_repository)


def _filters(git: Git, settings: Sequence[Setting], *, all_own: bool) -> Iterator[Program]:
    """Filters that an attributes file mentions; with `all_own` all that the repository names.

    Another commit may have attributes that are not known before.
    """
    configured = list(_configured_filters(settings))
    if not configured:
        return
    text = _attributes(git)
    for each in configured:
        is_mentioned = f"filter={each.name.rpartition('.')[0]}".encode() in text
        if is_mentioned or (all_own and each.of_repository):
            yield each


def _attributes(git: Git) -> bytes:
    """The attributes files of the working tree, of HEAD and of this computer, as one text."""
    listed = git.run("ls-files", "-z", "--cached", "--", ":(top,glob)**/.gitattributes")
    found = [begun.small_file(git.repository.common_dir / "info" / "attributes")]
    for path in listed.content.split(b"\0")[:-1][:1000]:
        found.append(begun.small_file(git.repository.top / os.fsdecode(path)))
    found.append(begun.small_file(git.repository.top / ".gitattributes"))
    return b"\n".join(found)


def _plain(act: Act, settings: Sequence[Setting], remote: str) -> Iterator[Program]:
    promisors = promisors_of(settings)
    for each in settings:
        kind, name = _named(act, each, remote, promisors)
        if kind:
            yield Program(kind, name, redacted(each.value), each.of_repository)


def _named(act: Act, setting: Setting, remote: str, promisors: frozenset[str]) -> tuple[str, str]:
    """The kind and the name of the program in a setting; empty if it has none for this act."""
    section, name, last = setting.parts
    if setting.key == "core.fsmonitor" and setting.value.lower() not in _NO_PROGRAM:
        return "file monitor", setting.key
    if act in _MERGES and section == "merge" and name and last == "driver":
        return "merge driver", name
    if fetches_missing(setting, promisors):
        return "connection", last
    if act not in _REMOTE:
        return "", ""
    if section == "credential" and last == "helper" and setting.value:
        return _CREDENTIALS, name or "for any address"
    if setting.key in CONNECTIONS:
        return "connection", last
    if section == "remote" and name == remote and last in REMOTE_PROGRAMS:
        return "connection", last
    return "", ""


def _signing(settings: Sequence[Setting], *, is_begun: bool) -> Iterator[Program]:
    """What signs a commit. `is_begun`: what goes on was begun so, whatever the settings say."""
    values = {each.key: each for each in settings}
    signs = values.get("commit.gpgsign")
    is_set = signs is not None and signs.value.lower() not in ("", "false", "no", "off", "0")
    if not (is_set or is_begun):
        return
    kind = values["gpg.format"].value if "gpg.format" in values else "openpgp"
    default = {"ssh": "ssh-keygen", "x509": "gpgsm"}.get(kind, "gpg")
    named = values.get(f"gpg.{kind}.program") or values.get("gpg.program")
    by = named or (signs if is_set else None)
    yield Program("signing", kind, named.value if named else default, not by or by.of_repository)
    key = values.get("gpg.ssh.defaultkeycommand")
    if key and key.value:
        yield Program("signing", key.key, key.value, key.of_repository)


def _steps(git: Git) -> Iterator[Program]:
    """Commands that what has begun goes on with. Raises GitFailed."""
    for command in begun.commands(git):
        yield Program(_STEP, "exec", command, True)
    for name in begun.foreign_strategies(git):
        yield Program(_STEP, "merge strategy", f"git merge-{name}", True)
