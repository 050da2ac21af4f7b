"""`opcode-htmx backup FILE`: save the state folder, also while the server and runs work in it."""

from __future__ import annotations

import contextlib
import getpass
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from opcode_htmx.app import state_folders
from opcode_htmx.app.commands.files import FileTaken, keys_in, new_file
from opcode_htmx.app.commands.options import BadUsage, Options, parse
from opcode_htmx.app.commands.outcome import status_of
from opcode_htmx.app.operation import backups
from opcode_htmx.app.operation.backups import Keys
from opcode_htmx.app.registry import FEATURES
from opcode_htmx.config.settings import Settings
from opcode_htmx.lib.backup import encryption
from opcode_htmx.lib.backup.archive import BackupFailed, Written
from opcode_htmx.lib.backup.unpack import BadBackup
from opcode_htmx.lib.files.state_dir import StateError
from opcode_htmx.lib.formatting import count, format_bytes

SWITCHES = ("--secrets", "--index", "--passphrase")
WITH_VALUE = ("--recipient", "--recipients-file", "--passphrase-file")
_LISTED = 10


def main(arguments: Sequence[str]) -> int:
    """Write the backup; the exit status."""
    failed = "The backup could not be written"
    return status_of(lambda: _make(arguments), failed, BackupFailed, BadBackup, FileTaken)


def _make(arguments: Sequence[str]) -> None:
    options = parse(arguments, SWITCHES, WITH_VALUE)
    if len(options.operands) != 1:
        raise BadUsage("Name one file to write; - is the standard output.")
    keys = _keys(options)
    state = Settings.from_env().state_dir
    if not state.is_dir():
        raise StateError(f"There is no state folder at {state}; OPCODE_STATE_DIR names it.")
    with _opened(options.operands[0]) as out:
        written = backups.make(
            state,
            state_folders.of(FEATURES),
            out,
            keys,
            with_secrets="--secrets" in options.switches,
            with_index="--index" in options.switches,
        )
    print("\n".join(_report(written, options, keys)), file=sys.stderr)


def _keys(options: Options) -> Keys:
    lines = list(options.values.get("--recipient", []))
    for name in options.values.get("--recipients-file", []):
        lines += keys_in(name).splitlines()
    recipients = encryption.recipients_of(lines)
    if not recipients and options.values.keys() & {"--recipient", "--recipients-file"}:
        raise BadUsage("No public key is given there, so the backup would not be encrypted.")
    passphrase = passphrase_of(options, repeat=True)
    if recipients and passphrase:
        raise BadUsage("Encrypt for recipients or with a passphrase, not both.")
    return Keys(recipients=recipients, passphrase=passphrase)


def passphrase_of(options: Options, *, repeat: bool) -> str:
    """What is typed, or in the file; empty if none is asked for. Never an argument: others see it.

    Raises BadUsage, BadBackup, OSError.
    """
    name = options.one("--passphrase-file")
    if "--passphrase" not in options.switches:
        return encryption.passphrase_in(Path(name)) if name else ""
    if name:
        raise BadUsage("Type the passphrase or name its file, not both.")
    try:
        typed = getpass.getpass("Passphrase: ")
        if repeat and typed != getpass.getpass("The same again: "):
            raise BadUsage("The two are not the same.")
    except EOFError:
        raise BadUsage("There is no terminal to type it at: use --passphrase-file.") from None
    if not typed:
        raise BadUsage("An empty passphrase protects nothing.")
    return typed


@contextlib.contextmanager
def _opened(name: str) -> Iterator[BinaryIO]:
    """A new private file, or the standard output. Raises BadUsage, FileTaken, OSError."""
    if name != "-":
        with new_file(Path(name)) as file:
            yield file
        return
    if sys.stdout.isatty():
        raise BadUsage("A backup is no text for a terminal: name a file.")
    yield sys.stdout.buffer
    sys.stdout.buffer.flush()


def _report(written: Written, options: Options, keys: Keys) -> Iterator[str]:
    yield f"{count(written.files, 'file')}, {format_bytes(written.total)} before they were packed."
    if "--secrets" not in options.switches:
        yield "Without the password, logins and keys."
    elif not (keys.recipients or keys.passphrase):
        yield "It holds the password and logins, and is not encrypted: keep it to yourself."
    if written.left_out:
        yield f"Left out, as they are links, devices or cannot be read ({len(written.left_out)}):"
        yield from (f"  {name!r}" for name in written.left_out[:_LISTED])
