"""Hostile and damaged archives are refused."""

from __future__ import annotations

import gzip
import io
import json
import random
import shutil
import tarfile
import time
import tracemalloc
from pathlib import Path
from types import SimpleNamespace

import pytest

from opcode_htmx.lib.backup.archive import HEADER, MANIFEST
from opcode_htmx.lib.backup.unpack import BadBackup
from tests.lib.backup.backups import files_of, made, restored


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
