"""A backup that is made while a folder is written in fits together, and is what comes back."""

from __future__ import annotations

import gzip
import io
import json
import os
import random
import shutil
import sqlite3
import stat
import subprocess
import sys
import tarfile
import threading
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pyrage
import pytest

from opcode_htmx.lib.backup import archive, encryption, unpack
from opcode_htmx.lib.backup.archive import HEADER, MANIFEST, BackupFailed
from opcode_htmx.lib.backup.unpack import BadBackup

NAMES = ("runs", "marks.json", "index", "attached", "trees")


@pytest.fixture
def state(tmp_path: Path) -> Path:
    state = tmp_path / "state"
    (state / "runs" / "one").mkdir(parents=True)
    (state / "marks.json").write_text("{}")
    (state / "runs" / "one" / "run.json").write_text('{"id": "one"}')
    (state / "runs" / "one" / "out.ndjson").write_bytes(b'{"a": 1}\n{"a": 2}\n{"a"')
    os.mkfifo(state / "runs" / "one" / "in")
    (state / "runs" / "one" / "owner").touch()
    return state


def made(state: Path, names: tuple[str, ...] = NAMES) -> bytes:
    out = io.BytesIO()
    archive.write(state, names, out, {"program": "1"})
    return out.getvalue()


def restored(backup: bytes, folder: Path, names: tuple[str, ...] = NAMES) -> unpack.Unpacked:
    folder.mkdir(exist_ok=True)
    return unpack.unpack(io.BytesIO(backup), folder, names)


def files_of(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


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


# --- hostile and damaged archives -----------------------------------------------------------


def tar_of(*members: tuple[tarfile.TarInfo, bytes], header: object = None) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz", format=tarfile.PAX_FORMAT) as tar:
        content = json.dumps({"format": 1} if header is None else header).encode()
        first = tarfile.TarInfo(HEADER)
        first.size = len(content)
        tar.addfile(first, io.BytesIO(content))
        for member, data in members:
            tar.addfile(member, io.BytesIO(data))
    return out.getvalue()


def member(
    name: str, kind: bytes = tarfile.REGTYPE, **more: object
) -> tuple[tarfile.TarInfo, bytes]:
    found = tarfile.TarInfo(name)
    found.type = kind
    for key, value in more.items():
        setattr(found, key, value)
    return found, b"x" * (found.size if kind == tarfile.REGTYPE else 0)


HOSTILE = {
    "a link": member("runs/x", tarfile.SYMTYPE, linkname="/etc/passwd"),
    "a hard link": member("runs/x", tarfile.LNKTYPE, linkname="marks.json"),
    "a device": member("runs/x", tarfile.CHRTYPE),
    "a pipe": member("runs/x", tarfile.FIFOTYPE),
    "a sparse file": member("runs/x", tarfile.GNUTYPE_SPARSE),
    "a way up": member("runs/../../x"),
    "a way up at once": member("../x"),
    "an absolute path": member("/tmp/x"),
    "an empty part": member("runs//x"),
    "a dot": member("runs/./x"),
    "another name": member("home/x"),
    "a secret": member("secret_key"),
    "a long name": member("runs/" + "x" * 3000),
    "a negative size": member("runs/x", pax_headers={"size": "-1024"}),
    "a sparse file by header": member(
        "runs/x", size=512, pax_headers={"GNU.sparse.major": "1", "GNU.sparse.minor": "0"}
    ),
    "a huge header": member("runs/x", pax_headers={"comment": "x" * 2_000_000}),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_what_no_backup_of_ours_has_is_refused(tmp_path: Path, what: str) -> None:
    with pytest.raises(BadBackup) as refused:
        restored(tar_of(HOSTILE[what]), tmp_path / "new")
    assert str(refused.value).endswith(".")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new"]
    assert files_of(tmp_path / "new") == {}


def raw(kind: bytes, content: bytes, **more: int) -> bytes:
    """A block of a header, of any kind, and its content."""
    header = bytearray(member("runs/x", kind, size=len(content))[0].tobuf(tarfile.USTAR_FORMAT))
    header[482] = more.get("extended", 0)
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header) + content + b"\0" * (-len(content) % 512)


HOLES = (b"00000000001\0" * 2 * 21).ljust(504, b"\0") + b"\1" + b"\0" * 7
"""One block of a list of holes that goes on in the next one."""
IN_MEMORY = {
    "headers beside headers": raw(tarfile.XHDTYPE, b"13 comment=x\n") * 5000,
    "what is said of all members": raw(tarfile.XGLTYPE, b"13 comment=x\n") * 100,
    "digits": raw(tarfile.XHDTYPE, b"1" * 90_000),
    "holes": raw(tarfile.GNUTYPE_SPARSE, b"", extended=1) + HOLES * 40_000,
    "holes in the content": raw(tarfile.XHDTYPE, b"22 GNU.sparse.major=1\n22 GNU.sparse.minor=0\n")
    + raw(tarfile.REGTYPE, b"9000000000\n" + b"1\n" * 4_000_000),
}


@pytest.mark.parametrize("what", IN_MEMORY)
def test_what_tar_says_beside_a_member_takes_neither_memory_nor_time(
    tmp_path: Path, what: str
) -> None:
    plain = gzip.decompress(tar_of()).rstrip(b"\0")
    plain += b"\0" * (-len(plain) % 512)
    bomb = gzip.compress(plain + IN_MEMORY[what], compresslevel=1)
    began = time.process_time()
    tracemalloc.start()
    try:
        with pytest.raises(BadBackup, match="damaged"):
            restored(bomb, tmp_path / "new")
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()
    assert time.process_time() - began < 2


@pytest.mark.parametrize(
    "members",
    [
        (member("marks.json"), member("marks.json")),
        (member("runs", tarfile.DIRTYPE), member("runs")),
        (member("runs"), member("runs/x")),
    ],
)
def test_an_entry_that_comes_twice_is_refused(
    tmp_path: Path, members: tuple[tuple[tarfile.TarInfo, bytes], ...]
) -> None:
    with pytest.raises(BadBackup, match="twice"):
        restored(tar_of(*members), tmp_path / "new")


def test_a_bomb_is_refused_before_it_fills_the_disk(
    state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=300_000_000))
    bomb = tar_of(member("runs/bomb", size=80_000_000))
    assert len(bomb) < 200_000
    with pytest.raises(BadBackup, match="more space than the disk has"):
        restored(bomb, tmp_path / "new")
    assert files_of(tmp_path / "new") == {}


