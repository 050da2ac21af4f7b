"""The rules that hold the layers apart, read from the source itself."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from opcode_htmx.app.registry import FEATURES
from tests.app.sources import (
    BESIDE,
    MODULES,
    PACKAGE,
    SOURCES,
    call_name,
    imported,
    layer_of,
    name_of,
    nodes_of,
    ours,
    those_that,
)
from tests.support.environment import ROOT

LAYERS = (
    "lib",
    "config",
    "engines",
    "runs",
    "markup",
    "transcript",
    "rendering",
    "web",
    "sessions",
    "features",
    "api",
    "app",
)
"""The folders of the package: each may import itself and those to its left, no other."""

ENTRY_POINTS = {"__init__", "__main__", "end_runs"}
"""What a command or gunicorn names. They may import every layer, and no layer imports them."""

WEB = {"flask", "flask_sock", "flask_httpauth", "simple_websocket", "werkzeug", "gunicorn"}
WITH_WEB = {"web", "features", "api", "app"}

SEAM = {"features.context", "features.feature"}
"""What every feature is declared with."""

MOST_FILES = 12
"""Modules in one folder, without its `__init__`."""


def wrong_imports(source: str, name: str) -> set[str]:
    """What a module of a layer imports and may not."""
    layer = layer_of(name)
    allowed = LAYERS[: LAYERS.index(layer) + 1]
    names = set(imported(nodes_of(source)))
    relative = {each for each in names if each.startswith(".")}
    wrong = {each for each in ours(names) if layer_of(each) not in allowed}
    if layer == "api":
        wrong |= {each for each in ours(names) - SEAM if layer_of(each) == "features"}
    if layer == "features":
        own = name.split(".")[:2]
        wrong |= {
            each
            for each in ours(names)
            if layer_of(each) == "features" and each not in SEAM and each.split(".")[:2] != own
        }
    return relative | wrong


def in_layers() -> list[Path]:
    return [path for path in MODULES if layer_of(name_of(path)) not in {*ENTRY_POINTS, ""}]


# --- layers ---------------------------------------------------------------------------------


def test_every_module_is_in_a_layer_or_is_an_entry_point() -> None:
    assert {layer_of(name_of(path)) or "__init__" for path in MODULES} <= {*LAYERS, *ENTRY_POINTS}


def test_imports_point_left_and_neither_features_nor_the_api_import_a_feature() -> None:
    def wrong(path: Path) -> set[str]:
        return wrong_imports(path.read_text(encoding="utf-8"), name_of(path))

    assert {path: found for path in in_layers() if (found := wrong(path))} == {}


@pytest.mark.parametrize(
    ("name", "source", "wrong"),
    [
        ("markup.markdown", "from opcode_htmx.web.http import errors", {"web.http.errors"}),
        ("markup.markdown", "from opcode_htmx.web.http.errors import x", {"web.http.errors"}),
        ("markup.markdown", "import opcode_htmx.web.http.errors", {"web.http.errors"}),
        ("markup.markdown", "if x:\n    from opcode_htmx.app.factory import y", {"app.factory"}),
        ("markup.markdown", "from opcode_htmx import create_app", {"__init__"}),
        ("markup.markdown", "from . import spans", {"."}),
        ("markup.markdown", "from opcode_htmx.runs import supervisor", set()),
        ("features.composer.routes", "import opcode_htmx.features.composer.completion", set()),
        (
            "api.rest.runs",
            "from opcode_htmx.features.projects import routes",
            {"features.projects.routes"},
        ),
        (
            "features.composer.routes",
            "from opcode_htmx.features.projects import routes",
            {"features.projects.routes"},
        ),
    ],
)
def test_a_forbidden_import_is_seen(name: str, source: str, wrong: set[str]) -> None:
    assert wrong_imports(source, name) == wrong


ENGINES = {
    path.name for path in (ROOT / PACKAGE / "engines").iterdir() if (path / "__init__.py").is_file()
}
"""The folders of the engines; the modules beside them are the port."""


def engines_in(source: str) -> set[str]:
    """The engines' own modules that a module imports, not those of the port."""
    names = ours(imported(nodes_of(source)))
    return {each for each in names if each.startswith(tuple(f"engines.{it}" for it in ENGINES))}


def test_runs_import_no_engine_but_the_port() -> None:
    paths = [path for path in MODULES if layer_of(name_of(path)) == "runs"]
    assert paths
    assert {
        path: found for path in paths if (found := engines_in(path.read_text(encoding="utf-8")))
    } == {}


