"""What the process of the index logs: into the files of the server's log, by its settings."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from opcode_htmx.lib.logs.log_files import parts
from opcode_htmx.lib.logs.set_up import LogOptions
from opcode_htmx.sessions.index import indexer
from tests.support.environment import ROOT


def process_of(
    tmp_path: Path, options: LogOptions, database: Path
) -> subprocess.CompletedProcess[str]:
    """Let the process of the index begin, and end at once, as its standard input is closed."""
    config_dir = tmp_path / "claude"
    (config_dir / "projects").mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "opcode_htmx.sessions.index.indexer"]
    return subprocess.run(
        [*command, str(database), str(config_dir), options.as_argument()],
        cwd=ROOT,
        env={"PYTHONUTF8": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def entries(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for path in parts(folder) for line in path.read_text().splitlines()]


def test_it_logs_to_the_files_of_the_server_and_to_stderr_in_the_chosen_form(
    tmp_path: Path,
) -> None:
    folder, database = tmp_path / "logs", tmp_path / "sessions.sqlite"
    database.write_bytes(b"no database" * 100)
    done = process_of(tmp_path, LogOptions(format="json", folder=folder, total=1000), database)
    assert done.returncode == 0, done.stderr
    (entry,) = entries(folder)
    assert (entry["level"], entry["logger"]) == ("warning", "opcode_htmx.index")
    assert "the index of sessions is made again" in str(entry["message"])
    assert json.loads(done.stderr) == entry


def test_it_logs_no_less_than_the_chosen_level_and_to_no_file_that_is_not_wanted(
    tmp_path: Path,
) -> None:
    database = tmp_path / "sessions.sqlite"
    database.write_bytes(b"no database" * 100)
    done = process_of(tmp_path, LogOptions(level="error"), database)
    assert (done.returncode, done.stderr) == (0, "")
    assert not (tmp_path / "logs").exists()


def test_an_error_that_ends_it_is_in_the_log(tmp_path: Path) -> None:
    folder, database = tmp_path / "logs", tmp_path / "a folder that is a file"
    database.write_text("")
    done = process_of(tmp_path, LogOptions(folder=folder), database / "sessions.sqlite")
    assert done.returncode == 1
    (entry,) = entries(folder)
    assert "cannot be kept: OperationalError: unable to open" in str(entry["message"])
    assert "Traceback" not in done.stderr


def test_of_an_unexpected_error_the_place_is_logged_and_not_its_words() -> None:
    with pytest.raises(ValueError, match="secret prompt") as caught:
        raise ValueError("a secret prompt")
    text = indexer._what_failed(caught.value)
    assert text.startswith("ValueError, raised at")
    assert Path(__file__).name in text
    assert "secret prompt" not in text.replace('raise ValueError("a secret prompt")', "")


def test_options_are_the_same_after_they_were_handed_on(tmp_path: Path) -> None:
    for options in (LogOptions(), LogOptions("debug", "json", tmp_path / "é", 5, 6.5, "error")):
        assert LogOptions.of_argument(options.as_argument()) == options
