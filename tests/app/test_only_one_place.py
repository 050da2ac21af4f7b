"""What only one place may do: read the environment, call HTML safe; and what none may."""

from __future__ import annotations

import ast
import re

import pytest

from tests.app.sources import MODULES, SOURCES, call_name, nodes_of, those_that

ENVIRONMENT = {"environ", "environb", "getenv", "getenvb", "putenv", "unsetenv"}

# What a source holds that may do it: to parse all others would take most of the time.
OF_ENVIRONMENT = re.compile(rf"\b(?:{'|'.join(ENVIRONMENT)})\b|\bos\s+as\b")
OF_MARKUP = re.compile("Markup|literal")
OF_SHELLS = re.compile(r"\bshell\s*=|_shell\b|\.\s*(?:system|popen)\b|getoutput|getstatusoutput")


def reads_environment(source: str) -> bool:
    for node in nodes_of(source) if OF_ENVIRONMENT.search(source) else ():
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
    for node in nodes_of(source) if OF_MARKUP.search(source) else ():
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
