"""Files of every kind, as pages show them: binary ones, Markdown, tables, images and sound."""

from __future__ import annotations

import json
import struct
import zlib

import pytest

from tests.features.files.conftest import Project
from tests.support.environment import ROOT

PNG = (ROOT / "static" / "icon-192.png").read_bytes()


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
