"""Modules that are found quickly are those that Python's own import system would find."""

from __future__ import annotations

import importlib
import inspect
import os
import pkgutil
import py_compile
import subprocess
import sys
from collections.abc import Iterator
from importlib.machinery import PathFinder, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType

import pytest

from opcode_htmx.lib.late.imports import PackageFinder

PACKAGE = "grove"


@pytest.fixture
def grove(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of a package with a part and a module `oak`, found by a PackageFinder."""
    folder = tmp_path / PACKAGE
    (folder / "deep").mkdir(parents=True)
    (folder / "__init__.py").touch()
    (folder / "deep" / "__init__.py").write_text("from grove.oak import AGE\n")
    (folder / "oak.py").write_text("AGE = 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "meta_path", [PackageFinder(PACKAGE), *sys.meta_path])
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    yield folder
    forget()


def forget() -> None:
    for name in [each for each in sys.modules if each.partition(".")[0] == PACKAGE]:
        del sys.modules[name]


def again() -> ModuleType:
    """The module `oak`, imported anew."""
    forget()
    return importlib.import_module("grove.oak")


def test_a_module_says_the_same_of_itself_as_one_that_python_has_found(grove: Path) -> None:
    for name in ("grove.oak", "grove.deep"):
        ours = importlib.import_module(name).__spec__
        theirs = PathFinder.find_spec(name, [str(grove)])
        assert ours
        assert theirs
        for what in ("name", "origin", "cached", "parent", "has_location"):
            assert getattr(ours, what) == getattr(theirs, what), (name, what)
        assert ours.submodule_search_locations == theirs.submodule_search_locations
    oak = sys.modules["grove.oak"]
    assert (oak.__file__, oak.__package__) == (str(grove / "oak.py"), PACKAGE)
    assert inspect.getsource(oak) == "AGE = 1\n"
    assert {each.name for each in pkgutil.iter_modules([str(grove)])} == {"oak", "deep"}


def test_a_folder_comes_before_a_module_of_its_name_which_an_upgrade_may_leave(grove: Path) -> None:
    (grove / "deep.py").write_text("AGE = 0\n")
    assert importlib.import_module("grove.deep").AGE == 1
    (grove / "oak").mkdir()  # no package
    assert again().AGE == 1
    (grove / "elm.py").mkdir()
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("grove.elm")


def test_a_compiled_module_is_used_without_compiling_it_again(
    grove: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert again().AGE == 1  # Python has written the .pyc

    original = SourceFileLoader.get_code

    def refuse(self: SourceFileLoader, fullname: str) -> CodeType | None:
        assert fullname == PACKAGE, "it is compiled again, or looked for by Python"
        return original(self, fullname)

    monkeypatch.setattr("importlib.machinery.SourceFileLoader.get_code", refuse)
    assert again().AGE == 1


@pytest.mark.parametrize("seconds", [0, -60, 60])
def test_a_source_that_has_changed_is_compiled_again(grove: Path, seconds: int) -> None:
    assert again().AGE == 1
    source, before = grove / "oak.py", (grove / "oak.py").stat().st_mtime
    # of the same size with another time, or with the same time and another size
    source.write_text("AGE = 2\n" if seconds else "AGE = 1000\n")
    os.utime(source, (before + seconds, before + seconds))
    age = again().AGE
    assert age == (2 if seconds else 1000)


def test_a_broken_or_checked_pyc_and_one_of_a_moved_folder_are_left_to_python(grove: Path) -> None:
    source = grove / "oak.py"
    compiled = Path(py_compile.compile(str(source)) or "")
    compiled.write_bytes(compiled.read_bytes()[:20])
    with pytest.raises(EOFError):
        again()
    checked = py_compile.PycInvalidationMode.CHECKED_HASH
    py_compile.compile(str(source), invalidation_mode=checked)
    assert again().AGE == 1
    py_compile.compile(str(source), dfile="/elsewhere/oak.py")
    spec = again().__spec__
    assert spec
    code = spec.loader.get_code("grove.oak")  # type: ignore[union-attr]
    assert code.co_filename == str(source)


def test_what_is_not_there_or_does_not_compile_fails_as_always(grove: Path) -> None:
    with pytest.raises(ModuleNotFoundError, match=r"No module named 'grove\.elm'"):
        importlib.import_module("grove.elm")
    (grove / "elm.py").write_text("AGE = \n")
    with pytest.raises(SyntaxError):
        importlib.import_module("grove.elm")


@pytest.mark.parametrize(
    ("options", "is_used"), [([], True), (["-O"], False), (["-X", "pycache_prefix=/tmp/x"], False)]
)
def test_a_process_whose_pycs_are_elsewhere_does_without(options: list[str], is_used: bool) -> None:
    program = (
        "import sys; from opcode_htmx.lib.late import imports; imports.find_quickly('grove');"
        "print(type(sys.meta_path[0]).__name__)"
    )
    done = subprocess.run(
        [sys.executable, *options, "-c", program], capture_output=True, text=True, check=True
    )
    assert (done.stdout.strip() == "PackageFinder") is is_used
