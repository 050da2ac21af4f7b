"""Folders and files of a project, as pages show them."""

from __future__ import annotations

import io
import json
import struct
import zipfile
import zlib
from pathlib import Path

import pytest
from flask import Flask

from opcode_htmx.features.files import browse
from opcode_htmx.features.files.shown import lines
from tests.features.files.conftest import SESSION, Project
from tests.support.environment import ROOT

PNG = (ROOT / "static" / "icon-192.png").read_bytes()


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


def test_a_binary_file_is_shown_by_its_first_bytes(project: Project) -> None:
    project.write("data.bin", b"\0\x01\x02AB<script>" + bytes(2000))
    page = project.get("view", path="data.bin").text
    assert "0000  00 01 02 41 42 3c 73 63  ...AB&lt;sc" in page
    assert "<script>alert" not in page
    assert "Edit</a>" not in page


def test_markdown_is_rendered_and_its_links_and_images_work(project: Project) -> None:
    project.write("logo.png", PNG)
    project.write("README.md", "x")
    project.write(
        "docs/guide.md",
        "# A heading\n\n[up](../README.md) [there](other.md#the-part) [here](#a-heading)\n"
        "![logo](../logo.png) ![far](https://example.com/x.png) [out](../../secret.txt)\n"
        "<script>alert(1)</script> [x](javascript:alert(1)) `app.py:3`\n",
    )
    page = project.get("view", path="docs/guide.md").text
    base = project.address
    for part in (
        f'href="{base}/open?path=README.md"',
        f'href="{base}/open?path=docs/other.md#h-the-part"',
        'href="#h-a-heading"',
        'id="h-a-heading"',
        f'src="{base}/raw?path=logo.png"',
        f'href="{base}/open?path=docs/app.py:3"',
    ):
        assert part in page, part
    article = page.partition("<article")[2].partition("</article>")[0]
    assert "secret.txt</code>" in article
    assert 'secret.txt"' not in article
    assert "<script" not in article
    assert "javascript:" not in article.replace('<code dir="ltr">javascript:', "")
    assert 'src="https' not in article
    assert "<article" not in project.get("view", path="docs/guide.md", source="1").text
    assert project.client.get(f"{base}/raw?path=logo.png").data == PNG


def test_a_table_is_shown_within_limits(project: Project) -> None:
    rows = ["name;size"] + [f"row {n};{n}" for n in range(1000)]
    project.write("data.csv", "\n".join(rows))
    page = project.get("view", path="data.csv").text
    assert '<th scope="col" dir="auto">name</th>' in page
    assert page.count("<tr>") == 201
    assert "The first 200 rows" in page
    project.write("wide.tsv", "\t".join(map(str, range(5000))))
    assert "50 columns of 5000" in project.get("view", path="wide.tsv").text


@pytest.mark.parametrize(
    "content", ['"' * 600_000, "," * 600_000, '"a\n' * 200_000, "\r" * 500_000, '=cmd|"x"!A1\n']
)
def test_a_hostile_table_is_answered(project: Project, content: str) -> None:
    project.write("bomb.csv", content)
    answer = project.get("view", path="bomb.csv")
    assert answer.status_code == 200
    assert len(answer.data) < 3_000_000


def test_a_notebook_is_shown_with_its_outputs(project: Project) -> None:
    cells = [
        {"cell_type": "markdown", "source": ["# Title\n"]},
        {
            "cell_type": "code",
            "execution_count": 3,
            "source": ["print(1)\n"],
            "outputs": [{"output_type": "stream", "text": ["one\n"]}],
        },
    ]
    project.write("work.ipynb", json.dumps({"cells": cells, "metadata": {}}))
    page = project.get("view", path="work.ipynb").text
    assert "In [3]:" in page
    assert "Out [3]:" in page
    project.write("bad.ipynb", "{" * 5000)
    assert 'id="L1"' in project.get("view", path="bad.ipynb").text


def test_an_image_is_shown_and_a_gigantic_one_is_not(project: Project) -> None:
    project.write("logo.png", PNG)
    assert "/raw?path=logo.png" in project.get("view", path="logo.png").text
    header = struct.pack(">IIBBBBB", 40_000, 40_000, 8, 6, 0, 0, 0)
    chunk = (
        struct.pack(">I", 13) + b"IHDR" + header + struct.pack(">I", zlib.crc32(b"IHDR" + header))
    )
    project.write("huge.png", b"\x89PNG\r\n\x1a\n" + chunk)
    page = project.get("view", path="huge.png").text
    assert "too large to be shown" in page
    assert "/raw?path=huge.png" not in page
    assert project.get("raw", path="huge.png").status_code == 413
    assert project.get("download", path="huge.png").status_code == 200


def test_sound_is_played_on_its_page_only(project: Project) -> None:
    project.write("beep.wav", b"RIFF\x24\0\0\0WAVEfmt " + bytes(100))
    page = project.get("view", path="beep.wav")
    assert f'<audio class="file-media" src="{project.address}/raw?path=beep.wav"' in page.text
    assert "media-src 'self'" in page.headers["Content-Security-Policy"]
    assert "media-src" not in project.get().headers["Content-Security-Policy"]
    assert project.get("raw", path="beep.wav").headers["Content-Type"] == "audio/wav"


def test_templates_of_other_features_have_the_addresses_of_files(
    app: Flask, project: Project
) -> None:
    address = app.jinja_env.globals["file_address"]
    assert callable(address)
    with app.test_request_context():
        assert (
            address(project.id, "a b/c.py", 3) == f"{project.address}/view?path=a+b/c.py&line=3#L3"
        )
        assert address(project.id, "/work/c.py", 3) == f"{project.address}/open?path=/work/c.py:3"


@pytest.mark.parametrize(
    ("name", "content", "media_type", "is_saved"),
    [
        ("page.html", "<script>alert(1)</script>", "text/plain; charset=utf-8", False),
        ("image.svg", "<svg onload='alert(1)'/>", "image/svg+xml; charset=utf-8", False),
        ("doc.pdf", "%PDF-1.7 /JS", "application/pdf", True),
        ("data.bin", "\0\1", "application/octet-stream", True),
        ("x.js", "alert(1)", "text/plain; charset=utf-8", False),
    ],
)
def test_a_raw_file_can_do_nothing_in_our_name(
    project: Project, name: str, content: str, media_type: str, is_saved: bool
) -> None:
    project.write(name, content)
    answer = project.get("raw", path=name)
    headers = answer.headers
    assert answer.data == content.encode()
    assert headers["Content-Type"] == media_type
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Content-Security-Policy"].endswith("; sandbox")
    assert "script-src" not in headers["Content-Security-Policy"]
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert headers.get("Content-Disposition", "").startswith("attachment") == is_saved


def test_a_part_of_a_file_is_sent_where_it_is_asked_for(project: Project) -> None:
    project.write("a.txt", "0123456789")
    address = f"{project.address}/raw?path=a.txt"
    answer = project.client.get(address, headers={"Range": "bytes=2-4"})
    assert (answer.status_code, answer.data) == (206, b"234")
    assert answer.headers["Content-Range"] == "bytes 2-4/10"
    assert project.client.get(address, headers={"Range": "bytes=99-"}).status_code == 416


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
