"""Unit tests are checked by their own run: one that starts a server, a browser, a run or the CLI
fails.

A test is a unit test unless a fixture that it uses, at any depth, requests `integration`. A module
whose tests start such a part by a plain function has `pytest.mark.usefixtures("integration")`.
"""

from __future__ import annotations

import functools
import os
import shlex
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from gevent import subprocess as gevent_subprocess

INTEGRATION = "integration"
"""The fixture that separates unit tests from the others."""

SERVER_PROGRAMS = frozenset({"gunicorn", "opcode_htmx", "opcode-htmx", "app.py", "bench", "chaos"})


class StartGuard:
    """While `active`, refuses starts that are forbidden in unit tests."""

    def __init__(self) -> None:
        self.active = False
        self._refused: list[str] = []

    def refuse(self, part: str) -> None:
        """Fail a unit test that starts `part`; `except Exception` in the app does not catch it."""
        if self.active:
            self._refused.append(part)
            pytest.fail(_message(part))

    def check(self) -> None:
        """Fail if anything was refused in a greenlet or a thread, where a failure gets lost."""
        refused, self._refused = self._refused, []
        if refused:
            pytest.fail(_message(refused[0]))

    def watch_processes(self, find_cli: Callable[[], Path | None]) -> None:
        """Check each command that is started from now on by `subprocess` or gevent's."""
        for popen in (subprocess.Popen, gevent_subprocess.Popen):
            self._watch(popen, functools.cache(find_cli))

    def _watch(self, popen: type, find_cli: Callable[[], Path | None]) -> None:
        original = popen.__init__  # type: ignore[misc]

        @functools.wraps(original)
        def init(process: object, args: object, *rest: object, **named: object) -> None:
            if self.active and (part := part_started_by(_words(args), find_cli())):
                self.refuse(part)
            original(process, args, *rest, **named)

        popen.__init__ = init  # type: ignore[misc]


guard = StartGuard()


def part_started_by(words: Sequence[str], cli: Path | None) -> str:
    """The kind of forbidden program that a command starts; "" for none."""
    if cli and str(cli) in words[:1]:
        return "the Claude CLI"
    program = words[2] if words[1:2] == ["-m"] else words[0]
    return "a server" if Path(program).name in SERVER_PROGRAMS else ""


def _words(args: object) -> list[str]:
    if isinstance(args, str):
        return shlex.split(args) or [""]
    if isinstance(args, Sequence) and args:
        return [os.fsdecode(word) for word in args]
    return [os.fsdecode(args)] if isinstance(args, bytes | os.PathLike) else [""]


def _message(part: str) -> str:
    return (
        f"a unit test started {part}: let its fixture request `{INTEGRATION}`, or mark its module "
        f'with pytest.mark.usefixtures("{INTEGRATION}")'
    )
