"""No regular expression of the package takes more than linear time, whatever text it meets."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import opcode_htmx
from opcode_htmx.engines.claude.files import titles
from opcode_htmx.lib.late.patterns import LatePattern
from opcode_htmx.lib.tree import search as file_search
from opcode_htmx.rendering import search
from opcode_htmx.sessions.index import terms
from tests.security.regex_growth import attacks, is_linear
from tests.support.environment import ROOT

METHODS = frozenset({"match", "fullmatch", "search", "findall", "finditer", "sub", "subn", "split"})
LENGTH = 20_000
"""Characters of each hostile text."""
SECONDS = 0.3
"""Of the CPU, for one pattern on one text: linear ones take a hundredth, quadratic ones seconds."""
SHORT = 3_000
"""Characters of the text that is tried before."""
SUSPECT = 0.001
"""Seconds for that one: what takes cubic time, and SECONDS for LENGTH, takes as long."""

BUILT: dict[str, tuple[re.Pattern[Any], ...]] = {
    "lib/late/patterns.py": (),  # those of others, which are found where they stand
    "lib/tree/search.py": (
        re.compile(file_search._scattered_pattern("a.b/a")),
        re.compile(re.escape("a.b/a")),
    ),
    "engines/claude/files/titles.py": (
        titles._naming(["11111111-1111-4111-8111-111111111111", "a"]),
    ),
    "rendering/search.py": (search.pattern_of(["a", "b.", "a"]),),
    "sessions/index/terms.py": (
        terms.pattern_of(terms.Phrase(("a", "b", "a"), True)),
        terms.pattern_of(terms.Phrase(("a", "日", "a"), False)),
    ),
}
"""The modules that build patterns at run time, and samples of these patterns."""

LINEAR = [
    *((r"\s*", "match"), (r"a+", "search"), (r"[a-z]+=\d+", "match"), (r"(a|b)*c", "match")),
    *((r"^ab*c", "search"), (r"[^<]*+<", "match"), (r"a*+b", "match"), (r"(?m)^a *\|", "search")),
    *((r"\s++(?:\S{1,7})?|\S{1,7}", "findall"), (r"`{3,}", "findall"), (r"\w+|\s+", "findall")),
]
SLOW = [
    *((r"(a+)+b", "match"), (r"(a|a)*b", "match"), (r"(a*)*b", "match"), (r"(a|ab|b)*c", "match")),
    *((r"a*a*b", "match"), (r"a*b", "search"), (r"[^x]*+x", "search"), (r"<x[^>]*>", "search")),
    *((r"\s*\|(\d{10})\s*$", "search"), (r"(?:[^,(]|\([^)]*\))+", "findall")),
    *((r"\n*(?:agentId: .*|<usage>.*)\Z", "sub"), (r"\s*<t>.*?</t>\s*", "sub")),
    *((r"<n>\s*(.*?)\s*</n>", "match"), (r"(?!a*b)c", "match"), (r"(?i)a*A*b", "match")),
]


class Compiled(NamedTuple):
    where: str
    name: str
    pattern: re.Pattern[Any]

    @property
    def methods(self) -> frozenset[str]:
        """The methods of the pattern that the package uses."""
        return methods_by_name().get(self.name) or frozenset({"search"})

    def __str__(self) -> str:
        return self.where


def compiled() -> list[Compiled]:
    """Every pattern that a module or a class of the package holds."""
    found: dict[tuple[str, Any], Compiled] = {}
    for module in modules():
        for where, name, pattern in patterns_in(module, vars(module)):
            found.setdefault((name, pattern), Compiled(where, name, pattern))
    for path, patterns in BUILT.items():
        for pattern in patterns:
            found[path, pattern] = Compiled(path, "", pattern)
    return list(found.values())


def modules() -> Iterator[Any]:
    for each in pkgutil.walk_packages(opcode_htmx.__path__, "opcode_htmx."):
        if not each.name.endswith("__main__"):
            yield importlib.import_module(each.name)


def patterns_in(holder: Any, values: Any) -> Iterator[tuple[str, str, re.Pattern[Any]]]:
    for name, value in list(values.items()):
        where = f"{holder.__name__}.{name}"
        if isinstance(value, type) and value.__module__ == holder.__name__:
            yield from ((f"{where}.{w}", n, p) for w, n, p in patterns_in(value, vars(value)))
        inside: Iterable[object] = (value,)
        if isinstance(value, list | tuple | set | frozenset):
            inside = value
        elif isinstance(value, dict):
            inside = [*value.keys(), *value.values()]
        each_compiled = (e.compiled() if isinstance(e, LatePattern) else e for e in inside)
        yield from ((where, name, each) for each in each_compiled if isinstance(each, re.Pattern))


@cache
def texts() -> dict[str, str]:
    """The modules of the package, by their paths within it."""
    package = ROOT / "opcode_htmx"
    paths = sorted(package.rglob("*.py"))
    return {str(path.relative_to(package)): path.read_text(encoding="utf-8") for path in paths}


@cache
def methods_by_name() -> dict[str, frozenset[str]]:
    """The methods called on each name; `search`, which tries most, where another use is found."""
    found: dict[str, set[str]] = {}
    for text in texts().values():
        for name, method, called in USE.findall(text):
            found.setdefault(name, set()).add(method if called else "search")
    return {name: frozenset(methods) for name, methods in found.items()}


USE = re.compile(rf"\b(\w+)\s*\.\s*({'|'.join(sorted(METHODS))})\b(\()?")
"""A method of what has a name. It is found in words as well, where it means one test more."""


def calls_of_re(tree: ast.Module) -> Iterator[tuple[ast.Call, str, bool]]:
    """The calls of functions of `re`, by name; whether each stands outside of all functions."""

    def walk(node: ast.AST, at_top: bool) -> Iterator[tuple[ast.Call, str, bool]]:
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id="re"), attr=name)):
                yield node, name, at_top
            case ast.Call(func=ast.Name(id="late_pattern" | "LatePattern")):
                yield node, "compile", at_top
        inside = at_top and not isinstance(
            node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
        )
        for child in ast.iter_child_nodes(node):
            yield from walk(child, inside)

    yield from walk(tree, True)


# --- the analysis itself --------------------------------------------------------------------


@pytest.mark.parametrize(("pattern", "method"), LINEAR)
def test_the_analysis_passes_linear_patterns(pattern: str, method: str) -> None:
    assert is_linear(re.compile(pattern), [method]) == ""


@pytest.mark.parametrize(("pattern", "method"), SLOW)
def test_the_analysis_finds_patterns_that_backtrack(pattern: str, method: str) -> None:
    assert is_linear(re.compile(pattern), [method])


# --- the package ----------------------------------------------------------------------------


def test_patterns_are_found_in_modules_and_classes() -> None:
    found = compiled()
    names = {each.where for each in found}
    assert {"opcode_htmx.markup.ansi._ESCAPE", "opcode_htmx.markup.sanitizer._BARE_TEXT"} <= names
    assert len(found) > 50


def test_every_pattern_is_linear_by_its_structure() -> None:
    found = {str(each): is_linear(each.pattern, each.methods) for each in compiled()}
    assert {where: why for where, why in found.items() if why} == {}


MENTION = re.compile(r"\bre\b|late_pattern|LatePattern")


def test_patterns_are_compiled_outside_of_functions() -> None:
    """Else the tests here would not see them; samples stand in BUILT for those that are built."""
    for path, text in texts().items():
        if not MENTION.search(text):
            continue
        tree = ast.parse(text)
        for call, name, at_top in calls_of_re(tree):
            is_pattern = name in METHODS or (name == "compile" and not at_top)
            assert not is_pattern or path in BUILT, f"{path}:{call.lineno} re.{name}"
        assert not [
            node.lineno
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom) and node.module == "re"
        ], path


@cache
def hostile(length: int) -> list[str]:
    """Texts of `length` that no pattern was made for."""
    units = [
        *(" ", "\t", "\n", "\r", "\r\n", "\x0b", "<", ">", "[", "]", "(", ")", "`", "*", "_"),
        *("~", "!", "![", '"', "'", "\\", "1", "0", "a", "A", ".", "/", "|", "-", "+", "=", ":"),
        *(
            "&",
            "&amp;",
            "#",
            "@",
            "$",
            "%",
            ",",
            ";",
            "\x1b",
            "\x1b[",
            "\x1b]",
            "\x00",
            "é",
            "\ud83d",
        ),
        *(" a", "a ", "\na", "a\n", "()", "[]", "a.", "a=", "a:", "<a", "</a>", "a@", "//", "--"),
        *("<command-name>", "<system-reminder>", "<tool_use_error>", "</tool_use_error>", "---\n"),
        *("agentId: ", "Exit code 1\n", '"type": ', '"uuid":"', "Task #", "\\ud83d", "  - ", "> "),
    ]
    found = [f"{unit * (length // len(unit))}\0" for unit in units]
    return [*found, f"<command-name>{' ' * length}x"]


def test_every_pattern_is_fast_on_hostile_texts() -> None:
    """In a process of its own: nothing but its end would interrupt a pattern that backtracks."""
    ran = subprocess.run(
        [sys.executable, "-m", __name__],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=110,
    )
    assert ran.returncode == 0, f"{ran.stdout[-2000:]}\n{ran.stderr[-2000:]}"
    assert ran.stdout.count("\n") == len(compiled())


def main() -> None:
    """Run every pattern on every hostile text; one line for each pattern, in front of its work."""
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    for each in compiled():
        print(each, flush=True)
        resource.setrlimit(resource.RLIMIT_CPU, (int(time.process_time()) + 20, hard))
        long_ones: list[str] = []
        for number, text in enumerate(texts_for(each.pattern, SHORT)):
            for method in sorted(each.methods):
                if seconds(each.pattern, method, text) < SUSPECT:
                    continue
                long_ones = long_ones or texts_for(each.pattern, LENGTH)
                long = long_ones[number]
                if (took := seconds(each.pattern, method, long)) > SECONDS:
                    sys.exit(f"{each}.{method} takes {took:.1f} s for {long[:40]!r}…")


def texts_for(pattern: re.Pattern[Any], length: int) -> list[str]:
    return [*hostile(length), *attacks(pattern, length)]


def seconds(pattern: re.Pattern[Any], method: str, text: str) -> float:
    """How long it takes, of the CPU."""
    given: Any = text
    if isinstance(pattern.pattern, bytes):
        given = text.encode("utf-8", "surrogatepass")
    began = time.thread_time()
    run(pattern, method, given)
    return time.thread_time() - began


def run(pattern: re.Pattern[Any], method: str, text: Any) -> None:
    match method:
        case "sub" | "subn":
            getattr(pattern, method)(text[:0], text)
        case "finditer":
            for _ in pattern.finditer(text):
                pass
        case _:
            getattr(pattern, method)(text)


if __name__ == "__main__":
    assert Path.cwd() == ROOT
    main()
