"""The stack of another thread, read at once."""

from __future__ import annotations

import os
import threading
from types import FunctionType

import psutil
import pytest

from opcode_htmx.lib.logs.thread_stacks import innermost_calls


def outer(entered: threading.Event, leave: threading.Event) -> None:
    entered.set()
    leave.wait()


@pytest.mark.parametrize("name", ["outer", 'odd", line one in all'])
def test_innermost_calls_of_a_thread_come_first(name: str) -> None:
    entered, leave = threading.Event(), threading.Event()
    target = FunctionType(outer.__code__.replace(co_name=name), globals())
    thread = threading.Thread(target=target, args=(entered, leave))
    thread.start()
    try:
        assert entered.wait(60)
        assert thread.ident
        calls = innermost_calls(thread.ident, 20)
        (at,) = (number for number, each in enumerate(calls) if each.endswith(f" in {name}"))
        line = outer.__code__.co_firstlineno + 2
        assert calls[at] == f"{__file__}:{line} in {name}"
        assert calls[at + 1].endswith(" in run")
        assert innermost_calls(thread.ident, at) == calls[:at]
    finally:
        leave.set()
        thread.join()


def test_thread_that_is_gone_has_no_calls() -> None:
    assert innermost_calls(1, 6) == ()


def test_calls_are_left_out_where_no_descriptor_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> int:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(os, "memfd_create", refuse, raising=False)
    monkeypatch.setattr(os, "pipe", refuse)
    assert innermost_calls(threading.get_ident(), 6) == ()


def test_reading_keeps_no_descriptor_open() -> None:
    before = psutil.Process().num_fds()
    innermost_calls(threading.get_ident(), 6)
    assert psutil.Process().num_fds() == before
