"""Encryption of backups."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any, cast

import pyrage
import pytest

from opcode_htmx.lib.backup import encryption
from opcode_htmx.lib.backup.archive import BackupFailed
from opcode_htmx.lib.backup.unpack import BadBackup
from tests.lib.backup import age_files


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


# Whether ours asks age to open what it had age close: tests/app/commands/backups/test_backup.py.
def test_a_passphrase_opens_what_it_has_closed_and_no_other_one_does() -> None:
    assert decrypt(age_files.CLOSED, passphrase=age_files.PASSPHRASE) == age_files.CONTENT
    with pytest.raises(BadBackup, match="wrong"):
        decrypt(age_files.CLOSED, passphrase="battery staple")
    with pytest.raises(BadBackup, match="--passphrase"):
        decrypt(age_files.CLOSED)


def of_a_machine(work: int) -> bytes:
    """The beginning of a file whose passphrase takes 2 ** `work` rounds, as its writer chose."""
    lines = (b"age-encryption.org/v1", b"-> scrypt EDap9t2je1yRNuvvRkwiRg %d" % work)
    return b"\n".join([*lines, b"A" * 43, b"--- " + b"A" * 43, b"\0" * 32])


def test_backup_of_a_much_faster_machine_is_not_said_to_have_another_passphrase() -> None:
    with pytest.raises(BadBackup, match="too slow, or too busy"):
        decrypt(of_a_machine(40), passphrase="correct horse")
    with pytest.raises(BadBackup, match="wrong"):
        decrypt(of_a_machine(2), passphrase="correct horse")


def test_machine_that_was_busy_for_a_moment_opens_a_backup(monkeypatch: pytest.MonkeyPatch) -> None:
    too_slow = [pyrage.DecryptError("Excessive work parameter for passphrase.")] * 3

    def decrypt_in_time(content: bytes, passphrase: str) -> bytes:
        if too_slow:
            raise too_slow.pop()
        return content[-32:]

    monkeypatch.setattr(pyrage.passphrase, "decrypt", decrypt_in_time)
    assert decrypt(of_a_machine(18), passphrase="correct horse") == b"\0" * 32


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
