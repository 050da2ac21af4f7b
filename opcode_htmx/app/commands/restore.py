"""`opcode-htmx restore FILE`: put a backup in the place of the state folder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from opcode_htmx.app import state_folders
from opcode_htmx.app.commands.backup import passphrase_of
from opcode_htmx.app.commands.files import keys_in
from opcode_htmx.app.commands.options import BadUsage, Options, parse
from opcode_htmx.app.commands.outcome import status_of
from opcode_htmx.app.operation import backups
from opcode_htmx.app.operation.backups import Keys, Restored
from opcode_htmx.app.registry import FEATURES
from opcode_htmx.config.settings import Settings
from opcode_htmx.lib.backup import encryption
from opcode_htmx.lib.backup.unpack import BadBackup
from opcode_htmx.lib.formatting import count, format_bytes

SWITCHES = ("--replace", "--passphrase")
WITH_VALUE = ("--identity", "--passphrase-file")


def main(arguments: Sequence[str]) -> int:
    """Restore the backup; the exit status."""
    return status_of(lambda: _restore(arguments), "The backup could not be restored", BadBackup)


def _restore(arguments: Sequence[str]) -> None:
    options = parse(arguments, SWITCHES, WITH_VALUE)
    if len(options.operands) != 1:
        raise BadUsage("Name the file of one backup.")
    keys = _keys(options)
    state = Settings.from_env().state_dir
    with Path(options.operands[0]).open("rb") as file:
        restored = backups.restore(
            file,
            state,
            state_folders.of(FEATURES),
            keys,
            replace="--replace" in options.switches,
        )
    print("\n".join(_report(restored, state)))


def _keys(options: Options) -> Keys:
    name = options.one("--identity")
    identities = encryption.identities_of(keys_in(name)) if name else []
    return Keys(identities=identities, passphrase=passphrase_of(options, repeat=False))


def _report(restored: Restored, state: Path) -> Iterator[str]:
    found = restored.unpacked
    yield f"Restored {count(found.files, 'file')}, {format_bytes(found.total)}, into {state}."
    if restored.kept:
        yield f"What was there is kept in {restored.kept}; remove it when all is well."
    for each in restored.left:
        yield f"{each} was left by a restore that was ended; remove it when all is well."
    if restored.kept_secrets:
        yield "The password and logins are those of the replaced folder."
    elif not restored.has_secrets:
        yield "The backup has no password: the next start makes one and prints it."
