"""The rules that hold the rooms apart, read from the source itself."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from tests.support import ROOT

PACKAGE = "opcode_htmx"
MODULES = sorted((ROOT / PACKAGE).rglob("*.py"))
SOURCES = sorted(
    {
        *MODULES,
        *ROOT.glob("*.py"),
        *(ROOT / "scripts").rglob("*.py"),
        *(ROOT / "tests").rglob("*.py"),
        *(ROOT / "bench").rglob("*.py"),
        *(ROOT / "chaos").rglob("*.py"),
        *(ROOT / "drift").rglob("*.py"),
    }
)
TEMPLATES = sorted((ROOT / "templates").rglob("*"))

BASE = {
    *("settings", "setting_values", "whole_files", "amounts", "disk", "hub", "locks", "stored"),
    *("bounded_json", "surrogates"),
}
ARROWS = {
    "setting_values": set(),
    "whole_files": {"disk", "hub"},
    "disk": set(),
    "bounded_json": set(),
    "stored": {"bounded_json", "whole_files"},
    "amounts": set(),
    "surrogates": set(),
    "hub": set(),
    "locks": set(),
    "settings": {"setting_values"},
    "stalls": set(),
    "git": {"git"},
    "confined": set(),
    "state": BASE,
    "credentials": {*BASE, "state"},
    "claude": {
        *("claude", "bounded_json", "confined", "git", "whole_files", "disk", "hub", "surrogates"),
    },
    "drafts": {"whole_files", "disk", "hub", "locks", "stored"},
    "demo": {*BASE, "demo", "claude"},
    "runs": {*BASE, "runs", "claude"},
    "view": {*BASE, "view", "runs", "claude", "drafts"},
    "web": {*BASE, "web", "view", "runs", "claude", "drafts", "demo.scenes"},
    "api": {*BASE, "api", "web", "view", "runs", "claude", "drafts", "stalls"},
}
"""What each room may import. A new room has to say where it stands."""

OUTSIDE = {"__init__", "__main__", "end_runs", "launch", "run_settings", "wiring"}
"""What puts the rooms together. It may import every room, and no room may import it."""

WEB = {"flask", "flask_sock", "flask_httpauth", "simple_websocket", "werkzeug", "gunicorn"}
NO_WEB = set(ARROWS) - {"web", "api"}


def name_of(path: Path) -> str:
    """`view.markdown` for the module at that place in the package."""
    parts = path.relative_to(ROOT / PACKAGE).with_suffix("").parts
    return ".".join(parts).removesuffix(".__init__")


NAMES = {name_of(path) for path in MODULES}


def room_of(name: str) -> str:
    return name.partition(".")[0]


def imported(tree: ast.AST, name: str, *, is_package: bool = False) -> Iterator[str]:
    """The full names of all that the module `name` of the package imports, at whatever level."""
    package = [PACKAGE, *name.split(".")] if is_package else [PACKAGE, *name.split(".")[:-1]]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) + 1 - node.level] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            for alias in node.names:
                whole = f"{base}.{alias.name}"
                yield whole if whole.removeprefix(f"{PACKAGE}.") in NAMES else base


def ours(names: Iterator[str]) -> set[str]:
    """Those of the package itself, without its name; the package's own front door is `__init__`."""
    found = {name for name in names if room_of(name) == PACKAGE}
    return {name.removeprefix(PACKAGE).removeprefix(".") or "__init__" for name in found}


def wrong_imports(source: str, name: str) -> set[str]:
    """What a module of a room imports and may not."""
    allowed = ARROWS[room_of(name)]
    used = ours(imported(ast.parse(source), name))
    return {each for each in used if not {each, room_of(each)} & allowed}


def in_rooms() -> list[Path]:
    return [path for path in MODULES if room_of(name_of(path)) not in {*OUTSIDE, ""}]


# --- imports --------------------------------------------------------------------------------


def test_every_module_belongs_to_a_room_or_puts_them_together() -> None:
    assert {room_of(name_of(path)) or "__init__" for path in MODULES} <= {*ARROWS, *OUTSIDE}


