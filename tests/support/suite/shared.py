"""What the processes of one run of the tests do once for all: recordings, and their own start."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import importlib
import os
import pickle
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import pytest

T = TypeVar("T")

FOLDER = "OPCODE_TESTS_CAPTURES"
"""The variable with the folder of the recordings; pytest's first process sets it."""


def recorded(key: object, record: Callable[[], T]) -> T:
    """The result of `record`, pickled under the `repr` of `key` by the first process."""
    if FOLDER not in os.environ:
        return record()
    name = hashlib.sha256(repr(key).encode()).hexdigest()[:32]
    kept = Path(os.environ[FOLDER]) / name
    with one_at_a_time(name):
        if kept.exists():
            found: T = pickle.loads(kept.read_bytes())  # noqa: S301  # our own
            return found
        made = record()
        kept.write_bytes(pickle.dumps(made))
        return made


@contextlib.contextmanager
def one_at_a_time(name: str) -> Iterator[None]:
    """Exclude the other processes from the blocks of this name."""
    if FOLDER not in os.environ:
        yield
        return
    with Path(os.environ[FOLDER], name).with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def import_share(worker: Mapping[str, Any]) -> None:
    """Import every n-th module of tests in the n-th process of xdist, before it collects them all.

    In a new checkout each process would rewrite the asserts of each module, which takes two thirds
    of the time until its first test; so it does its share, and finds the others in the cache.
    """
    count = worker.get("workercount", 1)
    if count == 1:
        return
    number = int(worker["workerid"].removeprefix("gw"))
    tests = Path(__file__).resolve().parents[2]
    for path in sorted(tests.rglob("test_*.py"))[number::count]:
        name = ".".join(path.relative_to(tests.parent).with_suffix("").parts)
        # what is wrong with a module is said when it is collected
        with contextlib.suppress(Exception, pytest.skip.Exception):
            importlib.import_module(name)
