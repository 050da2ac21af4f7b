"""A backup that is made while a folder is written fits together."""

from __future__ import annotations

import io
import json
import os
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

from opcode_htmx.lib.backup import archive
from opcode_htmx.lib.backup.archive import HEADER
from tests.lib.backup.backups import NAMES, files_of, made, restored


def test_what_is_restored_is_what_was_there_without_pipes_locks_and_half_lines(
    state: Path, tmp_path: Path
) -> None:
    odd = (
        state
        / "attached"
        / "s"
        / ("grüße \n" + "x" * 200 + b"\xff".decode("utf-8", "surrogateescape"))
    )
    odd.parent.mkdir(parents=True)
    odd.write_bytes(bytes(range(256)) * 5000)
    (state / "attached" / "s" / "tool").write_bytes(b"#!/bin/sh\n")
    (state / "attached" / "s" / "tool").chmod(0o755)
    (state / "attached" / "empty").mkdir()
    (state / f".marks.json-{'0' * 16}").write_text("half")
    (state / "runs" / "x.lock").touch()
    (state / "secret_key").write_text("not asked for")
    os.utime(state / "marks.json", (1_700_000_000, 1_700_000_000))
    found = restored(made(state), tmp_path / "new")
    new = tmp_path / "new"
    assert files_of(new) == {
        "marks.json": b"{}",
        "runs/one/run.json": b'{"id": "one"}',
        "runs/one/out.ndjson": b'{"a": 1}\n{"a": 2}\n',
        str(odd.relative_to(state)): odd.read_bytes(),
        "attached/s/tool": b"#!/bin/sh\n",
    }
    assert (found.files, found.header["program"]) == (5, "1")
    assert (new / "attached" / "empty").is_dir()
    assert (new / "marks.json").stat().st_mtime == 1_700_000_000
    modes = {stat.S_IMODE(path.stat().st_mode) for path in new.rglob("*")}
    assert modes == {0o600, 0o700}
    assert stat.S_IMODE((new / "attached" / "s" / "tool").stat().st_mode) == 0o700


def test_files_of_people_are_copied_as_they_are_whatever_their_names(
    state: Path, tmp_path: Path
) -> None:
    folder = state / "attached" / "s"
    folder.mkdir(parents=True)
    names = ("Cargo.lock", "lock", "owner", "a.log", "b.ndjson", "c.sqlite", "c.sqlite-wal")
    for name in names:
        (folder / name).write_bytes(b"two\nlines and a half")
    out = io.BytesIO()
    archive.write(state, NAMES, out, {}, verbatim=("attached",))
    restored(out.getvalue(), tmp_path / "new")
    assert files_of(tmp_path / "new" / "attached" / "s") == dict.fromkeys(
        names, b"two\nlines and a half"
    )
    assert (tmp_path / "new" / "runs" / "one" / "out.ndjson").read_bytes().endswith(b"}\n")


def test_any_tar_can_unpack_it(state: Path, tmp_path: Path) -> None:
    (tmp_path / "b.tar.gz").write_bytes(made(state))
    (tmp_path / "out").mkdir()
    command = ["tar", "-xzf", str(tmp_path / "b.tar.gz"), "-C", str(tmp_path / "out")]
    subprocess.run(command, check=True, timeout=60)
    assert (tmp_path / "out" / "runs" / "one" / "run.json").read_text() == '{"id": "one"}'
    assert json.loads((tmp_path / "out" / HEADER).read_text())["format"] == 1


def test_a_link_is_named_and_left_out(state: Path, tmp_path: Path) -> None:
    (state / "attached").mkdir()
    (state / "attached" / "link").symlink_to("/etc/passwd")
    written = archive.write(state, NAMES, io.BytesIO(), {})
    assert written.left_out == ["attached/link"]


WRITERS = """
import sys, time
from pathlib import Path
run = Path(sys.argv[1])
with (run / "in.ndjson").open("ab") as given, (run / "out.ndjson").open("ab") as out:
    number = 0
    while True:
        given.write(b'{"n": %d}\\n' % number); given.flush()
        line = b'{"n": %d, "x": "%s"}\\n' % (number, b"x" * (number % 5000))
        out.write(line[:9]); out.flush()
        out.write(line[9:]); out.flush()
        number += 1
        time.sleep(0.001)
"""


def test_a_run_that_writes_meanwhile_is_cut_at_one_moment(state: Path, tmp_path: Path) -> None:
    """No output without the input before it, whole lines only, and a record that knows no more."""
    run = state / "runs" / "one"
    (run / "out.ndjson").unlink()
    writer = subprocess.Popen([sys.executable, "-c", WRITERS, str(run)])
    try:
        while not (run / "out.ndjson").exists() or (run / "out.ndjson").stat().st_size < 100_000:
            time.sleep(0.01)
        for attempt in range(8):
            new = tmp_path / f"new-{attempt}"
            restored(made(state), new)
            lines = {}
            for name in ("in.ndjson", "out.ndjson"):
                content = (new / "runs" / "one" / name).read_bytes()
                assert content.endswith(b"\n")
                lines[name] = [json.loads(line)["n"] for line in content.splitlines()]
                assert lines[name] == list(range(len(lines[name])))
            assert len(lines["out.ndjson"]) <= len(lines["in.ndjson"])
    finally:
        writer.kill()
        writer.wait()


def test_a_run_that_has_ended_is_restored_with_all_of_its_lines(
    state: Path, tmp_path: Path
) -> None:
    """A record never says that a run has ended without the lines up to that."""
    over = threading.Event()

    def live() -> None:
        number = 0
        while not over.is_set():
            run = state / "runs" / f"run-{number:04}"
            run.mkdir()
            (run / "run.json").write_text('{"ended": false}')
            with (run / "out.ndjson").open("ab") as out:
                for _ in range(20):
                    out.write(b'{"line": 1}\n')
                    out.flush()
            (run / ".new").write_text('{"ended": true}')
            (run / ".new").replace(run / "run.json")
            number += 1
            time.sleep(0.005)

    thread = threading.Thread(target=live)
    thread.start()
    ended = 0
    try:
        for attempt in range(8):
            new = tmp_path / f"new-{attempt}"
            restored(made(state), new)
            for run in (new / "runs").glob("run-*"):
                record = run / "run.json"  # missing where the run began meanwhile
                if record.exists() and json.loads(record.read_text())["ended"]:
                    ended += 1
                    assert (run / "out.ndjson").read_bytes() == b'{"line": 1}\n' * 20
    finally:
        over.set()
        thread.join()
    assert ended


def test_a_database_is_copied_while_a_transaction_is_open(state: Path, tmp_path: Path) -> None:
    (state / "index").mkdir()
    path = state / "index" / "sessions.sqlite"
    database = sqlite3.connect(path)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("CREATE TABLE numbers (n)")
    database.executemany("INSERT INTO numbers VALUES (?)", [(n,) for n in range(5000)])
    database.commit()
    database.execute("DELETE FROM numbers")  # and not committed
    assert (state / "index" / "sessions.sqlite-wal").stat().st_size
    restored(made(state), tmp_path / "new")
    assert sorted(files_of(tmp_path / "new" / "index")) == ["sessions.sqlite"]
    copy = sqlite3.connect(tmp_path / "new" / "index" / "sessions.sqlite")
    assert copy.execute("SELECT count(*) FROM numbers").fetchone() == (5000,)
    assert copy.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    copy.close()
    database.close()