@pytest.mark.parametrize("header", [[], {}, {"format": "1"}, {"format": 0}, {"format": True}, "x"])
def test_what_has_no_header_of_ours_is_no_backup(tmp_path: Path, header: object) -> None:
    with pytest.raises(BadBackup, match="no backup of opcode-htmx"):
        restored(tar_of(header=header), tmp_path / "new")


def test_a_newer_backup_is_refused_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(BadBackup, match="newer version of opcode-htmx; install that one"):
        restored(tar_of(header={"format": 2}), tmp_path / "new")


def test_every_cut_and_every_changed_byte_is_noticed(state: Path, tmp_path: Path) -> None:
    backup = made(state)
    assert restored(backup, tmp_path / "whole").files == 3
    rng = random.Random(7)  # noqa: S311
    for number in range(60):
        at = rng.randrange(len(backup))
        cut = backup[:at]
        changed = backup[:at] + bytes([backup[at] ^ 1 << rng.randrange(8)]) + backup[at + 1 :]
        for kind, broken in (("cut", cut), ("changed", changed)):
            new = tmp_path / f"{kind}-{number}"
            try:
                restored(broken, new)
            except BadBackup:
                continue
            # only what gzip says of itself may change, and the end behind the last member
            assert files_of(new) == files_of(tmp_path / "whole")


def test_a_file_of_another_content_than_the_manifest_says_is_refused(
    state: Path, tmp_path: Path
) -> None:
    plain = gzip.decompress(made(state))
    assert plain.count(b'{"id": "one"}') == 1
    other = gzip.compress(plain.replace(b'{"id": "one"}', b'{"id": "two"}'))
    with pytest.raises(BadBackup, match="damaged"):
        restored(other, tmp_path / "new")


