"""Restore a checkpoint and be killed at steps; a program for test_killed.

For each line on its input, the number of a step, it forks a process that is killed at this step,
and prints the number of steps of that process, or nothing where it was killed.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from opcode_htmx.lib.git.snapshots import restore, snapshot
from tests.lib.git.snapshots.support import Orchard


def main() -> None:
    for line in sys.stdin:
        child = os.fork()
        if not child:
            status = 1
            try:
                print(restored(Path(sys.argv[1]), sys.argv[2], int(line)), flush=True)
                status = 0
            finally:
                os._exit(status)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        assert status in (0, -signal.SIGKILL), status
        if status:
            print(flush=True)


def restored(place: Path, commit: str, step: int) -> int:
    """The number of steps of a restore that is not killed."""
    orchard = Orchard(place / "orchard", place / "store", place / "home", 10)
    seen = 0

    def at_step(_: str) -> None:
        nonlocal seen
        seen += 1
        if seen == step:
            os.kill(os.getpid(), signal.SIGKILL)

    # each system call that changes the tree is a step, too
    for name in ("rename", "unlink", "rmdir", "mkdir", "symlink", "fchmod"):
        setattr(os, name, _counted(getattr(os, name), at_step))  # type: ignore[no-untyped-call]
    tree = orchard.tree
    with tree.locked():
        then = snapshot.read(tree, commit)
        now = orchard.keep(restore.save_now(tree, then, {}))
        restore.run(tree, now, then, {"number": 7}, at_step)
    return seen


def _counted(function, at_step):  # type: ignore[no-untyped-def]
    def call(*arguments, **named):  # type: ignore[no-untyped-def]
        at_step("before")
        result = function(*arguments, **named)
        at_step("after")
        return result

    return call


if __name__ == "__main__":
    main()
