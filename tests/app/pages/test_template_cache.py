"""Templates are compiled beside the requests, and each one once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask
from jinja2 import (
    BytecodeCache,
    ChoiceLoader,
    DictLoader,
    Environment,
    FileSystemLoader,
    TemplateNotFound,
    nodes,
)
from jinja2.bccache import Bucket

from opcode_htmx.app import platform
from opcode_htmx.app.registry import FEATURES
from opcode_htmx.app.template_cache import LateEnvironment, fill, forget_macros
from opcode_htmx.lib import resources
from tests.support.environment import TEMPLATES

SOURCES = {"page": "{% extends 'base' %}{% block main %}{{ name }}{% endblock %}", "base": ""}
SOURCES["base"] = "<main>{% block main %}{% endblock %}</main>"


class RecordingEnvironment(Environment):
    """Notes the thread in which each template is compiled."""

    def __init__(self, cache: BytecodeCache | None = None) -> None:
        self.cache_of_templates = cache or Cache()
        self.threads: dict[str, int] = {}
        super().__init__(loader=DictLoader(SOURCES), bytecode_cache=self.cache_of_templates)

    def compile(  # type: ignore[no-untyped-def]
        self, source, name=None, filename=None, raw=False, defer_init=False
    ):
        self.threads[name] = threading.get_ident()
        return super().compile(source, name, filename, raw, defer_init)


class Cache(BytecodeCache):
    def __init__(self) -> None:
        self.stored: dict[str, bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        if bucket.key in self.stored:
            bucket.bytecode_from_string(self.stored[bucket.key])

    def dump_bytecode(self, bucket: Bucket) -> None:
        self.stored[bucket.key] = bucket.bytecode_to_string()


@pytest.fixture
def frozen(monkeypatch: pytest.MonkeyPatch) -> None:
    """The test's own objects are not frozen."""
    monkeypatch.setattr("gc.freeze", lambda: None)


@pytest.mark.usefixtures("frozen")
def test_templates_are_compiled_in_another_thread_and_kept() -> None:
    environment = RecordingEnvironment()
    fill(environment.cache_of_templates, environment)
    assert environment.threads.keys() == SOURCES.keys()
    assert threading.get_ident() not in environment.threads.values()
    environment.threads.clear()
    assert environment.get_template("page").render(name="hello") == "<main>hello</main>"
    assert environment.threads == {}


@pytest.mark.usefixtures("frozen")
def test_template_needed_earlier_is_compiled_for_the_one_that_needs_it() -> None:
    environment = RecordingEnvironment()
    assert environment.get_template("page").render(name="hello") == "<main>hello</main>"
    assert set(environment.threads.values()) == {threading.get_ident()}
    environment.threads.clear()
    fill(environment.cache_of_templates, environment)
    assert environment.threads == {}


@pytest.mark.usefixtures("frozen")
@pytest.mark.parametrize("use", [fill, lambda cache, env: env.get_template("page")])
def test_templates_of_a_lasting_cache_are_not_compiled_again(
    use: Callable[[BytecodeCache, Environment], object],
) -> None:
    cache = Cache()
    first, second = RecordingEnvironment(cache), RecordingEnvironment(cache)
    use(cache, first)
    assert first.threads
    fill(cache, second)
    assert second.threads.keys() == SOURCES.keys() - first.threads.keys()


@pytest.mark.usefixtures("frozen")
def test_broken_template_is_logged_and_affects_no_other(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(SOURCES, "broken", "{% if %}")
    environment = RecordingEnvironment()
    fill(environment.cache_of_templates, environment)
    assert "template broken cannot be compiled" in caplog.text
    environment.threads.clear()
    assert environment.get_template("page").render(name="hello") == "<main>hello</main>"
    assert environment.threads == {}


@pytest.mark.usefixtures("frozen")
def test_unreadable_template_is_logged_and_affects_no_other(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "broken").write_bytes(b"\xff")
    environment = RecordingEnvironment()
    environment.loader = ChoiceLoader([FileSystemLoader(tmp_path), DictLoader(SOURCES)])
    fill(environment.cache_of_templates, environment)
    assert "template broken cannot be compiled" in caplog.text
    environment.threads.clear()
    assert environment.get_template("page").render(name="hello") == "<main>hello</main>"
    assert environment.threads == {}


@pytest.mark.usefixtures("frozen")
def test_what_compiling_needs_is_made_only_where_a_template_is_new() -> None:
    environment, made = RecordingEnvironment(), list[str]()
    for _ in range(2):
        fill(environment.cache_of_templates, environment, before=lambda: made.append("filters"))
    assert made == ["filters"] * len(SOURCES)


def test_macros_know_functions_that_were_added_after_they_had_been_made() -> None:
    environment = LateEnvironment(
        Flask(__name__),
        loader=DictLoader(
            {
                "macros": "{% macro named() %}{{ name() if name is defined }}{% endmacro %}",
                "page": "{% from 'macros' import named %}{{ named() }}",
            }
        ),
    )
    assert environment.get_template("page").render() == ""
    environment.globals["name"] = lambda: "added"
    forget_macros(environment)
    assert environment.get_template("page").render() == "added"


def test_what_is_imported_without_its_context_is_the_same_for_every_request() -> None:
    """Its macros are made once, so that beside them there is nothing but constants."""
    environment = Environment(autoescape=True)
    texts = {
        str(path).rpartition("/templates/")[2]: path.read_text(encoding="utf-8")
        for path in TEMPLATES
    }
    shared = {
        found.template.value
        for text in texts.values()
        for found in environment.parse(text).find_all(nodes.FromImport)
        if not found.with_context and isinstance(found.template, nodes.Const)
    }
    assert {"macros.html", "icons.html"} <= shared
    for name in shared:
        for node in environment.parse(texts[name]).body:
            assert isinstance(node, nodes.Macro | nodes.FromImport | nodes.Assign | nodes.Output)
            beside = node.node if isinstance(node, nodes.Assign) else node
            if not isinstance(node, nodes.Macro):
                assert not list(beside.find_all((nodes.Call, nodes.Name))), name


def test_each_template_is_the_one_that_a_search_through_all_folders_finds() -> None:
    environment = platform.make_app(FEATURES).jinja_env
    assert environment.loader
    folders = [each.folder / "templates" for each in FEATURES]
    search = FileSystemLoader([resources.TEMPLATES, *folders])
    names = environment.list_templates()
    assert len(names) == len(TEMPLATES)
    for name in names:
        found = environment.loader.get_source(environment, name)
        assert found[:2] == search.get_source(environment, name)[:2]
    for name in ("home/nowhere.html", "nowhere/home.html", "../home/home.html"):
        with pytest.raises(TemplateNotFound):
            environment.loader.get_source(environment, name)