@pytest.mark.parametrize(
    ("source", "found"),
    [
        (
            "from opcode_htmx.engines.claude.protocol import parser",
            {"engines.claude.protocol.parser"},
        ),
        ("from opcode_htmx.engines.claude.engine import ClaudeEngine", {"engines.claude.engine"}),
        ("from opcode_htmx.engines import claude", {"engines.claude"}),
        ("if x:\n    import opcode_htmx.engines.claude.engine", {"engines.claude.engine"}),
        ("from opcode_htmx.engines import base", set()),
        ("from opcode_htmx.engines.base import Engine", set()),
    ],
)
def test_an_import_of_an_engine_is_seen(source: str, found: set[str]) -> None:
    assert engines_in(source) == found


def test_no_modules_import_one_another_in_a_circle() -> None:
    graph = {
        name_of(path): ours(imported(without_type_checking(path.read_text(encoding="utf-8"))))
        for path in in_layers()
    }
    assert list(TopologicalSorter(graph).static_order())  # raises CycleError


def without_type_checking(source: str) -> Iterable[ast.AST]:
    """The tree of a module without what only a type checker imports."""

    class Remove(ast.NodeTransformer):
        def visit_If(self, node: ast.If) -> ast.AST | None:
            return None if ast.unparse(node.test) == "TYPE_CHECKING" else self.generic_visit(node)

    if "TYPE_CHECKING" not in source:
        return nodes_of(source)
    return ast.walk(Remove().visit(ast.parse(source)))


def test_only_web_features_api_and_app_know_flask() -> None:
    def known(path: Path) -> set[str]:
        used = imported(nodes_of(path.read_text(encoding="utf-8")))
        return {layer_of(each) for each in used} & WEB

    paths = [path for path in in_layers() if layer_of(name_of(path)) not in WITH_WEB]
    assert {path: found for path in paths if (found := known(path))} == {}


def test_a_folder_holds_about_a_dozen_modules() -> None:
    counts = Counter(path.parent for path in (*MODULES, *BESIDE) if path.name != "__init__.py")
    assert {folder: n for folder, n in counts.items() if n > MOST_FILES} == {}


def test_only_lists_of_features_and_commands_import_by_name() -> None:
    names = {"__import__", "import_module", "resolve_name", "exec", "eval"}
    mention = re.compile("|".join(names))

    def imports_by_name(source: str) -> bool:
        nodes = nodes_of(source) if mention.search(source) else ()
        return bool(names & {call_name(node) for node in nodes if isinstance(node, ast.Call)})

    assert those_that(imports_by_name, MODULES) == [
        "opcode_htmx/app/commands/command.py",
        "opcode_htmx/app/registry.py",
        "opcode_htmx/lib/dataclass.py",  # which executes what it has made of the names of fields
        "opcode_htmx/lib/late/modules.py",  # which stands in for modules of libraries
    ]


def test_classes_of_data_are_made_by_ours_which_is_ten_times_faster() -> None:
    def uses_the_standard_one(source: str) -> bool:
        pattern = r"^import dataclasses as|^from dataclasses import .*\bdataclass\b"
        return bool(re.search(pattern, source, re.MULTILINE)) or "@dataclasses." in source

    assert those_that(uses_the_standard_one, MODULES) == []


def test_every_feature_is_registered() -> None:
    folders = {path.parent.name for path in MODULES if path.parent.parent.name == "features"}
    registered = {feature.name for feature in FEATURES}
    assert registered == {*folders, "api"}


# --- every module ---------------------------------------------------------------------------


def test_every_module_opens_with_a_line_that_names_its_job() -> None:
    def has_none(source: str) -> bool:
        head, _, rest = source.partition('"""')
        before = [line for line in head.splitlines() if line and not line.startswith("#")]
        return bool(source.strip()) and (before != [] or not rest.partition('"""')[0].strip())

    assert those_that(has_none, SOURCES) == []


def test_an_import_opens_nothing_and_starts_no_event_loop() -> None:
    """What is forked from a process that only imported the app shares nothing with its siblings."""
    code = (
        "import os; opened = lambda: set(os.listdir('/proc/self/fd')); before = opened();"
        "from gevent import monkey; monkey.patch_all(); import opcode_htmx.app.factory;"
        "from gevent._hub_local import get_hub_if_exists;"
        "print(opened() - before, get_hub_if_exists())"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert result.stdout == "set() None\n"
