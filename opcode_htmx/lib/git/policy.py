"""What git may do on its own: the settings and variables that each kind of command runs under.

Under all policies git has no terminal, pager, editor or prompt.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from opcode_htmx.lib.dataclass import dataclass

PROTOCOLS = "https:http:ssh:git:file"
"""Protocols of a remote's URL; `ext::` and the like would run a command of the repository."""

LITERAL = {"GIT_LITERAL_PATHSPECS": "1"}
"""A variable under which paths are names of files: `*` and `:` in them have no meaning."""

_ENVIRONMENT = {
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_ASKPASS": "",
    "SSH_ASKPASS": "",
    "GIT_EDITOR": ":",
    "GIT_SEQUENCE_EDITOR": ":",
    "GIT_PAGER": "cat",
    "LC_ALL": "C",
}
_CONFIGURATION = {
    "core.pager": "cat",
    "core.editor": ":",
    "core.askPass": "",
    "core.quotePath": "false",
    "gc.auto": "0",
    "maintenance.auto": "false",
    "color.ui": "false",
    "advice.detachedHead": "false",
    # A message for an editor would show the state: of submodules, by git in them, and as text
    "commit.status": "false",
    "commit.verbose": "false",
    "status.submoduleSummary": "false",
    "submodule.recurse": "false",
    "i18n.logOutputEncoding": "UTF-8",
}

# The user's own configuration (~/.gitconfig) is read, for its list of ignored files; programs that
# it names are overridden as well.
_NO_PROGRAMS_ENVIRONMENT = {
    # Missing objects are not fetched: a fetch could run a program that the remote's URL names.
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_SSH_COMMAND": "false",
    # Allows no protocol, as none has this name; for versions of git without GIT_NO_LAZY_FETCH.
    "GIT_ALLOW_PROTOCOL": "none",
}
_NO_PROGRAMS_CONFIGURATION = {
    "core.hooksPath": "/dev/null",
    "core.fsmonitor": "false",
    "core.sshCommand": "false",
    "credential.helper": "",
    "protocol.allow": "never",
    "commit.gpgSign": "false",
    "tag.gpgSign": "false",
    "gpg.program": "false",
    "gpg.openpgp.program": "false",
    "gpg.x509.program": "false",
    "gpg.ssh.program": "false",
    "gpg.ssh.defaultKeyCommand": "false",
    "log.showSignature": "false",
    "fetch.recurseSubmodules": "false",
    "diff.submodule": "short",
}
"""Settings that a repository's configuration must not decide."""


@dataclass(frozen=True, slots=True)
class Policy:
    """Values that take precedence over the environment's and over the repository's settings."""

    environment: Mapping[str, str] = field(default_factory=dict)
    configuration: Mapping[str, str] = field(default_factory=dict)
    runs_nothing: bool = True
    """Whether the filters and hooks that the repository names are overridden, each by its name."""


READING = Policy(
    {**_ENVIRONMENT, **_NO_PROGRAMS_ENVIRONMENT, "GIT_OPTIONAL_LOCKS": "0"},
    {**_CONFIGURATION, **_NO_PROGRAMS_CONFIGURATION},
)
"""Reads a repository that nobody vouches for: runs nothing, has no network, and writes nothing but
the times of files in the index, which `git diff` refreshes whatever GIT_OPTIONAL_LOCKS says."""

WRITING = Policy(
    {**_ENVIRONMENT, **_NO_PROGRAMS_ENVIRONMENT}, {**_CONFIGURATION, **_NO_PROGRAMS_CONFIGURATION}
)
"""Changes the repository, and runs nothing that it names: no hook, filter or signing program."""

RUNNING = Policy(
    {**_ENVIRONMENT, "GIT_ALLOW_PROTOCOL": PROTOCOLS}, _CONFIGURATION, runs_nothing=False
)
"""The repository's hooks, filters, signing and credential programs run: a person who has seen which
has said so. For commands on remotes as well; see PROTOCOLS."""
