"""The probe: a Claude that is started only to list its capabilities, and ends by itself.

The end of its stdin follows right behind the request, so it does not outlive a server that is
killed.
"""

from __future__ import annotations

import contextlib
import uuid
from pathlib import Path
from tempfile import TemporaryFile

from gevent import subprocess

from opcode_htmx.engines.base import CapabilityCodec, Launcher
from opcode_htmx.engines.identifiers import INITIALIZE_ID
from opcode_htmx.engines.messages import ControlResponse
from opcode_htmx.lib.coerce import Json
from opcode_htmx.runs.processes.claude_process import sweep
from opcode_htmx.runs.processes.process_table import MARK

SECONDS = 20.0
"""A probe takes 0.4 s, and several more with a cold disk."""
ERROR_CHARACTERS = 300


class ProbeFailed(Exception):
    """Claude did not list its capabilities; the text says what happened instead."""


def ask(launcher: Launcher, codec: CapabilityCodec, folder: Path, seconds: float = SECONDS) -> Json:
    """What Claude answers to `initialize` in a folder. Raises ProbeFailed."""
    mark = uuid.uuid4().hex
    command = launcher.probe()
    with TemporaryFile() as output, TemporaryFile() as errors:
        try:
            child = subprocess.Popen(
                command.argv,
                cwd=folder,
                env={**command.environment, MARK: mark},
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=errors,
                start_new_session=True,
            )
        except OSError as error:
            raise ProbeFailed(f"it could not be started: {error.strerror or error}") from error
        try:
            if child.stdin:
                with contextlib.suppress(BrokenPipeError), child.stdin:
                    child.stdin.write(codec.initialize_line())
            child.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            raise ProbeFailed(f"no answer within {seconds:g} s") from None
        finally:
            child.kill()
            child.wait()
            sweep(mark)
        return _answer(_content(output), codec) or _fail(child.returncode, _content(errors))


def _answer(output: bytes, codec: CapabilityCodec) -> Json:
    for line in output.splitlines():
        answer = codec.parse(line) if INITIALIZE_ID.encode() in line else None
        if isinstance(answer, ControlResponse) and answer.ok:
            return answer.response
        if isinstance(answer, ControlResponse):
            raise ProbeFailed(f"Claude refused: {answer.error}")
    return {}


def _fail(status: int, errors: bytes) -> Json:
    last = errors.decode("utf-8", "replace").strip().rpartition("\n")[2][:ERROR_CHARACTERS]
    raise ProbeFailed(f"it ended with status {status}" + (f": {last}" if last else ""))


def _content(file: object) -> bytes:
    file.seek(0)  # type: ignore[attr-defined]
    content: bytes = file.read()  # type: ignore[attr-defined]
    return content
