"""Encrypt and decrypt backups with age: any program for age can read them, and we read its files.

With recipients (public keys) a file of any size is encrypted as it is written, and the machine
itself cannot read it. With a passphrase all of it is in memory for a moment.
"""

from __future__ import annotations

import contextlib
import io
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import pyrage

from opcode_htmx.lib.backup.archive import BackupFailed
from opcode_htmx.lib.backup.unpack import DAMAGED, BadBackup

MOST_IN_MEMORY = 500_000_000
"""Bytes of a file with a passphrase."""
MAX_KEYS = 100_000
"""Bytes of a file with keys or a passphrase."""
TRIES = 20
"""How often age may find this machine too slow: it times one moment of a millisecond."""
_MAGIC = b"age-encryption.org/v1\n"
_WITH_PASSPHRASE = _MAGIC + b"-> scrypt "


def recipients_of(lines: Sequence[str]) -> list[Any]:
    """Public keys: `age1…` or `ssh-…`; lines that are empty or begin with # are passed over.

    Raises BackupFailed for a line that is none.
    """
    found: list[Any] = []
    for line in filter(_is_key, map(str.strip, lines)):
        try:
            kind = pyrage.ssh if line.startswith("ssh-") else pyrage.x25519
            found.append(kind.Recipient.from_str(line))
        except pyrage.RecipientError:
            raise BackupFailed(
                f"{line[:60]!r} is no public key of age; it looks like age1…"
            ) from None
    return found


def identities_of(content: str) -> list[Any]:
    """The secret keys of a file that age-keygen or ssh-keygen has written. Raises BadBackup."""
    try:
        if "PRIVATE KEY-----" in content:
            return [pyrage.ssh.Identity.from_buffer(content.encode())]
        lines = map(str.strip, content.splitlines())
        return [pyrage.x25519.Identity.from_str(line) for line in lines if _is_key(line)]
    except (pyrage.IdentityError, ValueError):
        # Without its cause, which may quote the key
        raise BadBackup("The file with the key holds something else.") from None


def _is_key(line: str) -> bool:
    return bool(line) and not line.startswith("#")


@contextlib.contextmanager
def encrypted(
    out: BinaryIO, recipients: Sequence[Any] = (), passphrase: str = ""
) -> Iterator[BinaryIO]:
    """Write to what this gives, and `out` gets it encrypted; as it is without keys.

    Raises BackupFailed, and what writing to `out` raises.
    """
    if passphrase:
        collected = _Limited()
        yield collected
        out.write(pyrage.passphrase.encrypt(collected.getvalue(), passphrase))
        return
    if not recipients:
        yield out
        return
    with _through_a_thread(
        lambda source: pyrage.encrypt_io(source, out, list(recipients)), is_read_here=False
    ) as pipe:
        yield pipe


@contextlib.contextmanager
def decrypted(
    file: BinaryIO, identities: Sequence[Any] = (), passphrase: str = ""
) -> Iterator[BinaryIO]:
    """The content of a file, decrypted if it is encrypted. Raises BadBackup.

    All bytes read are authentic; whether the file is complete is known only at its end.
    """
    begin = file.read(len(_WITH_PASSPHRASE))
    file.seek(0)
    if not begin.startswith(_MAGIC):
        yield file
    elif begin == _WITH_PASSPHRASE:
        yield io.BytesIO(_decrypted_whole(file, passphrase))
    elif not identities:
        raise BadBackup("This backup is encrypted with a key: name its file with --identity FILE.")
    else:
        with _through_a_thread(
            lambda sink: pyrage.decrypt_io(file, sink, list(identities)), is_read_here=True
        ) as pipe:
            yield pipe


def _decrypted_whole(file: BinaryIO, passphrase: str) -> bytes:
    if not passphrase:
        raise BadBackup("This backup is encrypted with a passphrase: add --passphrase.")
    content = file.read(MOST_IN_MEMORY + 1_000_000)
    for _ in range(TRIES):
        try:
            plain: bytes = pyrage.passphrase.decrypt(content, passphrase)
        except pyrage.DecryptError as error:
            if "Excessive work" in str(error):
                continue
            raise BadBackup("The passphrase is wrong, or the backup is damaged.") from None
        return plain
    raise BadBackup(
        "This machine is too slow, or too busy, to open this backup with its passphrase. Decrypt "
        "it on another one, by “age --decrypt”, and restore what that writes."
    )


@contextlib.contextmanager
def _through_a_thread(work: Callable[[BinaryIO], None], *, is_read_here: bool) -> Iterator[Any]:
    """A pipe whose other end `work` gets, in a thread: age pulls, and tar pushes.

    For programs of their own only: threads that gevent has replaced would wait for each other.
    """
    read_end, write_end = os.pipe()
    ours, theirs = (read_end, write_end) if is_read_here else (write_end, read_end)
    failures: list[Exception] = []

    def run() -> None:
        with os.fdopen(theirs, "wb" if is_read_here else "rb") as end:
            try:
                work(end)
            except Exception as error:
                failures.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        with os.fdopen(ours, "rb" if is_read_here else "wb") as pipe:
            yield pipe
    except Exception as error:
        thread.join()
        if failures and (meant := _meant(failures[0], error)):
            raise meant from None
        raise
    thread.join()
    if failures:
        raise _meant(failures[0], None) or failures[0]


def _meant(failure: Exception, ours: Exception | None) -> Exception | None:
    """The cause of both errors, if it is that of the thread: else it only lost its reader."""
    if isinstance(failure, pyrage.DecryptError):
        return BadBackup("This key does not open the backup, or the backup is damaged.")
    if isinstance(failure, OSError) and "decryption error" in str(failure):
        return BadBackup(DAMAGED)
    if isinstance(failure, pyrage.EncryptError):
        reason = str(failure).rpartition("] ")[2]
        return BackupFailed(f"The backup could not be written ({reason}).")
    return failure if isinstance(ours, BrokenPipeError) else None


class _Limited(io.BytesIO):
    def write(self, data: Any) -> int:
        if self.tell() + len(data) > MOST_IN_MEMORY:
            raise BackupFailed(
                f"With a passphrase a backup may have {MOST_IN_MEMORY // 10**6} MB; encrypt this "
                "one for a key of age, with --recipient."
            )
        return super().write(data)


def passphrase_in(path: Path) -> str:
    """The first line of a file. Raises BadBackup for a file without one, and OSError."""
    with path.open("rb") as file:
        line = file.readline(MAX_KEYS).decode("utf-8", "replace").rstrip("\r\n")
    if not line:
        raise BadBackup(f"{path} holds no passphrase in its first line.")
    return line
