"""Checks of the machine: disk, state folder, inotify, clock; each says what to do."""

from __future__ import annotations

import os
import sys
import time
from collections import namedtuple
from pathlib import Path

import psutil
import pytest

from opcode_htmx.lib.files.inotify import Inotify
from opcode_htmx.sessions.health import clock, limits, storage, tools
from opcode_htmx.sessions.health.check import State
from tests.sessions.health.support import settings_of

Partition = namedtuple("Partition", "mountpoint fstype")


def test_a_disk_with_too_little_room_for_a_run_is_a_problem(tmp_path: Path) -> None:
    found = storage.disk(settings_of(tmp_path, OPCODE_MIN_FREE="900T"))
    assert found.state is State.PROBLEM
    assert "a run needs" in found.summary
    assert found.command.startswith("du ")
    assert str(tmp_path) in found.command


def test_a_disk_that_will_soon_have_too_little_room_is_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage, "free_bytes", lambda folder: 300 * 1024 * 1024)
    found = storage.disk(settings_of(tmp_path))
    assert (found.state, "are free" in found.summary) == (State.WARNING, True)


def test_a_disk_without_inodes_is_a_warning_and_one_that_counts_none_is_fine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage, "_free_inodes", lambda folder: 12)
    found = storage.disk(settings_of(tmp_path, OPCODE_MIN_FREE="1"))
    assert (found.state, "only 12 more files" in found.summary) == (State.WARNING, True)
    monkeypatch.setattr(storage, "_free_inodes", lambda folder: None)
    assert storage.disk(settings_of(tmp_path, OPCODE_MIN_FREE="1")).state is State.OK


def test_a_state_folder_of_ones_own_is_fine_and_one_that_is_not_there_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage, "file_system", lambda folder: "ext4")
    settings = settings_of(tmp_path)
    assert storage.state_folder(settings).summary == "It is made at the first start."
    settings.state_dir.mkdir(mode=0o700)
    found = storage.state_folder(settings)
    assert (found.state, found.facts["Rights"]) == (State.OK, "0700")


def test_a_state_folder_that_others_write_to_is_a_problem(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    settings.state_dir.mkdir()
    settings.state_dir.chmod(0o770)
    found = storage.state_folder(settings)
    assert (found.state, found.command) == (State.PROBLEM, f"chmod 700 {settings.state_dir}")


def test_a_file_in_place_of_the_state_folder_is_a_problem(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    settings.state_dir.touch()
    assert storage.state_folder(settings).state is State.PROBLEM


def test_secrets_that_others_may_read_are_a_warning_with_the_command_that_closes_them(
    tmp_path: Path,
) -> None:
    settings = settings_of(tmp_path)
    settings.state_dir.mkdir(mode=0o700)
    (settings.state_dir / "password").touch(mode=0o644)
    found = storage.state_folder(settings)
    assert (found.state, found.command) == (
        State.WARNING,
        f"chmod 600 {settings.state_dir}/password",
    )


@pytest.mark.parametrize(("kind", "word"), [("nfs4", "network"), ("tmpfs", "memory")])
def test_a_state_folder_on_another_machine_or_in_memory_is_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, word: str
) -> None:
    settings = settings_of(tmp_path)
    settings.state_dir.mkdir(mode=0o700)
    mounts = [Partition("/", "ext4"), Partition(str(tmp_path), kind), Partition("/else", "xfs")]
    monkeypatch.setattr(psutil, "disk_partitions", lambda all: mounts)
    found = storage.state_folder(settings)
    assert (found.state, word in found.summary) == (State.WARNING, True)


@pytest.mark.skipif(sys.platform != "linux", reason="inotify is of Linux")
def test_few_inotify_watches_are_a_warning_and_none_left_is_a_problem(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "_limit", lambda name: 1_000_000)
    assert limits.inotify().state is State.OK
    monkeypatch.setattr(limits, "_limit", lambda name: 100)
    few = limits.inotify()
    assert (few.state, "sysctl" in few.command) == (State.WARNING, True)
    monkeypatch.setattr(limits, "_refusal", lambda: 28)
    none = limits.inotify()
    assert (none.state, "no inotify watch left" in none.summary) == (State.PROBLEM, True)


@pytest.mark.skipif(sys.platform != "linux", reason="inotify is of Linux")
def test_the_inotify_watches_of_this_user_are_counted(tmp_path: Path) -> None:
    number = 211  # which no other instance of this machine has by chance
    watcher = Inotify()
    try:
        for each in range(number):
            (folder := tmp_path / str(each)).mkdir()
            watcher.add(folder, limits._IN_CREATE)
        assert number in limits._of_this_user()
    finally:
        watcher.close()


def test_elsewhere_than_on_linux_files_are_polled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert "polling" in limits.inotify().summary


def test_a_file_from_the_future_is_a_warning_about_the_clock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tools, "ask", lambda *argv: None)
    settings = settings_of(tmp_path)
    run = settings.state_dir / "runs" / "one"
    run.mkdir(parents=True)
    fine = clock.clock(settings)
    assert (fine.state, fine.facts["Set by the network"]) == (State.OK, "not known")
    os.utime(run, (time.time() + 7200,) * 2)
    found = clock.clock(settings)
    assert (found.state, "in the future" in found.summary) == (State.WARNING, True)


def test_a_clock_that_nothing_sets_is_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tools, "ask", lambda *argv: tools.Output(0, "no"))
    found = clock.clock(settings_of(tmp_path))
    assert (found.state, "set-ntp true" in found.command) == (State.WARNING, True)
