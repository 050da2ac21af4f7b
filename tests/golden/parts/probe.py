"""Run a few lines of Python in a clean process with the app importable, and read what it prints."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from tests.support.environment import ROOT


def run(*command: str, environ: Mapping[str, str], timeout: float = 60) -> tuple[int, str, str]:
    """The exit status, stdout and stderr of `python …` in the project's folder."""
    done = subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        env=dict(environ),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def printed(code: str, environ: Mapping[str, str], *arguments: str) -> Any:
    """The JSON that `code` prints."""
    status, output, errors = run("-c", code, *arguments, environ=environ)
    assert status == 0, errors
    return json.loads(output)
