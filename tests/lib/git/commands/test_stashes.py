"""Stashes beside a terminal that makes others at the same moment."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from opcode_htmx.lib.git.commands import stashes
from opcode_htmx.lib.git.commands.state import StateChanged
from opcode_htmx.lib.git.git import Git
from opcode_htmx.lib.git.integration import submodules
from opcode_htmx.lib.git.policy import RUNNING, WRITING
from tests.lib.git.commands.repo import Repo


def _take(git: Git, commit: str) -> None:
    stashes.take(git, commit, drop=True)


@pytest.mark.parametrize("drop", [stashes.discard, _take])
@pytest.mark.parametrize("wanted", [0, 1])
def test_a_stash_made_meanwhile_is_not_dropped_in_place_of_another(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    drop: Callable[[Git, str], object],
    wanted: int,
) -> None:
    repo = Repo(tmp_path / "orchard").make()
    for name in ("old", "new"):
        repo.write(name, "1\n")
    repo.commit()
    for name in ("old", "new"):
        repo.write(name, "2\n")
        repo.plain("stash", "push", "-m", name)
    before = stashes.listed(repo.git())
    gone, stays = before[wanted], before[1 - wanted]
    number_of, calls = stashes._number, 0

    def number(git: Git, commit: str) -> int:
        nonlocal calls
        found, calls = number_of(git, commit), calls + 1
        if calls == 2:  # the one by which it is dropped
            repo.write("other", "of the terminal\n")
            repo.plain("stash", "push", "-u", "-m", "terminal", "--", "other")
        return found

    monkeypatch.setattr(stashes, "_number", number)
    drop(repo.git(), gone.commit)
    left = {each.commit: each.message for each in stashes.listed(repo.git())}
    assert calls == 3
    assert gone.commit not in left
    assert left[stays.commit] == stays.message
    assert sorted(left.values()) == sorted([stays.message, "On main: terminal"])


def test_stashes_that_never_rest_are_left_as_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo = Repo(tmp_path / "orchard").make()
    repo.write("file", "1\n")
    repo.commit()
    for text in ("2\n", "3\n"):
        repo.write("file", text)
        repo.plain("stash")
    before = {each.commit for each in stashes.listed(repo.git())}
    newest, oldest = stashes.listed(repo.git())
    monkeypatch.setattr(
        stashes, "_number", lambda git, _: 1 - stashes.listed(git)[1].commit.count(oldest.commit)
    )
    with pytest.raises(StateChanged, match="not dropped"):
        stashes.discard(repo.git(), oldest.commit)
    assert {each.commit for each in stashes.listed(repo.git())} == before
    assert newest.commit in before


def test_a_stash_reads_no_more_of_a_submodule_than_what_could_run_there(
    tmp_path: Path,
) -> None:
    repo = Repo(tmp_path / "orchard").make()
    inner = Repo(tmp_path / "plums").make()
    inner.commit()
    repo.plain(
        "-c", "protocol.file.allow=always", "submodule", "add", "-q", str(inner.top), "plums"
    )
    repo.commit()
    repo.set("hook.check.command", "true")
    for key in ("hook.check.command", "hook.a=b.command", "merge.plum.driver", "filter.pear.clean"):
        repo.plain("-C", "plums", "config", key, "false")
    for policy in (WRITING, RUNNING):
        assert set(submodules.silenced(repo.git(policy))) == {
            "core.fsmonitor",
            *(f"filter.pear.{each}" for each in ("clean", "smudge", "process", "required")),
        }
    repo.write("a", "changed")
    assert stashes.push(repo.git(WRITING))