def test_members_behind_the_end_are_refused(state: Path, tmp_path: Path) -> None:
    out = io.BytesIO()
    with (
        tarfile.open(fileobj=io.BytesIO(made(state))) as found,
        tarfile.open(fileobj=out, mode="w:gz", format=tarfile.PAX_FORMAT) as tar,
    ):
        for each in found:
            tar.addfile(each, found.extractfile(each))
        assert each.name == MANIFEST
        tar.addfile(*[(m, io.BytesIO(data)) for m, data in [member("runs/late")]][0])
    with pytest.raises(BadBackup, match="behind its end"):
        restored(out.getvalue(), tmp_path / "new")


@pytest.mark.parametrize("content", [b"", b"x", b"\x1f\x8b", b"PK\x03\x04", b"\0" * 2000])
def test_other_files_are_no_backup(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(BadBackup):
        restored(content, tmp_path / "new")


# --- encryption -----------------------------------------------------------------------------


def encrypt(content: bytes, **keys: object) -> bytes:
    out = io.BytesIO()
    with encryption.encrypted(out, **keys) as sink:  # type: ignore[arg-type]
        sink.write(content)
    return out.getvalue()


def decrypt(content: bytes, **keys: object) -> bytes:
    with encryption.decrypted(io.BytesIO(content), **keys) as source:  # type: ignore[arg-type]
        return source.read()


CONTENT = bytes(range(256)) * 10_000


def test_a_recipient_and_nobody_else_reads_it() -> None:
    key, other = pyrage.x25519.Identity.generate(), pyrage.x25519.Identity.generate()
    lines = ["# mine", "", str(key.to_public())]
    found = encrypt(CONTENT, recipients=encryption.recipients_of(lines))
    assert found.startswith(b"age-encryption.org/v1\n")
    assert decrypt(found, identities=encryption.identities_of(f"# created\n{key}\n")) == CONTENT
    with pytest.raises(BadBackup, match="does not open"):
        decrypt(found, identities=[other])
    with pytest.raises(BadBackup, match="--identity"):
        decrypt(found)
    with pytest.raises(BadBackup, match="damaged"):
        decrypt(found[:-20], identities=[key])


def test_a_passphrase_opens_what_it_has_closed() -> None:
    found = encrypt(CONTENT, passphrase="correct horse")
    assert decrypt(found, passphrase="correct horse") == CONTENT
    with pytest.raises(BadBackup, match="wrong"):
        decrypt(found, passphrase="battery staple")
    with pytest.raises(BadBackup, match="--passphrase"):
        decrypt(found)


def test_with_a_passphrase_a_backup_is_no_larger_than_the_memory_allows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(encryption, "MOST_IN_MEMORY", 1000)
    with pytest.raises(BackupFailed, match="--recipient"):
        encrypt(CONTENT, passphrase="x")


def test_without_keys_nothing_is_changed() -> None:
    assert encrypt(CONTENT) == CONTENT == decrypt(CONTENT)


def test_an_error_of_the_disk_is_told_and_not_hidden_by_the_pipe() -> None:
    class Full(io.RawIOBase):
        def writable(self) -> bool:
            return True

        def write(self, data: object) -> int:
            raise OSError(28, "No space left on device")

    key, full = pyrage.x25519.Identity.generate().to_public(), cast("Any", Full())
    with (
        pytest.raises(BackupFailed, match="No space left"),
        encryption.encrypted(full, [key]) as sink,
    ):
        for _ in range(100):
            sink.write(CONTENT)


@pytest.mark.parametrize(
    ("of", "text", "error"),
    [
        (encryption.recipients_of, ["age1nonsense"], BackupFailed),
        (encryption.recipients_of, ["ssh-ed25519 AAAA"], BackupFailed),
        (encryption.identities_of, "AGE-SECRET-KEY-1NONSENSE", BadBackup),
        (encryption.identities_of, "-----BEGIN OPENSSH PRIVATE KEY-----\nx", BadBackup),
    ],
)
def test_a_key_that_is_none_is_named_without_being_shown(
    of: Callable[[object], object], text: object, error: type[Exception]
) -> None:
    with pytest.raises(error) as refused:
        of(text)
    assert "NONSENSE" not in str(refused.value)
