"""Compiled templates in a file: used by the program that wrote it, and by nobody else."""

from __future__ import annotations

import marshal
import os
from pathlib import Path

import pytest
from jinja2 import DictLoader, Environment, FileSystemLoader

from opcode_htmx.web.assets.saved_templates import SavedTemplates, program

SOURCES = {"page": "<p>{{ name }}</p>", "other": "{{ 1 + 1 }}"}


class Counting(Environment):
    compiled = 0

    def compile(  # type: ignore[no-untyped-def]
        self, source, name=None, filename=None, raw=False, defer_init=False
    ):
        self.compiled += 1
        return super().compile(source, name, filename, raw, defer_init)


def compiled(saved: SavedTemplates, sources: dict[str, str] = SOURCES) -> int:
    """How many templates are compiled for a program that renders all of them."""
    environment = Counting(loader=DictLoader(sources), bytecode_cache=saved)
    assert environment.get_template("page").render(name="me") == "<p>me</p>"
    environment.get_template("other")
    return environment.compiled


def test_templates_are_compiled_by_the_first_start_only(tmp_path: Path) -> None:
    file = tmp_path / "templates"
    first = SavedTemplates(file, lambda: "v1")
    assert compiled(first) == 2
    first.save()
    assert file.stat().st_mode & 0o777 == 0o600
    second = SavedTemplates(file, lambda: "v1")
    assert compiled(second) == 0
    written = file.stat().st_mtime_ns
    second.save()
    assert file.stat().st_mtime_ns == written


def test_a_changed_template_is_compiled_again(tmp_path: Path) -> None:
    file = tmp_path / "templates"
    first = SavedTemplates(file, lambda: "v1")
    compiled(first)
    first.save()
    changed = SavedTemplates(file, lambda: "v1")
    assert compiled(changed, {**SOURCES, "other": "{{ 2 + 2 }}"}) == 1
    changed.save()
    assert compiled(SavedTemplates(file, lambda: "v1"), {**SOURCES, "other": "{{ 2 + 2 }}"}) == 0


@pytest.mark.parametrize("content", [b"", b"no code", marshal.dumps(7), marshal.dumps(("v1",))])
def test_a_damaged_file_is_replaced(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "templates"
    file.write_bytes(content)
    first = SavedTemplates(file, lambda: "v1")
    assert compiled(first) == 2
    first.save()
    assert compiled(SavedTemplates(file, lambda: "v1")) == 0


def test_what_another_program_or_user_may_have_written_is_not_executed(tmp_path: Path) -> None:
    file = tmp_path / "templates"
    first = SavedTemplates(file, lambda: "v1")
    compiled(first)
    first.save()
    assert compiled(SavedTemplates(file, lambda: "v2")) == 2
    file.chmod(0o622)
    assert compiled(SavedTemplates(file, lambda: "v1")) == 2


def test_a_full_disk_costs_the_next_start_only(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    saved = SavedTemplates(tmp_path / "nowhere" / "templates", lambda: "v1")
    assert compiled(saved) == 2
    saved.save()
    assert "could not be saved" in caplog.text


def test_another_program_is_one_with_another_module(tmp_path: Path) -> None:
    module = tmp_path / "package" / "module.py"
    module.parent.mkdir()
    module.write_text("1")
    before = program(module.parent)
    assert program(module.parent) == before
    (module.parent / "page.html").write_text("a template, which has its own checksum")
    assert program(module.parent) == before
    os.utime(module, (1, 1))
    assert program(module.parent) != before


def test_templates_of_two_folders_are_not_mistaken_for_one_another(tmp_path: Path) -> None:
    saved = SavedTemplates(tmp_path / "templates", lambda: "v1")
    for text in ("one", "two"):
        (tmp_path / text).mkdir()
        (tmp_path / text / "page").write_text(text)
        loader = FileSystemLoader(tmp_path / text)
        environment = Environment(loader=loader, bytecode_cache=saved)  # noqa: S701 - plain text
        assert environment.get_template("page").render() == text
