"""A worker detects logins that were ended by other workers."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from opcode_htmx.web.auth.logouts import LogoutWatcher
from tests.support.cli.supervision import until

LOGINS = ["a" * 32, "b" * 32]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "logins"
    folder.mkdir()
    for login in LOGINS:
        (folder / login).touch()
    return folder


@pytest.fixture
def ended() -> list[str]:
    return []


@pytest.fixture
def logouts(folder: Path, ended: list[str]) -> Iterator[LogoutWatcher]:
    def in_use() -> set[str]:
        return {"", *LOGINS} - set(ended)

    made = LogoutWatcher(folder, in_use, lambda login: (folder / login).exists(), ended.append)
    made.start()
    yield made
    made.close()


def test_the_sockets_of_a_login_that_ended_elsewhere_are_closed_once(
    folder: Path, logouts: LogoutWatcher, ended: list[str]
) -> None:
    for count, login in enumerate(LOGINS, 1):
        (folder / login).unlink()
        until(lambda count=count: len(ended) == count, "it is noticed")  # type: ignore[misc]
    assert ended == LOGINS


def test_a_socket_without_a_login_stays_open(logouts: LogoutWatcher, ended: list[str]) -> None:
    logouts.check()
    assert ended == []


@pytest.mark.skipif(sys.platform != "linux", reason="what is polled is looked at by its name")
def test_temporarily_unreadable_logins_are_read_later(
    folder: Path, ended: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    broken = [True]

    def is_valid(login: str) -> bool:
        if broken:
            raise OSError("no disk")
        return (folder / login).exists()

    logouts = LogoutWatcher(folder, lambda: {LOGINS[0]} - set(ended), is_valid, ended.append)
    logouts.start()
    (folder / LOGINS[0]).unlink()
    until(lambda: "could not be closed" in caplog.text, "it is logged")
    broken.clear()
    (folder / LOGINS[1]).unlink()
    until(lambda: ended == [LOGINS[0]], "it is noticed")
    logouts.close()
