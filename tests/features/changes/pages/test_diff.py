"""One file's diff, and the lines between its hunks."""

from __future__ import annotations

import os
import re
from typing import Any
from urllib.parse import quote

from tests.features.changes.conftest import Pages, Repository, diff_lines, plain


def test_a_diff_marks_words_and_has_colours(pages: Pages, repository: Repository) -> None:
    repository.write("tree.py", "def grow(height: int) -> int:\n    return height + 1\n")
    repository.commit()
    repository.write("tree.py", "def grow(height: int) -> int:\n    return height + 2\n")
    page = pages.text("/file", path="tree.py", base="commit")
    assert diff_lines(page) == [
        " def grow(height: int) -> int:",
        "-    return height + 1",
        "+    return height + 2",
    ]
    assert '<span class="n m">2</span>' in page
    assert '<span class="k">return</span>' in page


def test_a_file_opens_in_place_and_on_a_page_of_its_own(
    pages: Pages, repository: Repository
) -> None:
    repository.write("app.txt", "two\n")
    repository.write("zoo.txt", "x\n")
    whole = pages.text("/file", path="app.txt", side="unstaged", base="commit")
    assert "<!doctype html>" in whole and "Next file" in whole
    part = pages.text("/file", htmx=True, path="app.txt", side="unstaged", base="commit")
    assert part.lstrip().startswith('<div class="file-body"')
    assert diff_lines(part) == ["-one", "+two"]


def test_both_sides_of_a_file_have_their_own_diffs(pages: Pages, repository: Repository) -> None:
    repository.write("app.txt", "two\n")
    repository.git("add", "app.txt")
    repository.write("app.txt", "three\n")
    for side, lines in (("staged", ["-one", "+two"]), ("unstaged", ["-two", "+three"])):
        page = pages.text("/file", path="app.txt", side=side, base="commit")
        assert diff_lines(page) == lines


def test_a_long_diff_comes_in_parts(pages: Pages, repository: Repository) -> None:
    repository.write("long.txt", "".join(f"line {number}\n" for number in range(1, 1001)))
    first = pages.text("/file", htmx=True, path="long.txt", base="commit")
    assert diff_lines(first) == [f"+line {number}" for number in range(1, 201)]
    assert "Show more (800 lines)" in first
    second = pages.text("/file", htmx=True, path="long.txt", base="commit", at=200)
    assert diff_lines(second) == [f"+line {number}" for number in range(201, 401)]
    assert 'data-n="201"' in second
    last = pages.text("/file", htmx=True, path="long.txt", base="commit", at=800)
    assert diff_lines(last)[-1] == "+line 1000" and "Show more" not in last


def test_lines_between_hunks_can_be_opened(pages: Pages, repository: Repository) -> None:
    lines = [f"line {number}" for number in range(1, 301)]
    repository.write("app.txt", "\n".join(lines))
    repository.commit()
    lines[4], lines[249] = "five", "two hundred and fifty"
    repository.write("app.txt", "\n".join(lines))
    page = pages.text("/file", htmx=True, path="app.txt", base="commit")
    gaps = [plain(each) for each in re.findall(r'class="between"[^>]*>(.*?)</div>', page)]
    assert gaps == ["Show 1 line", "↓ 40 lines238 lines↑ 40 lines", "Show what follows"]
    query: dict[str, Any] = {"path": "app.txt", "base": "commit", "old": 9, "new": 9, "count": 238}
    down = pages.text("/lines", htmx=True, **query)
    assert diff_lines(down) == [f" line {number}" for number in range(9, 49)]
    assert "198 lines" in plain(down)
    up = pages.text("/lines", htmx=True, **query, end=1)
    assert diff_lines(up) == [f" line {number}" for number in range(207, 247)]
    end = pages.text("/lines", path="app.txt", base="commit", old=254, new=254)
    assert diff_lines(end) == [f" line {number}" for number in range(254, 294)]
    assert "Show what follows" in end


def test_white_space_is_hidden_on_demand(pages: Pages, repository: Repository) -> None:
    repository.write("app.txt", "    one\n")
    assert "Only white space has changed" in pages.text("/file", path="app.txt", base="commit", w=1)
    assert diff_lines(pages.text("/file", path="app.txt", base="commit")) == ["-one", "+    one"]


def test_a_file_whose_name_is_not_utf_8_opens(pages: Pages, repository: Repository) -> None:
    (repository.folder / os.fsdecode(b"caf\xe9.txt")).write_text("x\n")
    page = pages.text(base="commit")
    (address,) = set(re.findall(r'hx-get="([^"]*/file[^"]*)"', page))
    assert quote(b"caf\xe9.txt") in address
    answer = pages.client.get(address.replace("&amp;", "&"))
    assert diff_lines(answer.text) == ["+x"]
