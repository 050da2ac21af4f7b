"""The pages for finding a session, as a person sees them."""

import json
import os
import re
import time
from collections.abc import Mapping
from itertools import product
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from jinja2 import FileSystemLoader

from opcode_htmx.engines.claude.files import sessions
from opcode_htmx.engines.claude.files.sessions import SessionSummary
from opcode_htmx.features.projects import FEATURE, routes, session_list
from opcode_htmx.lib import formatting, resources
from opcode_htmx.lib.formatting import count
from opcode_htmx.sessions.storage.past_times import PastTimes
from opcode_htmx.sessions.storage.session_flags import Flags
from opcode_htmx.web.http import errors, filters, headers
from tests.support.apps.gate import access
from tests.support.environment import ROOT

SESSION = "11111111-1111-4111-8111-111111111111"


@pytest.fixture
def client(tmp_path: Path) -> FlaskClient:
    app = Flask(__name__, static_folder=str(ROOT / "static"))
    app.jinja_loader = FileSystemLoader([resources.TEMPLATES, FEATURE.folder / "templates"])
    access(tmp_path / "state", "opcode", "right")[0].init_app(app)
    headers.register(app)
    filters.register(app)
    errors.register(app, {sessions.ProjectNotFound: 404})
    app.register_blueprint(routes.blueprint(tmp_path))
    client = app.test_client()
    client.post("/login", data={"user": "opcode", "password": "right"})
    return client


def write(config: Path, prompt: str, folder: str = "/home/me/shop", age: float = 300) -> None:
    path = config / "projects" / re.sub(r"[^A-Za-z0-9]", "-", folder) / f"{SESSION}.jsonl"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"type": "user", "cwd": folder, "message": {"content": prompt}}))
    os.utime(path, (time.time() - age,) * 2)


def test_projects_are_listed_with_name_path_count_and_time(
    client: FlaskClient, tmp_path: Path
) -> None:
    write(tmp_path, "hello")
    page = client.get("/projects").text
    assert 'href="/projects/-home-me-shop"' in page
    assert '<span class="row-title" dir="auto" title="shop">shop</span>' in page
    parent = '<bdi dir="rtl"><bdi dir="ltr">/home/me</bdi></bdi>'  # it is cut at its left
    assert f'{parent}<bdi dir="ltr">/shop</bdi>' in page
    assert "1 session<" in page
    assert ">5 min ago</time>" in page
    assert 'href="/new"' in page


def test_a_path_is_listed_where_it_says_more_than_the_name(
    client: FlaskClient, tmp_path: Path
) -> None:
    for folder in ("/home/me/shop", "/home/me/barn", "/home/me/old/shop"):
        write(tmp_path, "hello", folder)
    paths = re.findall(r'<span class="path" title="(.*?)">', client.get("/projects").text)
    assert paths == ["/home/me/old/shop"]


@pytest.mark.parametrize(
    ("paths", "usual"),
    [
        ([], ""),
        (["/a/b"], ""),
        (["/a/b", "/a/c"], "/a"),
        (["/a/b", "/a/c", "/d/e", "/f/g"], "/a"),
        (["/a/b", "/a/c", "/d/e", "/f/g", "/h/i"], ""),
    ],
)
def test_the_usual_folder_holds_half_of_the_projects(paths: list[str], usual: str) -> None:
    assert routes.usual_folder(paths) == usual


def test_projects_page_without_projects_says_how_to_begin(client: FlaskClient) -> None:
    page = client.get("/projects").text
    assert "No projects yet" in page
    assert 'href="/new"' in page


def test_sessions_are_listed_with_prompt_time_and_length(
    client: FlaskClient, tmp_path: Path
) -> None:
    write(tmp_path, "Fix <b>this</b> & that")
    page = client.get("/projects/-home-me-shop").text
    assert f'href="/projects/-home-me-shop/sessions/{SESSION}#end"' in page
    assert "Fix &lt;b&gt;this&lt;/b&gt; &amp; that" in page
    assert "1 message\n" in page or "1 message<" in page
    assert 'href="/projects/-home-me-shop/new"' in page
    assert '<p class="full-path">/home/me/shop</p>' in page


def test_a_long_list_has_pages_with_pinned_sessions_on_the_first() -> None:
    found = [
        SessionSummary(f"s{number}", "-p", "/p", f"prompt {number}", 0, 0, 1, 1)
        for number in range(2 * session_list.MOST + 1)
    ]
    flags = {found[-1].id: Flags(pinned=1.0)}

    def page(query: Mapping[str, str]) -> tuple[str, str, int, str | None, str, int]:
        listed = session_list.listed(found, flags, query, PastTimes())
        first, last = listed.rows[0].id, listed.rows[-1].id
        return first, last, len(listed.rows), listed.newer, listed.older, listed.older_count

    assert page({}) == ("s400", "s198", 200, None, "from=200", 201)
    assert page({"from": "200"}) == ("s199", "s398", 200, "", "from=400", 1)
    assert page({"from": "400"}) == ("s399", "s399", 1, "from=200", "", 0)
    assert page({"from": "x"}) == page({})
    assert session_list.listed(found, flags, {"from": "9999999"}, PastTimes()).rows == []


