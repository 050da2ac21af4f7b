"""Recordings of the real CLI and the app, made once for all processes of one run of the tests."""

from __future__ import annotations

import fcntl
import hashlib
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

FOLDER = "OPCODE_TESTS_CAPTURES"
"""The variable with the folder of the recordings; pytest's first process sets it."""


def recorded(key: object, record: Callable[[], T]) -> T:
    """The result of `record`, pickled under the `repr` of `key` by the first process."""
    if FOLDER not in os.environ:
        return record()
    name = hashlib.sha256(repr(key).encode()).hexdigest()[:32]
    kept = Path(os.environ[FOLDER]) / name
    with kept.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if kept.exists():
            found: T = pickle.loads(kept.read_bytes())  # noqa: S301  # our own
            return found
        made = record()
        kept.write_bytes(pickle.dumps(made))
        return made
