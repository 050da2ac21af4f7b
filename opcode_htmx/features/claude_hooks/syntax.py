"""Whether bash can read a command: `bash -n`, which runs nothing of it."""

from __future__ import annotations

import shutil

from gevent import subprocess

SECONDS = 5.0
LONGEST = 300
_NAME = "bash: "


def syntax_error(command: str) -> str:
    """What bash says is wrong with a command; empty if nothing is, or if there is no bash."""
    bash = shutil.which("bash")
    if bash is None:
        return ""
    try:
        # no variables, so no BASH_ENV; on stdin, so it is in no list of processes
        checked = subprocess.run(
            [bash, "--noprofile", "--norc", "-n"],
            input=command.encode("utf-8", "replace"),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env={},
            cwd="/",
            timeout=SECONDS,
            start_new_session=True,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    if checked.returncode == 0:
        return ""
    first = checked.stderr.decode("utf-8", "replace").partition("\n")[0].strip()
    return first.removeprefix(bash + ": ").removeprefix(_NAME)[:LONGEST] or "It cannot be read."
