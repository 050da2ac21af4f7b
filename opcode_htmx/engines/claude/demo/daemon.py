"""The demo API as a process of its own, which outlives the server and ends when unneeded."""

from __future__ import annotations

import argparse
import logging
import os
import secrets
import sys
import time
from pathlib import Path

from opcode_htmx.engines.claude.demo import lease
from opcode_htmx.engines.claude.demo.messages_api import MessagesApi
from opcode_htmx.engines.claude.demo.record import Record
from opcode_htmx.engines.claude.demo.scenarios import demo_scenes

RECORD_NAME = "api.json"
LEASE_NAME = "lease"
SAMPLE_NAME = "sample"
IDLE_SECONDS = 60.0

_CHECK_SECONDS = 2.0
_PIECE_SECONDS = 0.02
_PORT_SECONDS = 1.0
_log = logging.getLogger(__name__)


def main(argv: list[str] | None = None) -> int:
    """Open the port, detach, serve. Returns (0) once the detached process can be asked."""
    parser = argparse.ArgumentParser(
        prog="python -m opcode_htmx.engines.claude.demo", description=__doc__
    )
    parser.add_argument("demo_dir", type=Path, help="its folder, as made by the server")
    parser.add_argument("--idle-seconds", type=float, default=IDLE_SECONDS)
    options = parser.parse_args(argv)
    demo_dir = options.demo_dir.resolve()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    try:
        api = _open(demo_dir)
        # the port listens already, so readers of the record may connect at once
        pid = os.fork()
        if pid:
            Record.of_process(pid, api.port, api.nonce).save(demo_dir / RECORD_NAME)
            return 0
    except OSError as error:
        print(f"The demo's Messages API cannot start: {error}", file=sys.stderr)
        return 1
    _serve(api, demo_dir / LEASE_NAME, options.idle_seconds)
    return 0


def _open(demo_dir: Path) -> MessagesApi:
    """Take the port of last time, which running Claudes still use, or else any."""
    scenes = demo_scenes(demo_dir / SAMPLE_NAME)
    nonce = secrets.token_urlsafe(16)
    last = Record.load(demo_dir / RECORD_NAME)
    # The threads of a killed process may keep its port a moment longer than itself.
    deadline = time.monotonic() + _PORT_SECONDS
    while last:
        try:
            return MessagesApi(scenes, _PIECE_SECONDS, last.port, nonce=nonce, keep_requests=0)
        except OSError:
            if time.monotonic() >= deadline:
                _log.warning("Port %d is taken, using another one.", last.port)
                break
            time.sleep(0.02)
    return MessagesApi(scenes, _PIECE_SECONDS, nonce=nonce, keep_requests=0)


def _serve(api: MessagesApi, lease_path: Path, idle_seconds: float) -> None:
    with api:
        _log.info("The scripted Messages API listens on %s.", api.url)
        needed = time.monotonic()
        while True:
            time.sleep(min(_CHECK_SECONDS, idle_seconds / 4))
            free = lease.take(lease_path, shared=False)
            if free is None or api.active:
                needed = time.monotonic()
            elif time.monotonic() - needed >= idle_seconds:
                break  # `free` stays locked to the end: no new user can start to rely on it
            if free is not None:
                free.release()
        api.close()
        _log.info("Unused for %.0f s, ending.", idle_seconds)
