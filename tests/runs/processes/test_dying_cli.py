"""A CLI that dies at its start, or does not start, is reported and leaves nothing."""

from __future__ import annotations

import json
import os
import uuid
from pathlib import Path

import pytest

from opcode_htmx.runs.control.launcher import CannotStart
from opcode_htmx.runs.control.run import Run
from opcode_htmx.runs.model.lifecycle import Phase
from opcode_htmx.runs.model.record import Outcome
from opcode_htmx.runs.model.run_folder import InputClosed
from tests.support.cli.supervision import BY, FOREVER, Supervision
from tests.support.cli.supervision import until as until_meanwhile

SCRIPTS = {
    "silent": "#!/bin/sh\nexit 0\n",
    "loud": "#!/bin/sh\necho 'no licence for this machine' >&2\nexit 1\n",
    "garbage": "#!/bin/sh\necho 'Segmentation fault' && exit 139\n",
    "killed": "#!/bin/sh\nkill -9 $$\n",
    "reads once": "#!/bin/sh\nread line\necho 'I have seen enough' >&2\nexit 5\n",
}


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("silent", "Claude ended before its answer was complete."),
        ("loud", "Claude ended with exit status 1. no licence for this machine"),
        ("garbage", "Claude ended with exit status 139."),
        ("killed", "Claude was ended from outside by SIGKILL."),
        ("reads once", "Claude ended with exit status 5. I have seen enough"),
    ],
)
def test_cli_that_dies_at_its_start_is_reported_with_its_stderr(
    supervision: Supervision, stand_in: Path, script: str, words: str
) -> None:
    """Either outcome is valid: the prompt races with the end of the process."""
    stand_in.write_text(SCRIPTS[script])
    try:
        run = supervision.prompt("Hello")
    except CannotStart as error:
        said = str(error)
    else:
        assert run.join(10)
        end = run.record.end
        assert end
        said = " ".join([end.cause, *run.folder.error_lines(1)])
    cause, _, last_words = words.partition(". ")
    assert cause.rstrip(".") in said or "at once" in said
    assert last_words in said
    assert supervision.supervisor.live() == []
    until_meanwhile(lambda: not supervision.marked_processes(), "nothing is left")


@pytest.mark.parametrize(
    ("content", "mode", "words"),
    [
        (b"#!/no/such/interpreter\n", 0o755, "/claude is a script whose interpreter is not there"),
        (b"", 0o644, "Permission denied"),
        (b"\x7fELF, but not really", 0o755, "Exec format error"),
        (None, 0, "/claude is not there"),
    ],
)
def test_cli_that_cannot_be_started_is_reported_and_leaves_nothing(
    supervision: Supervision, stand_in: Path, content: bytes | None, mode: int, words: str
) -> None:
    stand_in.unlink()
    if content is not None:
        stand_in.write_bytes(content)
        stand_in.chmod(mode)
    with pytest.raises(CannotStart, match="^Claude could not be started: .*" + words):
        supervision.prompt("Hello")
    assert supervision.supervisor.live() == []
    assert list(supervision.runs_dir.iterdir()) == []


def test_silent_cli_is_starting_until_it_is_stopped(
    supervision: Supervision, stand_in: Path
) -> None:
    stand_in.write_text("#!/bin/sh\nexec sleep 600\n")
    run = supervision.prompt("Hello")
    assert run.phase is Phase.STARTING
    assert run.state.waiting
    run.stop(by=BY)
    assert run.join(10)
    assert run.record.end
    assert (run.record.end.outcome, run.record.end.cause) == (Outcome.CANCELLED, "Stopped by you.")
    assert not run.has_sent(next(iter(run.state.sent))), "it may be sent again"
    until_meanwhile(lambda: not supervision.marked_processes(), "nothing is left")


def is_read(run: Run) -> bool:
    """Whether anybody has Claude's stdin open."""
    try:
        os.close(run.folder.open_input())
    except InputClosed:
        return False
    return True


def test_cli_with_a_closed_stdin_is_reported(supervision: Supervision) -> None:
    session = str(uuid.uuid4())
    run = supervision.prompt(json.dumps([["close", "stdin"], FOREVER]), session)
    until_meanwhile(lambda: not is_read(run), "it has closed it")
    with pytest.raises(Exception, match="takes no more input"):
        supervision.prompt("Are you there?", session)
    assert run.live
    run.stop(by=BY)
    assert run.join(10)
