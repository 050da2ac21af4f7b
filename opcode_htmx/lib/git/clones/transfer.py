"""Clone and refresh bare repositories over the network, with a login for one host.

No repository's configuration is read while git has it: a refresh fetches into a repository of its
own, which shares the objects.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from opcode_htmx.lib.git import process
from opcode_htmx.lib.git.clones.bare import BareRepository
from opcode_htmx.lib.git.login import Login
from opcode_htmx.lib.git.policy import RUNNING, WRITING, Policy
from opcode_htmx.lib.git.process import GitFailed

SECONDS = 4 * 3600.0
_STALLED = {"http.lowSpeedLimit": "500", "http.lowSpeedTime": "60"}
"""A transfer of fewer bytes a second, for so many seconds, is given up."""
_REMOTES = "refs/remotes/origin/"
_HEAD = f"{_REMOTES}HEAD"
_FETCH = f"+refs/heads/*:{_REMOTES}*"
_SECRETS = ("GITHUB_TOKEN",)
"""Variables that git needs not; programs that it starts, such as ssh, do not get them."""

TRANSFERRING = Policy(
    RUNNING.environment,
    {
        **RUNNING.configuration,
        **_STALLED,
        "core.hooksPath": "/dev/null",
        "core.fsmonitor": "false",
        "submodule.recurse": "false",
        "fetch.recurseSubmodules": "false",
        "fetch.writeCommitGraph": "false",
        "transfer.credentialsInUrl": "die",
        "http.followRedirects": "initial",
    },
    runs_nothing=False,
)
"""Has a network. Of the person's own configuration, proxies and credential helpers are used."""


def clone(
    url: str,
    target: Path,
    environment: Mapping[str, str],
    login: Login | None = None,
    progress: Callable[[bytes], None] | None = None,
) -> None:
    """Clone into `target`, which does not exist; its branches are those of `origin`, and HEAD's.

    Raises GitFailed. Killed in between, it leaves a part of the repository at `target`.
    """
    arguments = [
        "clone",
        "--bare",
        "--template=",
        "--progress",
        "-c",
        f"remote.origin.fetch={_FETCH}",
    ]
    _transfer((*arguments, "--", url, str(target)), target.parent, environment, login,
              progress, {})  # fmt: skip
    _keep_only_head(BareRepository.at(target, environment))


def refresh(
    path: Path,
    url: str,
    environment: Mapping[str, str],
    login: Login | None = None,
    progress: Callable[[bytes], None] | None = None,
) -> None:
    """Fetch the branches and tags of a bare repository again. Raises GitFailed, RepositoryRefused.

    Local branches stay as they are.
    """
    repository = BareRepository.at(path, environment)
    before = repository.refs()
    with tempfile.TemporaryDirectory(prefix="opcode-fetch-") as folder:
        helper = Path(folder) / "fetch.git"
        _run(("init", "--bare", "--quiet", "--template=", "--", str(helper)), Path(folder),
             environment)  # fmt: skip
        # Commits that are there already are not sent again
        listed = "".join(f"{commit} {name}\n" for name, commit in before.items() if name != _HEAD)
        (helper / "packed-refs").write_text(listed, encoding="utf-8", errors="surrogateescape")
        variables = {
            "GIT_DIR": str(helper),
            "GIT_OBJECT_DIRECTORY": str(repository.path / "objects"),
        }
        arguments = ("fetch", "--progress", "--prune", "--force", "--", url, _FETCH)
        _transfer(arguments, helper, environment, login, progress, variables)
        after = BareRepository(helper, environment).refs()
    repository.set_refs(_changes(before, after))


def _changes(before: Mapping[str, str], after: Mapping[str, str]) -> dict[str, str]:
    """The refs of the remote that have changed, with their new commits; empty where it is gone."""
    found = {
        name: after.get(name, "")
        for name in {*before, *after}
        if name.startswith(_REMOTES) and name != _HEAD and before.get(name) != after.get(name)
    }
    tags = {n: c for n, c in after.items() if n.startswith("refs/tags/") and n not in before}
    return {**found, **tags}


def _keep_only_head(repository: BareRepository) -> None:
    """Drop the branches that `clone --bare` has made beside HEAD's: they would never be fetched."""
    head = repository.head()
    heads = [name for name in repository.refs() if name.startswith("refs/heads/")]
    repository.set_refs({name: "" for name in heads if name != head})
    if head.startswith("refs/heads/"):
        branch = head.removeprefix("refs/heads/")
        repository.point_head_of_origin(f"{_REMOTES}{branch}")


def _transfer(
    arguments: tuple[str, ...],
    folder: Path,
    environment: Mapping[str, str],
    login: Login | None,
    progress: Callable[[bytes], None] | None,
    variables: Mapping[str, str],
) -> None:
    try:
        process.run(
            arguments,
            folder,
            {name: value for name, value in environment.items() if name not in _SECRETS},
            policy=TRANSFERRING,
            overrides=login.settings if login else None,
            repository=variables,
            secret=login.secret if login else b"",
            progress=progress,
            seconds=SECONDS,
        )
    except GitFailed as error:
        if login is None:
            raise
        raise GitFailed(
            login.without(str(error)),
            status=error.status,
            errors=login.without(error.errors),
        ) from None


def _run(arguments: tuple[str, ...], folder: Path, environment: Mapping[str, str]) -> None:
    process.run(arguments, folder, environment, policy=WRITING)
