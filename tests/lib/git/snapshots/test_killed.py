"""A restore that is killed at any moment goes on at the next one, and nothing is lost."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

from opcode_htmx.lib.git.snapshots import restore, snapshot
from opcode_htmx.lib.git.snapshots.tree import reference
from tests.lib.git.snapshots.support import RULES, SESSION, Orchard, differences

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
    steps = int(_restored(orchard, first.commit, 0))
    assert not differences(orchard.contents(), then)
    assert steps > 40
    orchard.restore(last)
    for kill in range(_KILLS):
        assert not differences(orchard.contents(), before)
        orchard.tree.drop(reference(SESSION, 11))
        step = 1 + (steps - 1) * kill // (_KILLS - 1) if kill else rng.randrange(20, steps)
        assert _restored(orchard, first.commit, step) == "" or step == steps
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
            assert not differences(orchard.contents(), before) or step > steps - 10
        assert not [path for path in orchard.contents() if b".opcode-restore" in path]
        now = tree.commit_of(reference(SESSION, 11))
        assert now
        orchard.restore(snapshot.read(tree, now))


def _restored(orchard: Orchard, commit: str, step: int) -> str:
    program = ["-m", "tests.lib.git.snapshots.killed"]
    child = subprocess.run(
        [sys.executable, *program, str(orchard.top.parent), commit, str(step)],
        cwd=_ROOT,
        env={"PATH": orchard.environment["PATH"], "HOME": str(orchard.home)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert child.returncode in (0, -9), child.stderr
    return child.stdout.strip()
