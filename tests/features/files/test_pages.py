"""Folders and texts of a project, as pages show them."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from urllib.parse import quote

import pytest
from flask import Flask

from opcode_htmx.features.files import browse
from opcode_htmx.features.files.shown import lines
from tests.features.files.conftest import SESSION, Project


def names_on(html: str) -> list[str]:
    """The names of the entries in a listing."""
    part = html.partition('<ul class="list">')[2].partition("</ul>")[0]
    return [each.partition("</bdi>")[0] for each in part.split('<bdi class="file-name">')[1:]]


def test_a_folder_lists_folders_first_and_leaves_hidden_and_ignored_out(project: Project) -> None:
    project.git("init", "--quiet")
    project.write(".gitignore", "*.log\nbuild/\n")
    for path in ("b.txt", "A.txt", "src/app.py", "debug.log", "build/out", ".env"):
        project.write(path)
    project.git("add", "b.txt", ".gitignore")
    project.git("commit", "--quiet", "-m", "first")
    project.write("b.txt", "changed")
    page = project.get()
    assert names_on(page.text) == ["src", "A.txt", "b.txt"]
    assert "Show 5 hidden or ignored" in page.text
    assert ">changed</span>" in page.text
    assert ">new</span>" in page.text
    all_names = names_on(project.get(all="1").text)
    assert all_names == [
        ".git",
        "build",
        "src",
        ".env",
        ".gitignore",
        "A.txt",
        "b.txt",
        "debug.log",
    ]
    assert ">ignored</span>" in project.get(all="1").text


def test_what_git_tracks_is_listed_although_a_rule_ignores_it(project: Project) -> None:
    project.git("init", "--quiet")
    project.write(".gitignore", "*.log\nbuild/\n")
    for path in ("kept.log", "other.log", "build/kept", "build/other"):
        project.write(path)
    project.git("add", "--force", "kept.log", "build/kept")
    assert names_on(project.get().text) == ["build", "kept.log"]


def test_the_marks_of_a_folder_below_the_top_of_the_repository_are_right(project: Project) -> None:
    project.git("init", "--quiet")
    for path in ("src/lib/a.py", "src/lib/b.py", "src/new/c.py"):
        project.write(path)
    project.git("add", "src/lib")
    project.git("commit", "--quiet", "-m", "first")
    project.write("src/lib/a.py", "changed")
    assert ">changes inside</span>" in project.get(path="src").text
    assert project.get(path="src/lib").text.count("file-mark") == 1
    assert ">new</span>" in project.get(path="src/new").text


def test_a_large_folder_comes_in_pages(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(browse, "PAGE", 3)
    for number in range(8):
        project.write(f"f{number}")
    pages = [names_on(project.get(page=str(page)).text) for page in (1, 2, 3, 99)]
    assert pages == [["f0", "f1", "f2"], ["f3", "f4", "f5"], ["f6", "f7"], ["f6", "f7"]]
    assert "4–6 of 8 entries" in project.get(page="2").text


def test_a_file_is_found_by_letters_of_its_name(project: Project) -> None:
    project.write("src/deep/inner.py")
    assert names_on(project.get(q="inner").text) == ["inner.py"]
    assert "No file of this project" in project.get(q="nowhere").text


def test_a_text_has_numbered_lines_with_anchors_and_colours(project: Project) -> None:
    project.write("app.py", "def f():\n    return 1\n\n\nlast")
    page = project.get("view", path="app.py").text
    assert 'id="L1"' in page
    assert 'id="L5"' in page
    assert '<span class="k">def</span>' in page
    assert "no line feed at the end" in page
    marked = project.get("view", path="app.py", line="2", end="3").text
    assert marked.count('class="line marked"') == 2


def test_a_long_file_comes_in_parts_and_a_line_is_in_its_part(project: Project) -> None:
    project.write("short.log", "".join(f"line {n}\n" for n in range(1, 1201)))
    project.write("long.log", "".join(f"line {n} {'x' * 100}\n" for n in range(1, 30001)))
    for name, total in (("short.log", 1200), ("long.log", 30000)):
        first = project.get("view", path=name).text
        assert 'id="L500"' in first
        assert 'id="L501"' not in first
        middle = project.get("view", path=name, line="777").text
        assert f"Lines 501–1,000 of {total:,}" in middle
        assert "line 777" in middle
        end = project.get("view", path=name, line="999999999").text
        assert f'id="L{total}"' in end
        assert f"{total:,} lines" in end


def test_a_part_with_very_long_lines_is_answered(project: Project) -> None:
    project.write("wide.py", ("x = '" + "a" * 480 + "'\n") * 2000)
    page = project.get("view", path="wide.py").text
    assert 0 < page.count('<span class="s">') < 400
    assert 'id="L500"' in page


def test_a_line_without_end_is_cut(project: Project) -> None:
    project.write("app.min.js", "x" * 3_000_000)
    page = project.get("view", path="app.min.js")
    assert len(page.text) < 20_000
    assert f"{2_000_000 - lines.LONGEST_LINE:,} characters more" in page.text


@pytest.mark.parametrize(
    ("content", "shown"),
    [
        ("caf\u00e9".encode("latin-1"), "caf\u00e9"),
        ("caf\u00e9".encode("utf-16"), "caf\u00e9"),
        (b"\xef\xbb\xbfcaf\xc3\xa9", "caf\u00e9"),
        (b"a\rb\rc", 'id="L3"'),
        (b"a\r\nb", "CRLF line ends"),
        ("a \u202e b".encode(), "\u27e8U+202E\u27e9"),
        (b"", "There is nothing in this file."),
    ],
)
def test_every_encoding_is_read(project: Project, content: bytes, shown: str) -> None:
    project.write("file.txt", content)
    assert shown in project.get("view", path="file.txt").text


def test_templates_of_other_features_have_the_addresses_of_files(
    app: Flask, project: Project
) -> None:
    project.get()  # which adds the pages
    address = app.jinja_env.globals["file_address"]
    assert callable(address)
    with app.test_request_context():
        assert (
            address(project.id, "a b/c.py", 3) == f"{project.address}/view?path=a+b/c.py&line=3#L3"
        )
        assert address(project.id, "/work/c.py", 3) == f"{project.address}/open?path=/work/c.py:3"


def test_a_folder_is_saved_as_a_zip_of_what_belongs_to_it(project: Project) -> None:
    project.git("init", "--quiet")
    for path in (".gitignore", "src/app.py", "node_modules/x/y.js", ".env"):
        project.write(path, "node_modules\n.env\n" if path == ".gitignore" else path)
    archive = zipfile.ZipFile(io.BytesIO(project.get("download").data))
    assert sorted(archive.namelist()) == [".gitignore", "src/app.py"]
    everything = zipfile.ZipFile(io.BytesIO(project.get("download", all="1").data))
    assert sorted(everything.namelist()) == [
        ".env", ".gitignore", "node_modules/x/y.js", "src/app.py",
    ]  # fmt: skip
    inner = project.get("download", path="src")
    assert zipfile.ZipFile(io.BytesIO(inner.data)).namelist() == ["app.py"]
    assert "src.zip" in inner.headers["Content-Disposition"]


@pytest.mark.parametrize("name", ["a\nb.txt", "a\r\nX-Odd: 1.txt", "a\x1b[31m\x7f.txt", "\n"])
def test_a_file_with_control_characters_in_its_name_is_saved(project: Project, name: str) -> None:
    project.write(name, "x")
    saved = project.get("download", path=f"raw:{quote(name)}")
    assert (saved.status_code, saved.data) == (200, b"x")
    disposition = saved.headers["Content-Disposition"]
    assert disposition.isprintable()
    assert f"filename*=UTF-8''{quote(name, safe='')}" in disposition


def test_the_pages_of_a_project_and_a_session_lead_to_its_files(project: Project) -> None:
    assert f'href="{project.address}"' in project.client.get(f"/projects/{project.id}").text
    session = project.client.get(f"/projects/{project.id}/sessions/{SESSION}").text
    assert f'href="{project.address}"' in session


def test_files_outside_of_the_project_roots_are_not_shown(project: Project, tmp_path: Path) -> None:
    project.folder.rename(tmp_path / "moved")
    project.folder.symlink_to(tmp_path / "moved")
    answer = project.get()
    assert answer.status_code == 403
    assert "OPCODE_PROJECT_ROOTS" in answer.text
