"""What is put together from the index and the files is what git itself lists since a commit."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from dataclasses import replace

import pytest

from opcode_htmx.lib.git.changes import raw, since
from opcode_htmx.lib.git.changes.model import Change, Listing
from opcode_htmx.lib.git.git import Git
from tests.lib.git.changed import Repository
from tests.support.environment import Sandbox

NAMES = [f"{folder}{number}" for folder in ("", "inner/", "inner/deeper/") for number in range(4)]
TEXTS = ["", "a\n", "a\nb\n", "".join(f"{n}\n" for n in range(40)), "x" * 2000, "b\0inary"]


def mess_up(repository: Repository, chance: random.Random) -> None:
    """Change something in the files or in the index."""
    name, text = chance.choice(NAMES), chance.choice(TEXTS)
    file = repository.folder / name
    match chance.randrange(9):
        case 0 | 1:
            file.unlink(missing_ok=True)
            repository.write(name, text)
        case 2:
            file.unlink(missing_ok=True)
        case 3 | 4:
            repository.git("add", "--all", "--", name, check=False)
        case 5:
            tracked = repository.git("ls-files").split("\n")
            repository.git("mv", "-f", chance.choice(tracked), name, check=False)
        case 6:
            repository.git("rm", "-q", "--cached", "--", name, check=False)
        case 7 if file.is_file() and not file.is_symlink():
            file.chmod(chance.choice((0o644, 0o755)))
        case 8 if chance.random() < 0.5:
            file.unlink(missing_ok=True)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.symlink_to("app.txt")
        case 8:
            repository.git("add", "--intent-to-add", "--", name, check=False)
        case _:
            return


def shown(listing: Listing) -> Iterator[Change]:
    """All that is shown; the id of what is in the working tree is not."""
    return (replace(each, new="") for each in listing.changes)


@pytest.mark.parametrize("seed", range(3))
def test_any_state_is_listed_as_git_lists_it(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    chance = random.Random(seed)  # noqa: S311
    repository = Repository(sandbox.home, sandbox.project)
    repository.make()
    repository.git("checkout", "--quiet", "--", ".")
    for name in NAMES[::2]:
        repository.write(name, chance.choice(TEXTS))
    commits = [repository.commit()]
    for step in range(8):
        for _ in range(chance.randrange(1, 6)):
            mess_up(repository, chance)
        if step in (2, 5):
            commits.append(repository.commit())
        commit = chance.choice(commits)
        found = list(shown(repository.listed(commit)))
        with monkeypatch.context() as patch:
            patch.setattr(since, "_joined", lambda *_: None)
            expected = list(shown(repository.listed(commit)))
        assert found == expected, (seed, step, repository.git("status", "--short"))


def test_thousands_of_changed_files_are_not_compared_again(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = Repository(sandbox.home, sandbox.project)
    repository.make()
    repository.git("checkout", "--quiet", "--", ".")
    begin = repository.commit()
    repository.write("app.txt", "two\n")
    repository.commit("second")
    repository.write("inner/deep.txt", "deeper\n")
    asked = list[tuple[str, ...]]()

    def noting(git: Git, options: tuple[str, ...], paths: tuple[str, ...]) -> raw.Diff:
        asked.append(options)
        return read(git, options, paths)

    read = raw.read
    monkeypatch.setattr(raw, "read", noting)
    assert [os.fsdecode(each.path) for each in repository.listed(begin).changes] == [
        "app.txt",
        "inner/deep.txt",
    ]
    assert all("--cached" in each or "--numstat" in each for each in asked)
    repository.write("app.txt", "one\n")
    assert [each.path for each in repository.listed(begin).changes] == [b"inner/deep.txt"]
