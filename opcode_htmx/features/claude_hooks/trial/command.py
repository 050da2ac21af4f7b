"""Run the command of a hook once, as Claude does, and end all that it leaves behind."""

from __future__ import annotations

import contextlib
import os
import signal
import time
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import gevent
from gevent import subprocess

from opcode_htmx.lib.coerce import Json
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.runs.processes.claude_process import sweep
from opcode_htmx.runs.processes.process_table import MARK

SECONDS = 30.0
"""For which a command may run here, whatever its own limit is: a person waits for the page."""
MOST_BYTES = 32 * 1024
"""Of each output that are kept; the rest is read and dropped, so that nothing blocks."""
_CHUNK = 64 * 1024
_SHELLS = ("bash", "zsh", "sh")


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended. `status` is negative for a signal, and None if it did not start."""

    status: int | None
    stdout: str = ""
    stderr: str = ""
    seconds: float = 0.0
    timed_out: bool = False
    problem: str = ""
    """Why it did not start."""


def argv_of(config: Json, variables: Mapping[str, str]) -> list[str]:
    """The command line of a hook: its own arguments, or a shell for it."""
    command = str(config.get("command", ""))
    if isinstance(args := config.get("args"), list):
        return [command, *map(str, args)]
    if config.get("shell") == "powershell":
        return ["pwsh", "-NoProfile", "-NonInteractive", "-Command", command]
    shell = variables.get("SHELL", "")
    return [shell if Path(shell).name in _SHELLS else "bash", "-c", command]


def limit_of(config: Json, most: float = SECONDS) -> float:
    """For how many seconds a hook may run here: as long as it says itself, and not longer."""
    own = config.get("timeout")
    return float(min(most, own)) if isinstance(own, int | float) and own > 0 else most


def run_command(
    config: Json, text: str, folder: Path, variables: Mapping[str, str], most: float = SECONDS
) -> Outcome:
    """Run a hook's command in a folder with a text on stdin, and end its processes."""
    limit = limit_of(config, most)
    mark = uuid.uuid4().hex
    environment = {**variables, "CLAUDE_PROJECT_DIR": str(folder), "PWD": str(folder), MARK: mark}
    try:
        child = subprocess.Popen(
            argv_of(config, variables),
            cwd=folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        return Outcome(None, problem=f"It could not be started: {why}.")
    begun = time.monotonic()
    streams = [each for each in (child.stdin, child.stdout, child.stderr) if each]
    outputs = [gevent.spawn(_read, stream) for stream in streams[1:]]
    greenlets: list[Any] = [
        gevent.spawn(_write, streams[0], text.encode("utf-8", "replace")),
        *outputs,
    ]
    timed_out = False
    try:
        with _ended_with_us(child.pid):
            child.wait(limit)
    except subprocess.TimeoutExpired:
        timed_out = True
    finally:
        seconds = time.monotonic() - begun
        with contextlib.suppress(OSError):  # its own group; what has left it carries the mark
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        sweep(mark)
        gevent.joinall(greenlets, timeout=2)
        gevent.killall(greenlets)
        for stream in streams:
            with contextlib.suppress(OSError):
                stream.close()
    stdout, stderr = (each.value if isinstance(each.value, str) else "" for each in outputs)
    return Outcome(child.returncode, stdout, stderr, seconds, timed_out)


@contextlib.contextmanager
def _ended_with_us(group: int) -> Iterator[None]:
    """End a process group meanwhile if this server is killed: a shell sees the end of its pipe."""
    watch = subprocess.Popen(
        ["sh", "-c", 'read -r _; kill -s KILL -- "-$1"', "sh", str(group)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={"PATH": os.defpath},
        cwd="/",
        start_new_session=True,
    )
    try:
        yield
    finally:
        watch.kill()
        watch.wait()
        if watch.stdin:
            watch.stdin.close()


def _write(stream: IO[bytes], content: bytes) -> None:
    with contextlib.suppress(OSError, ValueError):  # it need not read
        while content:  # unbuffered: a part at a time
            content = content[stream.write(content) :]
        stream.close()


def _read(stream: IO[bytes]) -> str:
    kept = bytearray()
    dropped = 0
    with contextlib.suppress(OSError, ValueError):
        while chunk := stream.read(_CHUNK):  # unbuffered: what is there
            room = MOST_BYTES - len(kept)
            kept += chunk[:room]
            dropped += max(0, len(chunk) - room)
    text = kept.decode("utf-8", "replace")
    return f"{text}\n… and {dropped} bytes more" if dropped else text
