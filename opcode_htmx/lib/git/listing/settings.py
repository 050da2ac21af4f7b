"""The settings that a command of git would run under, and whose they are; lists them, runs none."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.git.git import Git
from opcode_htmx.lib.git.policy import READING, Policy
from opcode_htmx.lib.git.process import GitFailed, Output

_OWN_SETTINGS = ("GIT_CONFIG_NOSYSTEM", "GIT_ATTR_NOSYSTEM")
LISTING = Policy(
    {name: value for name, value in READING.environment.items() if name not in _OWN_SETTINGS},
    READING.configuration,
    runs_nothing=False,
)
"""Reads settings and attributes as a command that may run programs does, and runs none."""
NO_PROGRAM = frozenset({"", "false", "true", "0", "1", "no", "yes", "on", "off"})
"""Values, in lower case, that name no program."""
LIST = ("config", "--list", "--show-scope", "-z")
"""The command that lists them."""
MOST_BYTES = 32 * 1024 * 1024
"""Of its output."""
CONNECTIONS = frozenset({"core.sshcommand", "core.gitproxy"})
"""Settings that name the program of a connection."""
REMOTE_PROGRAMS = frozenset({"uploadpack", "receivepack", "vcs"})
"""The last parts of settings of remotes that name programs."""


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting with a value."""

    key: str
    """Section and last part in lower case, as git lists them."""
    value: str
    of_repository: bool

    @property
    def parts(self) -> tuple[str, str, str]:
        """Section, the name within it, and the last part."""
        section, _, rest = self.key.partition(".")
        name, _, last = rest.rpartition(".")
        return section, name, last


def listed(listing: Git) -> Iterator[Setting]:
    """All, under the policy LISTING; texts as `os.fsdecode` gives them. Raises GitFailed."""
    yield from parsed(listing.run(*LIST, most_bytes=MOST_BYTES))


def parsed(output: Output) -> Iterator[Setting]:
    """Those in the output of LIST. Raises GitFailed if it is cut: more would run than is known."""
    if output.cut:
        raise GitFailed("The settings of this repository are too long to be looked through.")
    fields = os.fsdecode(output.content).split("\0")[:-1]
    for scope, pair in zip(fields[::2], fields[1::2], strict=False):
        if scope != "command":  # ours
            key, has_value, value = pair.partition("\n")
            # a name alone stands for true
            yield Setting(key, value if has_value else "true", scope in ("local", "worktree"))


def promisors_of(settings: Sequence[Setting]) -> frozenset[str]:
    """The remotes from which git gets, in the middle of any command, objects that it misses."""
    found = set[str]()
    for each in settings:
        section, name, last = each.parts
        if each.key == "extensions.partialclone":
            found.add(each.value)
        elif section == "remote" and last in ("promisor", "partialclonefilter"):
            found.add(name)
    return frozenset(found)


def fetches_missing(setting: Setting, promisors: frozenset[str]) -> bool:
    """Whether the program in a setting may run to get a missing object."""
    section, name, last = setting.parts
    if setting.key in CONNECTIONS:
        return bool(promisors)
    return section == "remote" and name in promisors and last in REMOTE_PROGRAMS


def runs_for_missing(setting: Setting, promisors: frozenset[str]) -> bool:
    """The same, with the credential helpers of the repository: its server may ask for a login."""
    section, _, last = setting.parts
    is_helper = section == "credential" and last == "helper" and bool(setting.value)
    is_asked = is_helper and setting.of_repository and bool(promisors)
    return is_asked or fetches_missing(setting, promisors)
