"""A restore that is killed at any moment goes on at the next one, and nothing is lost."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from opcode_htmx.lib.git.snapshots import restore, snapshot
from opcode_htmx.lib.git.snapshots.tree import reference
from tests.lib.git.snapshots.support import RULES, SESSION, Contents, Orchard, differences

_ROOT = Path(__file__).parents[4]
_KILLS = 5


def test_killed_at_any_moment_it_is_finished_later_and_can_be_undone(orchard: Orchard) -> None:
    rng = random.Random(4)  # noqa: S311 - no secrets
    (orchard.top / ".gitignore").write_text(RULES)
    orchard.edit(rng, 25)
    first, then = orchard.take(), orchard.contents()
    orchard.edit(rng, 25)
    (orchard.top / ".gitignore").write_text(RULES)
    before, last = orchard.contents(), orchard.take()
    with _restoring(orchard, first.commit) as restored:
        steps = int(restored(0))
        assert not differences(orchard.contents(), then)
        assert steps > 40
        orchard.restore(last)
        for kill in range(_KILLS):
            assert not differences(orchard.contents(), before)
            orchard.tree.drop(reference(SESSION, 11))
            step = 1 + (steps - 1) * kill // (_KILLS - 1) if kill else rng.randrange(20, steps)
            assert restored(step) == "" or step == steps
            _finish_and_undo(orchard, before, then, is_last=step > steps - 10)


def _finish_and_undo(orchard: Orchard, before: Contents, then: Contents, *, is_last: bool) -> None:
    tree = orchard.tree
    was_begun = restore.is_unfinished(tree)
    with tree.locked():
        finished = restore.resume(tree)
    if was_begun:
        assert finished
        assert finished.about == {"number": 7}
        assert not finished.outcome.kept
        assert not differences(orchard.contents(), then)
    else:
        assert not differences(orchard.contents(), before) or is_last
    assert not [path for path in orchard.contents() if b".opcode-restore" in path]
    now = tree.commit_of(reference(SESSION, 11))
    assert now
    orchard.restore(snapshot.read(tree, now))


@contextmanager
def _restoring(orchard: Orchard, commit: str) -> Iterator[Callable[[int], str]]:
    """Restores a commit in a process that is killed at a step; the number of steps if it is not."""
    command = [sys.executable, "-m", "tests.lib.git.snapshots.killed"]
    with subprocess.Popen(
        [*command, str(orchard.top.parent), commit],
        cwd=_ROOT,
        env={"PATH": orchard.environment["PATH"], "HOME": str(orchard.home)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as program:
        stdin, stdout = program.stdin, program.stdout
        assert stdin
        assert stdout

        def restored(step: int) -> str:
            print(step, file=stdin, flush=True)
            line = stdout.readline()
            assert line, "it is over: see the captured errors"
            return line.strip()

        yield restored
        stdin.close()
    assert program.returncode == 0
