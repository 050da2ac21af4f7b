"""The rules that hold the layers apart, read from the source itself."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from opcode_htmx.app.registry import FEATURES
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
    def imports_by_name(source: str) -> bool:
        nodes = nodes_of(source)
        calls = {call_name(node) for node in nodes if isinstance(node, ast.Call)}
        return bool(calls & {"__import__", "import_module", "resolve_name", "exec", "eval"})

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


def those_that(check: Callable[[str], bool], paths: Iterable[Path]) -> list[str]:
    """The files whose source is one for which `check` says so."""
    found = (path for path in paths if check(path.read_text(encoding="utf-8")))
    return [str(path.relative_to(ROOT)) for path in found]


# --- what only one place may do -------------------------------------------------------------


def call_name(node: ast.Call) -> str:
    """The last name of what is called: `run` for `subprocess.run(...)`."""
    function = node.func
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


ENVIRONMENT = {"environ", "environb", "getenv", "getenvb", "putenv", "unsetenv"}


def reads_environment(source: str) -> bool:
    for node in nodes_of(source):
        match node:
            case ast.Attribute(value=ast.Name(id="os"), attr=name) if name in ENVIRONMENT:
                return True
            case ast.ImportFrom(module="os", names=names):
                if ENVIRONMENT & {alias.name for alias in names}:
                    return True
            case ast.Import(names=names):
                # under another name it would not be seen
                if any(alias.name == "os" and alias.asname for alias in names):
                    return True
    return False


def test_only_the_settings_read_the_environment() -> None:
    assert those_that(reads_environment, MODULES) == ["opcode_htmx/config/settings.py"]


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import os\nos.environ['A']", True),
        ("import os\ndef f(): return os.getenv('A')", True),
        ("from os import environ", True),
        ("import os as o\no.environ", True),
        ("request.environ['A']", False),
        ("process.environ()", False),
        ("import os\nos.getpid()", False),
    ],
)
def test_a_look_at_the_environment_is_seen(source: str, found: bool) -> None:
    assert reads_environment(source) == found


def makes_markup(source: str) -> bool:
    for node in nodes_of(source):
        match node:
            case ast.Call() if call_name(node) in ("Markup", "literal"):
                return True
            case ast.ImportFrom(names=names) | ast.Import(names=names):
                if any(alias.name == "Markup" and alias.asname for alias in names):
                    return True
            case ast.ClassDef(bases=bases):
                if any(getattr(b, "id", getattr(b, "attr", "")) == "Markup" for b in bases):
                    return True
    return False


def test_only_markdown_and_our_own_stylesheets_are_called_safe_html() -> None:
    assert those_that(makes_markup, MODULES) == [
        "opcode_htmx/markup/markdown.py",
        "opcode_htmx/web/assets/page_styles.py",  # files of ours, checked for what would end them
    ]


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("Markup(text)", True),
        ("markupsafe.Markup(text)", True),
        ("from markupsafe import Markup as M", True),
        ("class Html(Markup): pass", True),
        ("from markupsafe import Markup\nhtml: Markup = x", False),
    ],
)
def test_a_text_that_is_called_safe_is_seen(source: str, found: bool) -> None:
    assert makes_markup(source) == found


OF_SHELLS = re.compile("shell|system|popen|getoutput|getstatusoutput")
"""What a source holds that uses one; to parse all others would take most of the time."""


def uses_a_shell(source: str) -> bool:
    for node in nodes_of(source) if OF_SHELLS.search(source) else ():
        if not isinstance(node, ast.Call):
            continue
        if call_name(node) in ("getoutput", "getstatusoutput", "create_subprocess_shell"):
            return True
        match node.func:
            case ast.Attribute(value=ast.Name(id="os"), attr="system" | "popen"):
                return True
        for keyword in node.keywords:
            constant = keyword.value.value if isinstance(keyword.value, ast.Constant) else None
            if keyword.arg == "shell" and constant is not False:
                return True
    return False


def test_nothing_is_run_by_a_shell() -> None:
    assert those_that(uses_a_shell, SOURCES) == []


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("subprocess.run('ls', shell=True)", True),
        ("subprocess.run('ls', shell=flag)", True),
        ("os.system('ls')", True),
        ("os.popen('ls')", True),
        ("subprocess.getoutput('ls')", True),
        ("subprocess.run(['ls'], shell=False)", False),
        ("platform.system()", False),
    ],
)
def test_a_shell_is_seen(source: str, found: bool) -> None:
    assert uses_a_shell(source) == found


# --- templates ------------------------------------------------------------------------------

FORBIDDEN = {
    "a text that is called safe": r"\|\s*safe\b|\bMarkup\b",
    "no escaping": r"autoescape",
    "a script in the page": r"<script(?![^>]*\ssrc=)|<script[^>]*>\s*[^\s<]",
    "a style in the page": r"<style|\sstyle\s*=",
    "an event handler": r"""[\s"']on[a-z]+\s*=(?!=)""",
    "an expression for htmx": r"hx-on|\bjs:|hx-vals\s*=\s*['\"]?js|hx-(?:vars|eval)",
    "a javascript: address": r"javascript:",
}


def forbidden_in(template: str) -> set[str]:
    text = re.sub(r"\{#.*?#\}", "", template, flags=re.DOTALL)
    return {what for what, how in FORBIDDEN.items() if re.search(how, text, re.IGNORECASE)}


def test_a_template_has_no_script_no_style_and_escapes_all() -> None:
    # by its name Flask knows that it is to be escaped
    assert [path for path in TEMPLATES if path.suffix != ".html"] == []
    assert those_that(lambda template: bool(forbidden_in(template)), TEMPLATES) == []


@pytest.mark.parametrize(
    ("template", "what"),
    [
        ("{{ text | safe }}", "a text that is called safe"),
        ("{{ text|safe }}", "a text that is called safe"),
        ("{% autoescape false %}", "no escaping"),
        ("<script>alert(1)</script>", "a script in the page"),
        ('<script src="a.js">alert(1)</script>', "a script in the page"),
        ('<script type="module">', "a script in the page"),
        ("<style>", "a style in the page"),
        ('<p style="color:red">', "a style in the page"),
        ('<p onclick="f()">', "an event handler"),
        ('<p class="a"onclick=f()>', "an event handler"),
        ('<p hx-on:click="f()">', "an expression for htmx"),
        ("<p hx-vals='js:{a: 1}'>", "an expression for htmx"),
        ('<a href="javascript:f()">', "a javascript: address"),
    ],
)
def test_what_is_forbidden_in_a_template_is_seen(template: str, what: str) -> None:
    assert what in forbidden_in(template)


@pytest.mark.parametrize(
    "template",
    [
        "<script src=\"{{ asset('a.js') }}\" defer></script>",
        '<p class="button" data-action="x">on and off, with style</p>{# <p style="x"> #}',
        "{% if options and one == 1 %}",
    ],
)
def test_what_is_allowed_in_a_template_is_left_alone(template: str) -> None:
    assert forbidden_in(template) == set()


# --- every module ---------------------------------------------------------------------------


def test_every_module_opens_with_a_line_that_names_its_job() -> None:
    def has_none(source: str) -> bool:
        docstring = ast.get_docstring(parsed(source)) or ""
        return bool(source.strip()) and not docstring.strip()

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