def test_imports_point_left() -> None:
    def wrong(path: Path) -> set[str]:
        is_package = path.name == "__init__.py"
        name = f"{name_of(path)}.__init__" if is_package else name_of(path)
        return wrong_imports(path.read_text(encoding="utf-8"), name)

    assert {path: found for path in in_rooms() if (found := wrong(path))} == {}


def test_only_the_web_and_api_rooms_know_the_web() -> None:
    def known(path: Path) -> set[str]:
        used = imported(ast.parse(path.read_text(encoding="utf-8")), name_of(path))
        return {room_of(each) for each in used} & WEB

    paths = [path for path in in_rooms() if room_of(name_of(path)) in NO_WEB]
    assert {path: found for path in paths if (found := known(path))} == {}


@pytest.mark.parametrize(
    ("name", "source", "wrong"),
    [
        ("view.markdown", "from ..web import pages", {"web.pages"}),
        ("view.markdown", "from ..web.pages import blueprint", {"web.pages"}),
        ("view.markdown", "from .. import web", {"web"}),
        ("view.markdown", "import opcode_htmx.web.pages", {"web.pages"}),
        ("view.markdown", "def f():\n    from ..web import pages", {"web.pages"}),
        ("view.markdown", "if x:\n    from ..wiring import build", {"wiring"}),
        ("view.markdown", "from .. import create_app", {"__init__"}),
        ("view.markdown", "from . import blocks\nfrom ..runs import run", set()),
        ("claude.stream", "from ..settings import Settings", {"settings"}),
        ("runs.run", "from ..view import blocks", {"view.blocks"}),
        ("demo.scenes", "from opcode_htmx.runs.run import Run", {"runs.run"}),
        ("web.pages", "from ..api import envelope", {"api.envelope"}),
        ("api.projects", "from ..demo import scenes", {"demo.scenes"}),
        ("api.projects", "from ..web.pages import SessionLookup", set()),
        ("web.pages", "from ..demo.scenes import demo_scenes", set()),
        ("web.pages", "from ..demo import scenes", set()),
        ("web.pages", "from ..demo import service", {"demo.service"}),
        ("settings", "from .credentials import password", {"credentials"}),
    ],
)
def test_an_arrow_that_points_right_is_seen(name: str, source: str, wrong: set[str]) -> None:
    assert wrong_imports(source, name) == wrong


def test_no_module_is_imported_by_a_name_made_at_run_time() -> None:
    def imports_by_name(source: str) -> bool:
        nodes = ast.walk(ast.parse(source))
        calls = {call_name(node) for node in nodes if isinstance(node, ast.Call)}
        return bool(calls & {"__import__", "import_module", "exec", "eval"})

    assert those_that(imports_by_name, MODULES) == []


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
    for node in ast.walk(ast.parse(source)):
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
    assert those_that(reads_environment, MODULES) == ["opcode_htmx/settings.py"]


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
    for node in ast.walk(ast.parse(source)):
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


def test_only_markdown_says_that_a_text_is_safe_html() -> None:
    assert those_that(makes_markup, MODULES) == ["opcode_htmx/view/markdown.py"]


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


def uses_a_shell(source: str) -> bool:
    for node in ast.walk(ast.parse(source)):
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
        docstring = ast.get_docstring(ast.parse(source)) or ""
        return bool(source.strip()) and not docstring.strip()

    assert those_that(has_none, SOURCES) == []


def test_an_import_opens_nothing_and_starts_no_event_loop() -> None:
    """What is forked from a process that only imported the app shares nothing with its siblings."""
    code = (
        "import os; opened = lambda: set(os.listdir('/proc/self/fd')); before = opened();"
        "from gevent import monkey; monkey.patch_all(); import opcode_htmx.wiring;"
        "from gevent._hub_local import get_hub_if_exists;"
        "print(opened() - before, get_hub_if_exists())"
    )
    told = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert told.stdout == "set() None\n"
