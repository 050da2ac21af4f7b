"""What Claude's Markdown looks like: tables, tasks, code, and the files of a project."""

from __future__ import annotations

import re

import pytest

from opcode_htmx.markup.markdown import render
from opcode_htmx.markup.markdown_parser import FENCE_LINES
from tests.markup.safe_html import parts_of, read_safely

# --- what it looks like ---------------------------------------------------------------------


def test_a_table_scrolls_by_itself_and_aligns_by_class() -> None:
    reader = read_safely(render("a|b|c\n:-|-:|:-:\n1|2|3\n"))
    assert reader.tags[0] == ("div", {"class": "scroll", "tabindex": "0"})
    assert [a.get("class") for tag, a in reader.tags if tag == "td"] == [
        "align-left",
        "align-right",
        "align-center",
    ]
    assert "style" not in render("a|b|c\n:-|-:|:-:\n1|2|3\n")


def test_a_task_list_says_of_each_task_whether_it_is_done() -> None:
    reader = read_safely(render("- [ ] *sow*\n- [x] dig\n- [X]\n- [y] z\n1. [x] one\n\n[x] text\n"))
    classes = [attributes.get("class") for tag, attributes in reader.tags if tag == "li"]
    assert classes == ["task", "task done", None, None, "task done"]
    lines = [line for line in reader.text.split("\n") if line]
    assert lines == ["To do: sow", "Done: dig", "[X]", "[y] z", "Done: one", "[x] text"]


@pytest.mark.parametrize("text", ["- [ ] `code`\n", "- [x] [a](https://b.c/)\n", "> - [x] a\n"])
def test_task_items_may_contain_inline_markup(text: str) -> None:
    assert ("span", {"class": "check"}) in read_safely(render(text)).tags


# --- code -----------------------------------------------------------------------------------

PYTHON = "```python\ndef f(x):\n    return 'a<b'  # why\n```\n"


def styles(text: str) -> list[tuple[str, str]]:
    return re.findall(r'<span class="(\w)">(.*?)</span>', render(text))


def test_code_is_coloured_by_its_language_without_changing_it() -> None:
    assert styles(PYTHON) == [
        *(("k", "def"), ("f", "f"), ("k", "return")),
        *(("s", "'a&lt;b'"), ("c", "# why")),
    ]
    assert read_safely(render(PYTHON)).code == "def f(x):\n    return 'a<b'  # why\n"


@pytest.mark.parametrize("language", ["", "klingon", "text", "<b>", "x" * 500, "../../etc"])
def test_code_in_an_unknown_language_stays_plain(language: str) -> None:
    html = render(f"```{language}\ndef f(): pass\n```\n")
    assert "<span" not in html
    assert read_safely(html).code == "def f(): pass\n"


def test_code_is_coloured_once_it_is_whole() -> None:
    """The growing part is rendered again with every word."""
    assert styles(PYTHON.removesuffix("```\n")) == []
    assert styles(PYTHON.removesuffix("\n"))
    assert styles(f"> {PYTHON}".replace("\n", "\n> "))


def test_a_piece_of_long_code_is_coloured_when_it_is_cut_off() -> None:
    parts = parts_of("```python\n" + "import a\n" * (FENCE_LINES + 5)).parts
    assert ["<span" in part.html for part in parts] == [True, False]


def test_very_long_code_stays_plain() -> None:
    assert "<span" not in render("```python\n" + "import a\n" * 5000 + "```\n")


def test_a_link_definition_is_shown_where_it_stands() -> None:
    """It could not serve the parts that are settled already, and is not to get lost."""
    assert read_safely(render("[the page][1]\n\n[1]: https://a.b/\n")).text == (
        "[the page][1]\n[1]: https://a.b/\n"
    )


def test_code_names_its_language_and_a_list_its_start() -> None:
    tags = read_safely(render("```python\nx\n```\n\n3. a\n")).tags
    assert ("code", {"class": "language-python"}) in tags
    assert ("ol", {"start": "3"}) in tags


# --- links, and the files of a project -----------------------------------------------------


def test_paragraph_of_very_many_links_is_shown_as_plain_text() -> None:
    few, many = (render("_*http://a.com/_*" * number) for number in (100, 5_000))
    assert "<a " in few
    assert "<a " not in many
    assert "http://a.com/" in many


class OfProject:
    """Places of a text whose links and images lead to files of a project, or to `elsewhere`."""

    has_anchors = True

    def __init__(self, elsewhere: str = "") -> None:
        self._elsewhere = elsewhere

    def link(self, address: str) -> str:
        return self._elsewhere or f"/projects/p/files/open?path={address}"

    def image(self, address: str) -> str:
        return self._elsewhere or f"/projects/p/files/raw?path={address}"


def test_a_file_of_a_project_has_links_images_and_headings_of_its_own() -> None:
    html = render("[x](a.md) ![y](b.png)\n\n# One *two*\n\n# One two\n", places=OfProject())
    assert '<a class="file-link" href="/projects/p/files/open?path=a.md">x</a>' in html
    assert '<img src="/projects/p/files/raw?path=b.png" alt="y" loading="lazy">' in html
    assert '<h2 id="h-one-two" dir="auto">' in html
    assert '<h2 id="h-one-two-1" dir="auto">' in html
    assert "<h1" not in html


@pytest.mark.parametrize("address", ["//evil.example/x", "/elsewhere?path=x", "/a/files/raw?path="])
def test_places_outside_of_a_project_are_taken_away(address: str) -> None:
    html = render("[x](a.md) ![y](b.png)", places=OfProject(address))
    assert "href=" not in html
    assert "src=" not in html
