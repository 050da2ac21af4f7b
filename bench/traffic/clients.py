"""Many clients of one server, in a process of their own, and what they have received."""

from __future__ import annotations

import json
import subprocess
import sys
from array import array
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from tests.support.environment import ROOT, SYSTEM_PATH, basic_header

PAUSE = 0.05
"""Seconds between the ticks that the clients wait for."""
GRACE_SECONDS = 30.0
"""How long the last tick may take to arrive everywhere."""


def program_of(address: str) -> dict[str, str]:
    """A client of /ws/claude that follows the session at an address."""
    attach = {"command_type": "attach", "session_id": address.rpartition("/")[2]}
    return {"path": "/ws/claude", "says": json.dumps(attach)}


@contextmanager
def clients_of(
    port: int, group: Sequence[Mapping[str, str]], ticks: int
) -> Iterator[subprocess.Popen[bytes]]:
    """A process with all clients of a kind, once they are connected; each waits for `ticks`."""
    job = {
        "port": port,
        "header": "\r\n".join(f"{name}: {value}" for name, value in basic_header().items()),
        "ticks": ticks,
        "seconds": ticks * PAUSE + GRACE_SECONDS,
        "clients": group,
    }
    command = [sys.executable, "-m", "bench.traffic.crowd"]
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env={"PATH": SYSTEM_PATH},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(json.dumps(job).encode() + b"\n")
        process.stdin.flush()
        assert process.stdout.readline() == b"connected\n", "the clients could not connect"
        try:
            yield process
        finally:
            process.kill()


def received(process: subprocess.Popen[bytes]) -> tuple[array[float], float]:
    """The milliseconds of each line to each client, and the clients' CPU seconds."""
    assert process.stdout is not None
    about = json.loads(process.stdout.readline())
    assert not about["late"], f"did not see the last line: {about['late']}"
    assert not about["missed"], f"{about['missed']} lines were not seen"
    delays = array("d")
    delays.frombytes(process.stdout.read(about["count"] * delays.itemsize))
    return delays, about["cpu"]
