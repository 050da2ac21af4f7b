"""Processes of a run and others: how they are named and started."""

from __future__ import annotations

import uuid
from collections.abc import Callable

from gevent import subprocess

from opcode_htmx.runs.processes.claude_process import ClaudeProcess

RUN = uuid.uuid4().hex  # other tests, at the same time, see these processes too
SLEEP = ("sleep", "60")

Start = Callable[..., ClaudeProcess]
Stray = Callable[..., "subprocess.Popen[bytes]"]
