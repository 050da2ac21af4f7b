"""The format of the whole state folder, by which a program refuses one that it cannot read.

Each file in it has a version of its own (see lib/files/json_files.py). The format is one number for
all of them: it grows when a program that does not know what is new would do harm, such as starting
an agent's session without its limits. A program reads its own format and the one before.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path

from opcode_htmx.lib import bounded_json
from opcode_htmx.lib.files import atomic_files
from opcode_htmx.lib.files.state_dir import StateError
from opcode_htmx.lib.version import __version__

FILE = "format.json"
FORMAT = 2
"""1: opcode-htmx 0.1, which writes no such file. 2: from 0.2 on."""

_VERSION = 1
_WRONG_SHAPE = (ValueError, KeyError, TypeError)

log = logging.getLogger(__name__)


def claim(folder: Path, own: int = FORMAT) -> None:
    """Check that a program of the format `own` can work in the state folder, and note that it does.

    Raises StateError for a folder that only another version can read. Nothing is written then.
    """
    found, program = check(folder, own)
    if (found, program) != (own, __version__):
        _note(folder / FILE, own)


def check(folder: Path, own: int = FORMAT) -> tuple[int, str]:
    """The same without the note: the format of the folder, and what has used it last."""
    found, program = _read(folder / FILE)
    if found > own:
        raise StateError(
            f"The state folder {folder} was used by opcode-htmx {program}, and this is the older "
            f"{__version__}, which cannot read it; install {program} or newer again, or name "
            "another folder in OPCODE_STATE_DIR."
        )
    if found < own - 1:
        raise StateError(
            f"The state folder {folder} was used by opcode-htmx {program} last, which is too old "
            f"for {__version__}; start a version between them once, or name another folder in "
            "OPCODE_STATE_DIR."
        )
    return found, program


def of(folder: Path) -> tuple[int, str]:
    """The format of a state folder, and the version of the program that was the last to use it.

    Raises StateError where they cannot be read.
    """
    return _read(folder / FILE)


def _read(path: Path) -> tuple[int, str]:
    """The format of a folder, and the version of the program that was the last to use it."""
    try:
        content = bounded_json.loads(path.read_bytes())
        found, program = content["format"], content["program"]
        if type(found) is not int or found < 1 or not isinstance(program, str):
            raise ValueError("it holds other things")
        if not program.isprintable() or len(program) > 40:
            raise ValueError("it names no version")
        return found, program
    except FileNotFoundError:
        return 1, "0.1"
    except OSError as error:
        raise StateError(f"{path} cannot be read ({error.strerror}).") from None
    except _WRONG_SHAPE:
        raise StateError(
            f"{path} is damaged; if no newer version was ever used here, delete it and start again."
        ) from None


def _note(path: Path, own: int) -> None:
    content = {"version": _VERSION, "format": own, "program": __version__}
    try:
        atomic_files.write(path, json.dumps(content).encode())
    except OSError as error:  # a full disk must not keep the server from starting
        log.warning("could not note the format of the state folder in %s: %s", path, error)