def test_selecting_offers_the_tags_of_all_projects() -> None:
    found = [SessionSummary("one", "-p", "/p", "prompt", 0, 0, 1, 1)]
    flags = {"one": Flags(tags=("bug",)), "of another project": Flags(tags=("release",))}
    listed = session_list.listed(found, flags, {"select": "one"}, PastTimes())
    assert listed.known_tags == ["bug", "release"]
    assert listed.tags == [("bug", 1)]


def test_project_page_without_sessions_says_so(client: FlaskClient, tmp_path: Path) -> None:
    (tmp_path / "projects" / "-home-me-new").mkdir(parents=True)
    page = client.get("/projects/-home-me-new").text
    assert "No sessions here yet" in page


def test_an_unknown_project_is_not_found(client: FlaskClient) -> None:
    response = client.get("/projects/none")
    assert response.status_code == 404
    assert "There is no project with this id." in response.text


def test_the_pages_have_no_inline_script_and_no_inline_style(
    client: FlaskClient, tmp_path: Path
) -> None:
    write(tmp_path, "hello")
    for path in ("/projects", "/projects/-home-me-shop", "/projects/none"):
        assert not re.search(r"<script(?! src=)|<style|\sstyle=|\son[a-z]+=", client.get(path).text)


@pytest.mark.parametrize(
    ("age", "words"),
    [
        (-5, "just now"),
        (59, "just now"),
        (60, "1 min ago"),
        (3599, "59 min ago"),
        (3600, "1 h ago"),
        (86399, "23 h ago"),
        (86400, "yesterday"),
        (2 * 86400, "2 days ago"),
        (6.9 * 86400, "6 days ago"),
    ],
)
def test_times_are_formatted_in_words(age: float, words: str) -> None:
    assert filters.relative_time(1_800_000_000 - age, now=1_800_000_000) == words


def test_after_a_week_a_time_is_a_date() -> None:
    words = filters.relative_time(1_800_000_000 - 7 * 86400, now=1_800_000_000)
    assert re.fullmatch(r"\d+ [A-Z][a-z]{2} 2027", words)


def test_counts_and_sizes_are_formatted_in_words() -> None:
    assert [count(n, "session") for n in (0, 1, 1200)] == [
        "0 sessions",
        "1 session",
        "1,200 sessions",
    ]
    sizes = [formatting.format_bytes(n) for n in (10, 12_345, 999_999, 3_400_000, 2_100_000_000)]
    assert sizes == ["1 KB", "12 KB", "1000 KB", "3.4 MB", "2.1 GB"]


def themes() -> dict[str, dict[str, tuple[float, ...]]]:
    """The colours of each theme by their names; high contrast is two."""
    css = (ROOT / "static" / "style.css").read_text()

    def colours(selector: str, *, dark: bool) -> dict[str, tuple[float, ...]]:
        block = re.search(rf"^{re.escape(selector)} \{{(.*?)\}}", css, re.DOTALL | re.MULTILINE)
        assert block
        found = re.findall(r"--([a-z-]+): (?:light-dark\()?(#\w{6})(?:, (#\w{6})\))?;", block[1])
        return {
            name: tuple(int(value[i : i + 2], 16) / 255 for i in (1, 3, 5))
            for name, light, other in found
            for value in [other if dark and other else light]
        }

    light, dark = (colours(":root", dark=dark) for dark in (False, True))
    return {
        "light": light,
        "dark": dark,
        "black": {**dark, **colours(':root[data-theme="black"]', dark=True)},
        "contrast": {**light, **colours(':root[data-theme="contrast"]', dark=False)},
        "contrast, dark": {**dark, **colours(':root[data-theme="contrast"]', dark=True)},
    }


def contrast(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    def luminance(colour: tuple[float, ...]) -> float:
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour]
        return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize(
    ("theme", "least"),
    [("light", 4.5), ("dark", 4.5), ("black", 4.5), ("contrast", 7), ("contrast, dark", 7)],
)
def test_text_has_the_contrast_of_wcag_aa_and_of_aaa_in_high_contrast(
    theme: str, least: float
) -> None:
    colours = themes()[theme]
    grounds = ("bg", "surface", "raised")
    pairs = [
        *product(("text", "muted", "accent"), (*grounds, "accent-soft")),
        *product(("danger", "ok", "warn"), grounds[:2]),
        *((name, f"{name}-soft") for name in ("danger", "ok", "warn")),
        *product(("code-word", "code-text", "code-number", "code-name"), grounds[:2]),
        ("on-accent", "accent"),
        ("on-accent", "accent-hover"),
        ("surface", "warn"),
        ("surface", "danger"),
    ]
    low = {pair: contrast(*(colours[name] for name in pair)) for pair in pairs}
    assert {pair: value for pair, value in low.items() if value < least} == {}
    borders = {g: contrast(colours["line-strong"], colours[g]) for g in grounds}
    assert {ground: value for ground, value in borders.items() if value < 3} == {}


@pytest.mark.parametrize("seconds", [-62_135_596_800.0, -1e18, 0.0, 253_402_300_799.0, 1e18])
def test_time_that_no_calendar_has_is_shown_as_the_first_or_the_last(seconds: float) -> None:
    years = ("1970", "2200") if seconds else ("1970",)
    assert filters.iso_time(seconds)[:4] in years
    assert filters.full_time(seconds)
    assert filters.relative_time(seconds)
