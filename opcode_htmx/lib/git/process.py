"""Start git, to read and to make worktrees; no other module starts it.

Everything that a repository names is untrusted: its configuration, attributes, hooks, remotes. git
runs without a terminal, network, hooks, pager, editor, prompts and optional writes, with limits on
its time, memory and output.
"""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import gevent
from gevent import subprocess

SECONDS = 20.0
MOST_BYTES = 64 * 1024 * 1024
"""The limit for output; the rest is not read."""
MOST_ERROR_BYTES = 4096
MOST_HEAP_BYTES = 2 * 1024**3
"""Limits the memory for a tree that contains itself many times over."""
_CHUNK = 64 * 1024

_ENVIRONMENT = {
    # Missing objects are not fetched: a fetch could run a program that the remote's URL names.
    "GIT_NO_LAZY_FETCH": "1",
    # Allows no protocol, as none has this name; for versions of git that ignore the line above.
    "GIT_ALLOW_PROTOCOL": "none",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_ASKPASS": "",
    "SSH_ASKPASS": "",
    "GIT_EDITOR": ":",
    "GIT_SEQUENCE_EDITOR": ":",
    "GIT_PAGER": "cat",
    "GIT_SSH_COMMAND": "false",
    "LC_ALL": "C",
}
"""The user's own configuration (~/.gitconfig) is read, for its list of ignored files; programs that
it names are overridden as well."""

_DROPPED = ("GIT_", "SSH_ASKPASS", "PAGER", "EDITOR", "VISUAL", "LC_", "LANG")

_CONFIGURATION = {
    "core.hooksPath": "/dev/null",
    "core.fsmonitor": "false",
    "core.pager": "cat",
    "core.editor": ":",
    "core.askPass": "",
    "core.sshCommand": "false",
    "core.quotePath": "false",
    "credential.helper": "",
    "protocol.allow": "never",
    "gpg.program": "false",
    "gpg.openpgp.program": "false",
    "gpg.x509.program": "false",
    "gpg.ssh.program": "false",
    "log.showSignature": "false",
    "submodule.recurse": "false",
    "fetch.recurseSubmodules": "false",
    "status.submoduleSummary": "false",
    "diff.submodule": "short",
    "gc.auto": "0",
    "maintenance.auto": "false",
    "color.ui": "false",
}
"""Settings that a repository's configuration must not decide."""


class GitFailed(Exception):
    """git could not be started, took too long, or reported an error; the text says which."""


@dataclass(frozen=True, slots=True)
class Output:
    """git's stdout; `cut` if there was more."""

    content: bytes
    cut: bool


def run(
    arguments: Sequence[str],
    folder: Path,
    environment: Mapping[str, str],
    *,
    overrides: Mapping[str, str] | None = None,
    repository: Mapping[str, str] | None = None,
    seconds: float = SECONDS,
    most_bytes: int = MOST_BYTES,
) -> Output:
    """Run `git ARGUMENTS` in a folder, while other greenlets run. Raises GitFailed.

    `overrides` are further configuration values, which take precedence over the repository's;
    `repository` are the environment variables that name it (GIT_DIR and the like). git is killed
    after `seconds`.
    """
    git = _program(environment)
    settings = {**_CONFIGURATION, **(overrides or {})}
    options = [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
    try:
        child = subprocess.Popen(
            [git, "--no-pager", "--no-optional-locks", *options, *arguments],
            cwd=folder,
            env={**clean(environment), **(repository or {}), **_ENVIRONMENT},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,  # no terminal, and a process group to end
            preexec_fn=_bound_memory,
        )
    except (OSError, ValueError) as error:
        raise GitFailed(f"git could not be started: {error}") from error
    return _collect(child, seconds, most_bytes)


def clean(environment: Mapping[str, str]) -> dict[str, str]:
    """An environment without variables that control git, and with only absolute folders in PATH."""
    kept = {name: value for name, value in environment.items() if not name.startswith(_DROPPED)}
    folders = kept.get("PATH", os.defpath).split(os.pathsep)
    kept["PATH"] = os.pathsep.join(each for each in folders if Path(each).is_absolute())
    return kept


def _program(environment: Mapping[str, str]) -> str:
    found = shutil.which("git", path=clean(environment)["PATH"])
    if found is None:
        raise GitFailed("git is not installed.")
    return found


def _bound_memory() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    within = hard == resource.RLIM_INFINITY or hard > MOST_HEAP_BYTES
    resource.setrlimit(resource.RLIMIT_DATA, (MOST_HEAP_BYTES if within else hard, hard))


def _collect(child: subprocess.Popen[bytes], seconds: float, most_bytes: int) -> Output:
    errors = gevent.spawn(_drain, child.stderr, MOST_ERROR_BYTES)
    output = Output(b"", cut=False)
    try:
        with gevent.Timeout(seconds, GitFailed(f"git took longer than {seconds:g} s.")):
            output = _read(child.stdout, most_bytes)
            if not output.cut:
                child.wait()
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        reported = errors.get()
        for pipe in (child.stdout, child.stderr):
            if pipe:
                pipe.close()
    if child.returncode != 0 and not output.cut:
        words = reported.decode("utf-8", "replace").strip()
        raise GitFailed(f"git ended with status {child.returncode}: {words}")
    return output


def _read(pipe: IO[bytes] | None, most: int) -> Output:
    found: list[bytes] = []
    left = most
    while pipe and (chunk := pipe.read1(_CHUNK)):  # type: ignore[attr-defined]
        found.append(chunk[:left])
        left -= len(chunk)
        if left < 0:
            return Output(b"".join(found), cut=True)
    return Output(b"".join(found), cut=False)


def _drain(pipe: IO[bytes] | None, most: int) -> bytes:
    """Read to the end, so that no full pipe blocks the writer; return the first `most` bytes."""
    found = b""
    while pipe and (chunk := pipe.read1(_CHUNK)):  # type: ignore[attr-defined]
        found = (found + chunk)[:most]
    return found
