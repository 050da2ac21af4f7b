"""A worker hears of the logouts in the others."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from opcode_htmx.web.logouts import Logouts

from .supervision import until

LOGINS = ["a" * 32, "b" * 32]


@pytest.fixture
def heard() -> list[str]:
    return []


@pytest.fixture
def logouts(tmp_path: Path, heard: list[str]) -> Iterator[Logouts]:
    made = Logouts(tmp_path / "logouts", heard.append)
    yield made
    made.close()


def test_a_logout_elsewhere_is_heard_once(
    tmp_path: Path, logouts: Logouts, heard: list[str]
) -> None:
    for count, login in enumerate(LOGINS, 1):
        (tmp_path / "logouts" / login).touch()
        until(lambda count=count: len(heard) == count, "it is heard")  # type: ignore[misc]
    assert heard == LOGINS


@pytest.mark.skipif(sys.platform != "linux", reason="what is polled is looked at by its name")
def test_a_folder_that_cannot_be_read_for_a_while_is_read_later(
    tmp_path: Path, logouts: Logouts, heard: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    folder, away = tmp_path / "logouts", tmp_path / "away"
    folder.rename(away)
    (away / LOGINS[0]).touch()
    until(lambda: "could not be seen who has logged out" in caplog.text, "it is told")
    away.rename(folder)
    (folder / LOGINS[1]).touch()
    until(lambda: sorted(heard) == LOGINS, "both are heard")
