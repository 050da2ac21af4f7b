"""What runs in a folder of this computer that is pushed to, whatever the pushing git may run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from opcode_htmx.lib.concurrency.cooperative import run_in_thread
from opcode_htmx.lib.git import process
from opcode_htmx.lib.git.git import Git
from opcode_htmx.lib.git.listing import hooks, repositories
from opcode_htmx.lib.git.listing.addresses import path_of
from opcode_htmx.lib.git.listing.program import OF_FOLDER, Program
from opcode_htmx.lib.git.listing.settings import (
    LIST,
    LISTING,
    MOST_BYTES,
    NO_PROGRAM,
    Setting,
    parsed,
    promisors_of,
    runs_for_missing,
)
from opcode_htmx.lib.git.process import GitFailed

MOST_SUBMODULES = 200
_HOOKS = (
    *("pre-receive", "reference-transaction", "update", "proc-receive", "post-receive"),
    *("post-update", "push-to-checkout", "post-index-change", "pre-auto-gc"),
)
_OF_FILES = ("post-index-change", "reference-transaction", "post-checkout")
"""Hooks of a working tree, or of a submodule in it, whose files a push writes."""
_FILTERS = ("clean", "smudge", "process")
"""Programs of a filter there: git cleans the files first, to see whether they changed."""
_NO = frozenset({"", "false", "no", "off", "0"})
"""What git takes for false."""
_PROGRAMS = frozenset({"core.alternaterefscommand", "core.fsmonitor", "gc.recentobjectshook"})


def of(git: Git, url: str) -> Iterator[Program]:
    """The programs of the repository at an address that is a folder. Raises GitFailed."""
    path = hooks.with_home(path_of(url), git.environment)
    git_dir = repositories.at(git.repository.top / path)
    if git_dir is None:
        return  # the push fails
    try:
        yield from _of_repository(git, git_dir)
    except (OSError, ValueError, RuntimeError) as error:
        raise GitFailed(f"The folder {git_dir} cannot be looked through: {error}.") from None


def _of_repository(git: Git, git_dir: Path) -> Iterator[Program]:
    settings = _settings(git, git_dir)
    yield from _hooks(git, git_dir, git_dir, _HOOKS, settings)
    yield from _programs(settings)
    if _last(settings, "receive.denycurrentbranch") == "updateinstead":
        # git writes the one in which the branch is checked out: here it may be any
        for state, top in repositories.checkouts(repositories.common_dir(git_dir)):
            yield from _of_checkout(git, state, top)


def _of_checkout(git: Git, git_dir: Path, top: Path) -> Iterator[Program]:
    """Those of a working tree whose files a push writes, and of its submodules."""
    settings = _settings(git, git_dir)
    yield from _of_files(git, git_dir, top, settings)
    if _last(settings, "submodule.recurse") in _NO:
        return
    # any folder may be a submodule in the commit that is pushed, and any that is kept come back
    found = run_in_thread(lambda: {*repositories.below(top, git_dir / "modules")})
    found = {each for each in found if each[0] != git_dir}
    if len(found) > MOST_SUBMODULES:
        raise GitFailed(f"{top} has {len(found)} submodules: too many to look at.")
    for state, folder in sorted(found):
        yield from _of_files(git, state, folder, _settings(git, state))


def _of_files(git: Git, git_dir: Path, top: Path, settings: Sequence[Setting]) -> Iterator[Program]:
    tops = (top, *(git_dir / each.value for each in settings if each.key == "core.worktree"))
    for each in tops:
        yield from _hooks(git, git_dir, each, _OF_FILES, settings)
    yield from _programs(settings, with_filters=True)


def _hooks(
    git: Git, git_dir: Path, runs_in: Path, names: Sequence[str], settings: Sequence[Setting]
) -> Iterator[Program]:
    common = repositories.common_dir(git_dir)
    folder, _ = hooks.folder_of(common, runs_in, settings, git.environment)
    yield from hooks.in_folder(OF_FOLDER, folder, names, of_repository=True)
    yield from hooks.configured(OF_FOLDER, names, settings)


def _programs(settings: Sequence[Setting], *, with_filters: bool = False) -> Iterator[Program]:
    promisors = promisors_of(settings)
    for each in settings:
        section, _, last = each.parts
        is_filter = with_filters and section == "filter" and last in _FILTERS and each.value
        is_program = each.key in _PROGRAMS and each.value.lower() not in NO_PROGRAM
        if is_filter or is_program or runs_for_missing(each, promisors):
            yield Program(OF_FOLDER, each.key, each.value, each.of_repository)


def _settings(git: Git, git_dir: Path) -> list[Setting]:
    """Those of another repository. Raises GitFailed."""
    variables = {"GIT_DIR": str(git_dir)}
    output = process.run(
        *(LIST, git_dir, git.environment),
        policy=LISTING,
        repository=variables,
        most_bytes=MOST_BYTES,
    )
    return list(parsed(output))


def _last(settings: Sequence[Setting], key: str) -> str:
    """The value that holds, in lower case; empty if there is none."""
    return next((each.value.lower() for each in reversed(settings) if each.key == key), "")
