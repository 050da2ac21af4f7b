"""The request and the run that a greenlet works for, so that each log line can name them.

A new greenlet has neither. A thread of `run_in_thread` has those of the greenlet that waits.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator
from contextvars import ContextVar
from functools import partial
from typing import Any, NamedTuple, TypeVar

T = TypeVar("T")


def _nothing() -> Iterable[str]:
    return ()


class Work(NamedTuple):
    """What a greenlet is doing."""

    request: str = ""
    """The id of the request, or of the request that opened the socket."""
    run: str = ""
    private: Callable[[], Iterable[str]] = _nothing
    """Texts that the request carries, which tracebacks do not show."""


_current: ContextVar[Work] = ContextVar("opcode_log_work")
_IDLE = Work()


def current() -> Work:
    """What is logged now belongs to this."""
    return _current.get(_IDLE)


def begin(work: Work) -> None:
    """The greenlet does this from now on, until it begins something else."""
    _current.set(work)


def new_request_id() -> str:
    """Twelve letters and digits, short enough to be read out."""
    return os.urandom(6).hex()


@contextlib.contextmanager
def run(run_id: str) -> Iterator[None]:
    """What is logged meanwhile belongs to a run."""
    token = _current.set(current()._replace(run=run_id))
    try:
        yield
    finally:
        _current.reset(token)


@contextlib.contextmanager
def doing(work: Work) -> Iterator[None]:
    """What is logged meanwhile belongs to `work`."""
    token = _current.set(work)
    try:
        yield
    finally:
        _current.reset(token)


def for_run(run_id: str, function: Callable[..., T]) -> Callable[..., T]:
    """The same function, for a new greenlet: what it logs belongs to a run."""
    return partial(_for_run, run_id, function)


def _for_run(run_id: str, function: Callable[..., T], *args: Any, **kwargs: Any) -> T:
    with run(run_id):
        return function(*args, **kwargs)
