"""The sources of the project as syntax trees, with the names and imports of its modules."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path

from tests.support.environment import ROOT

PACKAGE = "opcode_htmx"
MODULES = sorted((ROOT / PACKAGE).rglob("*.py"))
BESIDE = [
    path for name in ("bench", "chaos", "drift", "tests") for path in (ROOT / name).rglob("*.py")
]
"""The modules of what measures, tries and tests the package."""
SOURCES = sorted(
    {
        *MODULES,
        *BESIDE,
        *ROOT.glob("*.py"),
        *(ROOT / "scripts").rglob("*.py"),
    }
)
TEMPLATES = [
    path
    for folder in (ROOT / "templates", *(ROOT / PACKAGE).rglob("templates"))
    for path in sorted(folder.rglob("*"))
    if path.is_file()
]


@cache
def parsed(source: str) -> ast.Module:
    """The syntax tree, which no test may change."""
    return ast.parse(source)


@cache
def nodes_of(source: str) -> tuple[ast.AST, ...]:
    """All of its syntax tree, which several tests go through."""
    return tuple(ast.walk(parsed(source)))


def name_of(path: Path) -> str:
    """`view.markdown` for the module at that place in the package."""
    parts = path.relative_to(ROOT / PACKAGE).with_suffix("").parts
    return ".".join(parts).removesuffix(".__init__")


NAMES = {name_of(path) for path in MODULES}


def layer_of(name: str) -> str:
    return name.partition(".")[0]


def imported(nodes: Iterable[ast.AST]) -> Iterator[str]:
    """The full names of all that a module imports, at whatever level; imports are absolute."""
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = "." * node.level + (node.module or "")
            for alias in node.names:
                whole = f"{base}.{alias.name}"
                yield whole if whole.removeprefix(f"{PACKAGE}.") in NAMES else base


def ours(names: Iterable[str]) -> set[str]:
    """Those of the package itself, without its name; the package's own front door is `__init__`."""
    found = {name for name in names if layer_of(name) == PACKAGE}
    return {name.removeprefix(PACKAGE).removeprefix(".") or "__init__" for name in found}


def those_that(check: Callable[[str], bool], paths: Iterable[Path]) -> list[str]:
    """The files whose source is one for which `check` says so."""
    found = (path for path in paths if check(path.read_text(encoding="utf-8")))
    return [str(path.relative_to(ROOT)) for path in found]


def call_name(node: ast.Call) -> str:
    """The last name of what is called: `run` for `subprocess.run(...)`."""
    function = node.func
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""
