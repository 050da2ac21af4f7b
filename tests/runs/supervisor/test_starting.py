"""Starting a run: what Claude is started with, and what is said if it cannot be."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import psutil
import pytest

from opcode_htmx.engines.claude.protocol import argv
from opcode_htmx.lib.files.disk_space import DiskFull
from opcode_htmx.runs.control.launcher import CannotStart
from opcode_htmx.runs.model import run_folder as folder_module
from opcode_htmx.runs.model.record import RunRecord
from opcode_htmx.runs.processes import claude_process as process_module
from opcode_htmx.runs.supervisor import RunNotFound
from tests.runs.supervisor.watching import pid_of
from tests.support.cli.supervision import Supervision, idle, record_on_disk, steps, texts, until


def test_a_prompt_starts_claude_which_answers(supervision: Supervision) -> None:
    run = idle(supervision.prompt("Hello"))
    assert texts(run) == ["Hello"]
    assert run.state.turns == 1
    assert supervision.supervisor.get(run.id) is run
    assert supervision.supervisor.live() == [run]


def test_record_has_pid_and_start_time(supervision: Supervision) -> None:
    run = supervision.prompt("Hello")
    record = record_on_disk(run)
    process = psutil.Process(pid_of(run))
    assert record["pid"] == process.pid
    assert record["process_started_at"] == process.create_time()
    assert record["project_path"] == str(supervision.sandbox.project)
    assert record["end"] is None
    assert record["id"] == run.folder.path.name


def test_claude_is_started_with_the_expected_folder_umask_and_environment(
    supervision: Supervision,
) -> None:
    umask = os.umask(0o077)
    os.umask(umask)
    run = idle(supervision.prompt(steps(["report"])))
    report: dict[str, Any] = json.loads(texts(run)[0])
    assert report["folder"] == str(supervision.sandbox.project)
    assert report["umask"] == umask
    environment = report["environment"]
    assert environment.pop("OPCODE_RUN_ID") == run.id
    assert environment.pop("OPCODE_RUN_FOLDER") == str(run.folder.path)
    environment.pop("LC_CTYPE", None)  # CPython's own
    assert environment.pop("PWD") == str(supervision.sandbox.project)
    own = {**argv.FORWARD_SUBAGENT_ENV, **argv.REWIND_ENV}
    assert environment == {**own, **supervision.sandbox.environment()}


def test_a_prompt_is_in_no_argument(supervision: Supervision) -> None:
    run = idle(supervision.prompt("A secret prompt"))
    arguments = " ".join(psutil.Process(pid_of(run)).cmdline())
    assert run.record.session_id in arguments
    assert "secret" not in arguments


def test_an_unknown_run_is_not_found(supervision: Supervision) -> None:
    with pytest.raises(RunNotFound, match="no such run"):
        supervision.supervisor.get("0" * 32)


def test_a_project_that_is_gone_is_named(supervision: Supervision) -> None:
    supervision.sandbox.project.rmdir()
    with pytest.raises(CannotStart, match=f"{supervision.sandbox.project} does not exist any more"):
        supervision.prompt("Hello")
    assert_nothing_is_left(supervision)


def test_non_executable_claude_is_reported(supervision: Supervision, stand_in: Path) -> None:
    stand_in.chmod(0o644)
    with pytest.raises(CannotStart, match=r"could not be started: Permission denied\."):
        supervision.prompt("Hello")
    assert_nothing_is_left(supervision)


def test_invalid_claude_binary_is_reported(supervision: Supervision, stand_in: Path) -> None:
    stand_in.write_bytes(b"\x7fELF, but not really")
    with pytest.raises(CannotStart, match=r"could not be started: Exec format error\."):
        supervision.prompt("Hello")
    assert_nothing_is_left(supervision)


def test_uncreatable_runs_folder_is_reported(supervision: Supervision) -> None:
    supervision.sandbox.state.mkdir()
    supervision.runs_dir.write_text("not a folder")
    with pytest.raises(CannotStart, match="could not be started"):
        supervision.prompt("Hello")


def test_claude_that_exits_before_reading_is_reported_with_its_stderr(
    supervision: Supervision, stand_in: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go = stand_in.with_name("go")  # else a busy machine would see it end before its start is over
    wait = f"until test -e {go}; do sleep 0.01; done"
    stand_in.write_text(f"#!/bin/sh\n{wait}\necho 'no licence' >&2\nexit 7\n")
    spawn = process_module.spawn

    def spawn_and_see_it_end(*arguments: Any) -> process_module.ClaudeProcess:
        started = spawn(*arguments)
        go.touch()
        started.wait()
        return started

    monkeypatch.setattr(process_module, "spawn", spawn_and_see_it_end)
    with pytest.raises(CannotStart, match=r"ended with exit status 7\. no licence"):
        supervision.prompt("Hello")


def test_a_record_that_cannot_be_written_leaves_no_process_behind(
    supervision: Supervision, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = folder_module.RunFolder.store

    def full_disk(folder: folder_module.RunFolder, record: RunRecord) -> None:
        if record.pid is not None:
            raise OSError(28, "No space left on device")
        store(folder, record)

    monkeypatch.setattr(folder_module.RunFolder, "store", full_disk)
    with pytest.raises(DiskFull, match="disk is full"):
        supervision.prompt("Hello")
    assert_nothing_is_left(supervision)


def assert_nothing_is_left(supervision: Supervision) -> None:
    assert supervision.supervisor.live() == []
    assert not supervision.runs_dir.exists() or list(supervision.runs_dir.iterdir()) == []
    until(lambda: not supervision.marked_processes(), "no process is left")
