"""Checks of limits of the system: inotify, by which changes of files are noticed."""

from __future__ import annotations

import errno
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from opcode_htmx.lib.concurrency.cooperative import run_in_thread
from opcode_htmx.lib.files.inotify import Inotify
from opcode_htmx.sessions.health.check import Finding, State

FEW_WATCHES = 8192
"""Editors and tools of the same user take thousands of them."""
NEARLY = 0.9
_SETTINGS = Path("/proc/sys/fs/inotify")
_LINK = "anon_inode:inotify"
_IN_CREATE = 0x100
"""Of inotify(7)."""
_FILE = "/etc/sysctl.d/60-opcode-htmx.conf"


def inotify() -> Finding:
    """Whether this user may watch more files; elsewhere than on Linux, that files are polled."""
    if sys.platform != "linux":
        return Finding(
            State.OK, "This system has no inotify: changes of files are looked for by polling."
        )
    watches, instances = _limit("max_user_watches"), _limit("max_user_instances")
    used = run_in_thread(lambda: list(_of_this_user()))
    used_watches = sum(used)
    facts = {
        "Watches": f"{used_watches:,} of {watches:,}",
        "Instances": f"{len(used):,} of {instances:,}",
    }
    if refusal := _refusal():
        missing = "instance" if refusal == errno.EMFILE else "watch"
        return Finding(
            State.PROBLEM,
            f"This user has no inotify {missing} left: changes of files are noticed late, and at a "
            "higher cost.",
            "Raise the limits.",
            _raised(watches, instances),
            facts,
        )
    if watches < FEW_WATCHES or used_watches > NEARLY * watches or len(used) > NEARLY * instances:
        return Finding(
            State.WARNING,
            "This user has few inotify watches or instances left.",
            "Raise the limits before they run out.",
            _raised(watches, instances),
            facts,
        )
    return Finding(State.OK, "There are enough watches.", facts=facts)


def _limit(name: str) -> int:
    return int((_SETTINGS / name).read_text())


def _raised(watches: int, instances: int) -> str:
    values = (
        f"fs.inotify.max_user_watches={max(524288, 2 * watches)}\\n"
        f"fs.inotify.max_user_instances={max(1024, 2 * instances)}\\n"
    )
    return f"printf '{values}' | sudo tee {_FILE} && sudo sysctl --system"


def _refusal() -> int:
    """The error number with which one more watch is refused; 0 if it is granted."""
    try:
        watcher = Inotify()
    except OSError as error:
        return error.errno or errno.EMFILE
    try:
        watcher.add(tempfile.gettempdir(), _IN_CREATE)
    except OSError as error:
        return error.errno or errno.ENOSPC
    finally:
        watcher.close()
    return 0


def _of_this_user() -> Iterator[int]:
    """The watches of each inotify instance of this user's processes, as far as they can be seen."""
    own = os.geteuid()
    for process in Path("/proc").iterdir():
        if not process.name.isdecimal():
            continue
        try:
            if process.stat().st_uid != own:
                continue
            found = [each.name for each in (process / "fd").iterdir() if _is_inotify(each)]
        except OSError:  # it has ended, or is not to be looked into
            continue
        for name in found:
            try:
                text = (process / "fdinfo" / name).read_text()
            except OSError:
                continue
            yield text.count("inotify wd:")


def _is_inotify(descriptor: Path) -> bool:
    try:
        return os.readlink(descriptor) == _LINK  # noqa: PTH115 - it leads to no path
    except OSError:
        return False
