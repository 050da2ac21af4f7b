"""List the programs that a command of git would run, for a person to decide before it does.

A repository names hooks, filters, signing and credential programs in its configuration; so does
the person's own. The digest of a list names exactly these programs, the texts of hooks among them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Literal

from opcode_htmx.lib import surrogates
from opcode_htmx.lib.git.commands import begun
from opcode_htmx.lib.git.commands.words import redacted
from opcode_htmx.lib.git.git import Git
from opcode_htmx.lib.git.listing import addresses, helpers, hooks, pushed_to
from opcode_htmx.lib.git.listing.program import STEP, Program, Programs
from opcode_htmx.lib.git.listing.settings import (
    CONNECTIONS,
    LISTING,
    NO_PROGRAM,
    REMOTE_PROGRAMS,
    Setting,
    fetches_missing,
    listed,
    promisors_of,
    runs_for_missing,
)
from opcode_htmx.lib.git.login import decides_where
from opcode_htmx.lib.git.process import GitFailed

Act = Literal["commit", "switch", "merge", "rebase", "fetch", "push", "files", "continue"]

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
_SECRET = frozenset({"extraheader"})
"""The last parts of settings with values that are not shown."""
_MOST = 200
_MOST_ATTRIBUTES = 1000


def of(git: Git, *acts: Act, remote: str = "") -> Programs:
    """What the acts would run in this repository now, with a remote. Raises GitFailed."""
    settings = list(listed(git.under(LISTING)))
    found: list[Program] = []
    for act in acts:
        found += hooks.of(git, _HOOKS[act], settings)
        found += _filters(git, settings) if act in _WRITES_FILES else ()
        found += _plain(act, settings, remote)
        found += _of_remote(git, settings, remote, act) if remote and act in _REMOTE else ()
        is_begun = act == "continue"
        if act in _COMMITS:
            found += _signing(settings, is_begun=is_begun and begun.is_signed(git))
        found += _steps(git) if is_begun else ()
    programs = Programs.shown(found)
    if len(programs.found) > _MOST:  # one that is not listed would run unseen
        raise GitFailed(f"This would run {len(programs.found)} programs: too many to look at.")
    return programs


def who_reads_logins(git: Git) -> str:
    """The first setting of the repository that affects who can read a login; empty if none does.

    As it is shown. Raises GitFailed.
    """
    settings = list(listed(git.under(LISTING)))
    promisors = promisors_of(settings)

    def reads(setting: Setting) -> bool:
        return decides_where(setting.key) or fetches_missing(setting, promisors)

    key = next((s.key for s in settings if s.of_repository and reads(s)), "")
    return redacted(surrogates.replaced(key))


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
    return Programs.shown(each for each in configured if _filter_of(each) in used)


def _configured_filters(settings: Sequence[Setting]) -> Iterator[Program]:
    for each in settings:
        section, name, last = each.parts
        if section == "filter" and last in ("clean", "smudge", "process") and each.value:
            yield Program("filter", f"{name}.{last}", each.value, each.of_repository)


def _filters(git: Git, settings: Sequence[Setting]) -> Iterator[Program]:
    """Filters that an attributes file mentions, and all that the repository names.

    Another commit, or the index, may have attributes that are not known before.
    """
    configured = list(_configured_filters(settings))
    if not configured:
        return
    text = _attributes(git)
    for each in configured:
        is_mentioned = text is None or b"filter=" + _filter_of(each) in text
        if is_mentioned or each.of_repository:
            yield each


def _filter_of(program: Program) -> bytes:
    """The name that attributes have for it."""
    return os.fsencode(program.name.rpartition(".")[0])


def _attributes(git: Git) -> bytes | None:
    """The attributes files of the working tree, of HEAD and of this computer, as one text.

    None if they are too many or too large to be looked through.
    """
    listed = git.run("ls-files", "-z", "--cached", "--", ":(top,glob)**/.gitattributes")
    names = listed.content.split(b"\0")[:-1]
    if len(names) > _MOST_ATTRIBUTES or listed.cut:
        return None
    top = git.repository.top
    paths = (*(top / os.fsdecode(name) for name in names), top / ".gitattributes")
    found = [begun.small_file(git.repository.common_dir / "info" / "attributes")]
    found += map(begun.small_file, paths)
    if any(len(each) == begun.MOST_BYTES for each in found):
        return None
    return b"\n".join(found)


def _plain(act: Act, settings: Sequence[Setting], remote: str) -> Iterator[Program]:
    promisors = promisors_of(settings)
    for each in settings:
        kind, name = _named(act, each, remote, promisors)
        if kind and each.parts[2] in _SECRET:
            yield Program(kind, name, "…", each.of_repository, each.value)
        elif kind:
            yield Program(kind, name, each.value, each.of_repository)


def _named(act: Act, setting: Setting, remote: str, promisors: frozenset[str]) -> tuple[str, str]:
    """The kind and the name of the program in a setting; empty if it has none for this act."""
    section, name, last = setting.parts
    if setting.key == "core.fsmonitor" and setting.value.lower() not in NO_PROGRAM:
        return "file monitor", setting.key
    # the name of a driver may be empty
    if act in _MERGES and section == "merge" and setting.key != "merge.driver" and last == "driver":
        return "merge driver", name
    if runs_for_missing(setting, promisors):
        return (helpers.KIND, name) if section == "credential" else ("connection", last)
    if act not in _REMOTE:
        return "", ""
    if setting.key in CONNECTIONS or (act == "fetch" and setting.key == "fetch.bundleuri"):
        return "connection", last
    if section == "remote" and name != remote:
        return "", ""
    if section == "remote" and last in REMOTE_PROGRAMS:
        return "connection", last
    # such as a proxy, which may receive the login that a credential helper returns
    if setting.of_repository and decides_where(setting.key):
        return "connection", setting.key
    return "", ""


def _of_remote(git: Git, settings: Sequence[Setting], remote: str, act: Act) -> Iterator[Program]:
    urls = addresses.of(git, remote, pushes=act == "push")
    yield from helpers.of(git, settings, urls)
    for url in urls if act == "push" else ():
        if addresses.is_folder(url):
            yield from pushed_to.of(git, url)


def _signing(settings: Sequence[Setting], *, is_begun: bool) -> Iterator[Program]:
    """What signs a commit. `is_begun`: what goes on was begun so, whatever the settings say."""
    # in the order of the settings: the last one counts
    values = {each.key.replace("gpg.openpgp.", "gpg."): each for each in settings}
    signs = values.get("commit.gpgsign")
    is_set = signs is not None and signs.value.lower() not in ("", "false", "no", "off", "0")
    if not (is_set or is_begun):
        return
    kind = values["gpg.format"].value if "gpg.format" in values else "openpgp"
    default = {"ssh": "ssh-keygen", "x509": "gpgsm"}.get(kind, "gpg")
    named = values.get("gpg.program" if kind == "openpgp" else f"gpg.{kind}.program")
    by = named or (signs if is_set else None)
    yield Program("signing", kind, named.value if named else default, not by or by.of_repository)
    key = values.get("gpg.ssh.defaultkeycommand")
    if key and key.value:
        yield Program("signing", key.key, key.value, key.of_repository)


def _steps(git: Git) -> Iterator[Program]:
    """Commands that what has begun goes on with. Raises GitFailed."""
    for command in begun.commands(git):
        yield Program(STEP, "exec", command, True)
    for name in begun.foreign_strategies(git):
        yield Program(STEP, "merge strategy", f"git merge-{name}", True)
