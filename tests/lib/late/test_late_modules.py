"""Modules that are imported late: what is asked of a stand-in is the module's own."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from opcode_htmx.lib.late.modules import LateModule, imported_late, late_functions

NAME = "module_of_a_test"


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], bool]]:
    """A module that can be imported; whether it is."""
    (tmp_path / f"{NAME}.py").write_text("answer = 42\ndef double(x):\n    return 2 * x\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield lambda: NAME in sys.modules and not isinstance(sys.modules[NAME], LateModule)
    sys.modules.pop(NAME, None)


def test_it_is_imported_for_what_was_not_given(module: Callable[[], bool]) -> None:
    with imported_late({NAME: {"given": 1}}):
        late = importlib.import_module(NAME)
        assert late.given == 1
        assert not module()
        assert late.answer == 42
        assert module()


def test_who_imports_it_afterwards_gets_the_module_itself(module: Callable[[], bool]) -> None:
    with imported_late({NAME: {}}):
        late = importlib.import_module(NAME)
    assert NAME not in sys.modules
    real = importlib.import_module(NAME)
    assert not isinstance(real, LateModule)
    assert late.double is real.double


def test_a_late_function_imports_it_when_it_is_called(module: Callable[[], bool]) -> None:
    with imported_late(late_functions(NAME, "double")):
        double = importlib.import_module(NAME).double
    assert not module()

    class Holder:
        twice = double

    assert Holder().twice(4) == 8, "it becomes no method"
    assert module()


def test_an_imported_module_stays(module: Callable[[], bool]) -> None:
    real = importlib.import_module(NAME)
    with imported_late({NAME: {}}):
        assert importlib.import_module(NAME) is real
    assert importlib.import_module(NAME) is real
