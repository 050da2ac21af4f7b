"""The audit of a page finds what is wrong in one setting only."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing

import pytest
from playwright.sync_api import Browser, Page

from tests.support.pages.page_audit import PageAudit
from tests.support.pages.page_checks import WIDTHS, misfits, open_every_card

pytestmark = pytest.mark.browser

ADDRESS = "http://pages.test/"
LIGHT = ":root { color-scheme: light dark } body { background: #fff; color: #111 }"
DARK = "@media (prefers-color-scheme: dark) { body { background: #111; color: #eee } }"
PAGE = f"""<!doctype html><html lang="en"><head><title>A page</title>
<style>{LIGHT} {DARK} %s</style></head><body><main><h1>A page</h1>%s</main></body></html>"""

Looks = Callable[..., dict[str, object]]


@pytest.fixture(scope="module")
def answered(browser: Browser) -> Iterator[tuple[Page, list[str]]]:
    """A page, and the one document with which all of its requests are answered."""
    html = [""]
    with closing(browser.new_context()) as context:
        page = context.new_page()
        page.route("**", lambda route: route.fulfill(body=html[0], content_type="text/html"))
        yield page, html


@pytest.fixture(scope="module")
def looks(answered: tuple[Page, list[str]]) -> Looks:
    """What is wrong with the last of some pages, which one browser shows one after another."""
    page, html = answered
    audit = PageAudit(page)

    def look(body: str, *styles: str) -> dict[str, object]:
        found = dict[str, object]()
        for style in styles:
            html[0] = PAGE % (style, body)
            page.goto(ADDRESS)
            found = audit.looks()
        return {check: what for check, what in found.items() if what}

    return look


def test_what_is_wrong_in_one_width_or_scheme_of_it_is_found_there_only(looks: Looks) -> None:
    body = """<p class=x>Some words</p> <section><p class=y>Some words</p></section>
        <img class=z src=/a.png> <button>Press</button> <input aria-label=Name>"""
    sound = """.z { display: none } button { width: 60px; height: 60px }
        input { font-size: 16px; height: 60px; width: 60px }"""
    light, dark = (f"@media (prefers-color-scheme: {each})" for each in ("light", "dark"))
    assert looks(body, sound, sound) == {}, "all its looks are known from now on"
    for width in WIDTHS:
        wrong = f""".z {{ display: block }} {light} {{ .x {{ color: #777; background: #888 }} }}
            {dark} {{ section {{ background: #777 }} .y {{ color: #888 }} }}
            button {{ width: 30px }} input {{ font-size: 12px }} body {{ width: 1400px }}"""
        found = looks(body, f"{sound} @media (width: {width}px) {{ {wrong} }}")
        mine = {
            *(f"axe, {width}, light", f"axe, {width}, dark", f"smaller than a thumb, {width}"),
            *(f"letters smaller than 16 px, {width}", f"wider than the screen, {width}"),
        }
        large = {check for check in found if "root" in check or "browser" in check}
        assert found.keys() - large == mine, "what is wrong in 390 shows in large letters, too"
        for scheme, pale, other in (("light", "x", "y"), ("dark", "y", "x")):
            assert f'class="{pale}"' in (axe := str(found[f"axe, {width}, {scheme}"]))
            assert f'class="{other}"' not in axe
        assert "image-alt" in str(found)


def test_what_the_navigation_shows_in_one_width_is_looked_at_but_once(looks: Looks) -> None:
    def at(shown: str) -> str:
        return f"<nav class=nav><a class=wide href=/>{shown}</a></nav><p>Some words</p>"

    style = """.wide { display: none; width: 60px; height: 60px; color: #111; background: #fff }
        @media (width: 1280px) { .wide { display: block } }"""
    assert looks(at("Home"), style) == {}
    assert looks(at("Usage"), style) == {}
    assert "link-name" in str(looks(at(""), style)), "it is not the one that was met"


def test_what_scrolls_in_one_width_only_is_looked_at_there(looks: Looks) -> None:
    """Who has no pointer scrolls only what can have the focus."""
    inside = f"<div class=x>{'<p class=y>Some words</p>' * 3}</div>"
    style = ".x { height: 300px; overflow: auto } @media (width: 320px) { .y { height: 200px } }"
    [(check, wrong)] = looks(inside, style).items()
    assert check.startswith("axe, 320, ")
    assert "scrollable-region-focusable" in str(wrong)


def test_a_pale_text_is_found_again_on_the_next_page(looks: Looks) -> None:
    pale = ".x { color: #777; background: #888 }"
    found = looks("<p class=x>Some words</p>", pale, pale)
    assert {"axe, 390, light", "axe, 390, dark"} <= found.keys()


def test_what_lies_over_other_parts_is_looked_at_on_each_page(looks: Looks) -> None:
    over = "<div class=y></div><p class=x>Some words</p>"
    style = """p { position: absolute; top: 0; left: 0; margin: 0; color: #111 }
        .y { position: absolute; top: 0; left: 0; width: 200px; height: 60px; background: %s }"""
    light_only = "@media (prefers-color-scheme: light) { %s }"
    dark = looks(over, light_only % (style % "#ddd"), light_only % (style % "#222"))
    assert "axe, 390, light" in dark


def test_what_large_letters_push_out_is_found(looks: Looks) -> None:
    def settings(what: str) -> set[str]:
        return {f"{what}, root of 32 px", f"{what}, browser set to 32 px"}

    style = """.x { width: 12.5rem } .nav-bar { position: fixed; top: 30rem; left: 0 }
        .nav-item { display: block; width: 60px; height: 60px }"""
    body = "<p class=x>Some words</p><nav class=nav-bar><a class=nav-item href=/>Home</a></nav>"
    found = looks(body, style).keys()
    assert found == settings("wider than the screen") | settings("out of view")
    narrow = ".status { width: 70px; line-height: 1.2 }"
    found = looks("<p class=status>To be or not to be</p>", narrow).keys()
    assert found >= settings("a word a line")


@pytest.mark.parametrize(
    ("more", "lost"),
    [
        ("", set()),
        ("<p id=late hidden>7 plums</p>", {"0 plums"}),
        ("<style>@media (scripting: none) { p { display: none } }</style>", None),
    ],
)
def test_what_only_scripts_show_is_found_unless_the_styles_ask_for_them(
    answered: tuple[Page, list[str]], more: str, lost: set[str] | None
) -> None:
    script = "<script>document.querySelector('#late')?.removeAttribute('hidden')</script>"
    html = PAGE % ("", f"<p>3 pears</p><details><p>2 figs</p></details>{more}{script}")
    page, answered[1][0] = answered[0], html
    page.goto(ADDRESS)
    open_every_card(page)
    shown = page.inner_text("main")
    assert PageAudit(page).lost_without_scripts(html) == lost
    assert page.inner_text("main") == shown


def test_what_does_not_fit_is_found_in_one_call(browser: Browser) -> None:
    with closing(browser.new_context(viewport={"width": 390, "height": 800})) as context:
        page = context.new_page()
        page.set_content("<button style='width: 60px; height: 60px'>Press</button>")
        assert misfits(page) == {}
        small = "<input aria-label=Name style='font-size: 12px'><p style='width: 500px'>Words"
        page.set_content(f"<body style='margin: 0'>{small}")
        found = misfits(page)
        assert found["wider than the screen"] == 110
        assert "aria-label" in str(found["smaller than a thumb"])
        assert "aria-label" in str(found["letters smaller than 16 px"])
