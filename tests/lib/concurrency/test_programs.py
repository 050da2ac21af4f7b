"""A program is run to its end within limits, and leaves nothing behind."""

from __future__ import annotations

import contextlib
from pathlib import Path

import psutil
import pytest

from opcode_htmx.lib.concurrency import programs
from opcode_htmx.lib.concurrency.programs import Ended, TookTooLong
from opcode_htmx.lib.process_identity import is_running
from tests.support.cli.supervision import until


def shell(script: str, **more: object) -> Ended:
    limits: dict[str, object] = {"seconds": 20, "most_bytes": 1000}
    argv = ["/bin/sh", "-c", script]
    return programs.run(argv, {"PATH": "/usr/bin:/bin"}, **{**limits, **more})  # type: ignore[arg-type]


def test_what_it_prints_is_bounded_and_what_it_need_not_read_is_dropped() -> None:
    ended = shell("head -c 300000 /dev/zero; echo no >&2; exit 3", stdin=bytes(300_000))
    assert ended == Ended(3, bytes(1000), b"no\n")
    assert shell("cat; echo no >&2", stdin=b"yes\n", joins_errors=True).output == b"yes\nno\n"


def test_a_daemon_that_holds_its_output_does_not_hold_the_answer(tmp_path: Path) -> None:
    script = "setsid sleep 60 & echo $! > daemon; head -c 900 /dev/zero"
    try:
        assert shell(script, folder=tmp_path).output == bytes(900)
    finally:
        psutil.Process(int((tmp_path / "daemon").read_text())).kill()


def test_when_its_time_is_over_all_of_it_ends(tmp_path: Path) -> None:
    cleaned = []
    with pytest.raises(TookTooLong, match=r"longer than 0\.3 seconds"):
        shell(
            "sleep 60 & echo $! > child; wait",
            folder=tmp_path,
            seconds=0.3,
            clean_up=lambda: cleaned.append(1),
        )
    assert cleaned
    with contextlib.suppress(psutil.NoSuchProcess):
        child = psutil.Process(int((tmp_path / "child").read_text()))
        until(lambda: not is_running(child), "the signal has reached it, too")
