"""Measurements of a page in Chromium: width, sizes of targets and letters, axe-core, its parts."""

from __future__ import annotations

import re
from functools import cache

from playwright.sync_api import Page

from scripts.browser_files import AXE
from tests.support.environment import missing

Violation = tuple[str, str, list[str]]
"""A violation found by axe-core: the rule, its requirement, and the failing elements."""

COLOURS = ("color-contrast", "link-in-text-block")
"""The rules about colours."""
WIDTHS = (320, 390, 1280)
LARGE_LETTERS = (24, 32)
"""Pixels: 150 and 200 % of what browsers are set to."""
THUMB = 44
"""Pixels, across and down."""


def sticks_out(page: Page) -> int:
    """By how many pixels the page is wider than the screen."""
    return int(page.evaluate("document.documentElement.scrollWidth - innerWidth"))


def with_letters(page: Page, name: str) -> dict[str, object]:
    """What does not fit with the current size of letters, by the name of the check."""
    return {
        f"wider than the screen, {name}": max(0, sticks_out(page)),
        f"out of view, {name}": page.locator(ALWAYS_IN_VIEW).evaluate_all(OUT_OF_VIEW),
        f"one word a line, {name}": page.locator(MAY_BE_NARROW).evaluate_all(WORD_A_LINE),
    }


ALWAYS_IN_VIEW = (
    ".nav-bar .nav-item, .nav-bar .badge, .topbar .back, .needs, .dock .composer-row .button"
)
MAY_BE_NARROW = ".status, .nav-label"
OUT_OF_VIEW = """controls => controls.filter(each => each.checkVisibility()).filter(each => {
    const { left, right, top, bottom } = each.getBoundingClientRect();
    return left < 0 || right > innerWidth + 0.5 || top < 0 || bottom > innerHeight + 0.5;
}).map(each => each.outerHTML.slice(0, 100))"""
WORD_A_LINE = r"""texts => texts.filter(each => each.checkVisibility()).filter(each => {
    const words = each.textContent.trim().split(/\s+/).length;
    const lines = each.offsetHeight / parseFloat(getComputedStyle(each).lineHeight);
    return words > 2 && lines > Math.max(2, words / 2);
}).map(each => each.textContent.trim())"""


def smaller_than_a_thumb(page: Page) -> list[str]:
    """The visible controls that are; a link among the words of a sentence is none of them.

    What is typed into or chosen in is tapped by its label as well, if that stands around it.
    """
    found: list[str] = page.locator(TARGETS).evaluate_all(SMALLER_THAN_A_THUMB, THUMB)
    return found


TARGETS = "a[href], button, summary, select, textarea, input:not([type=hidden]), [role=button]"
SMALLER_THAN_A_THUMB = """(controls, thumb) => {
    const isInProse = each => each.matches("a") && !each.closest("nav")
        && getComputedStyle(each).display === "inline"
        && each.parentElement.textContent.trim() !== each.textContent.trim();
    return controls.filter(each => each.checkVisibility({ visibilityProperty: true }))
        .filter(each => !isInProse(each) && !each.matches(".skip-link"))
        .filter(each => {
            const box = (each.closest("label") ?? each).getBoundingClientRect();
            return box.width < thumb || box.height < thumb;
        }).map(each => each.outerHTML.slice(0, 120));
}"""


def too_small_to_type_in(page: Page) -> list[str]:
    """The fields whose letters are so small that a phone zooms in on them."""
    found: list[str] = page.locator(FIELDS).evaluate_all(TOO_SMALL_TO_TYPE_IN)
    return found


FIELDS = "input:not([type=hidden], [type=radio], [type=checkbox]), textarea, select"
TOO_SMALL_TO_TYPE_IN = """fields => fields
    .filter(each => parseFloat(getComputedStyle(each).fontSize) < 16)
    .map(each => each.outerHTML.slice(0, 80))"""


def misfits(page: Page) -> dict[str, object]:
    """What the three checks above find, by their names, in one call of the browser for all."""
    given = {"thumb": THUMB, "targets": TARGETS, "fields": FIELDS}
    found: dict[str, object] = page.evaluate(MISFITS, given)
    return {check: what for check, what in found.items() if what}


MISFITS = f"""({{ thumb, targets, fields }}) => {{
    const all = selector => [...document.querySelectorAll(selector)];
    return {{
        "wider than the screen": Math.max(0, document.documentElement.scrollWidth - innerWidth),
        "smaller than a thumb": ({SMALLER_THAN_A_THUMB})(all(targets), thumb),
        "letters smaller than 16 px": ({TOO_SMALL_TO_TYPE_IN})(all(fields)),
    }};
}}"""


def violations(page: Page, *rules: str) -> list[Violation]:
    """The violations that axe-core finds on the current page, by all its rules or by these."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(axe())
    found: list[Violation] = page.evaluate(VIOLATIONS, {"runOnly": rules} if rules else {})
    return found


VIOLATIONS = """async (options, where = document) => {
    // No rule for what it would preload applies here: sounds that start by themselves.
    const found = await axe.run(where, { resultTypes: ["violations"], preload: false, ...options });
    return found.violations.map(
        each => [each.id, each.help, each.nodes.map(node => node.html.slice(0, 120))]);
}"""


@cache
def axe() -> str:
    if not AXE.is_installed():
        missing("axe-core", "run `make test`, which fetches it.")
    return (AXE.folder / "axe.min.js").read_text(encoding="utf-8")


def open_every_card(page: Page) -> None:
    """Open all but those whose content is a request away, as it is by a link without scripts."""
    page.evaluate(OPEN_CARDS)


OPEN_CARDS = """() => document.querySelectorAll("details:not([data-loads])")
    .forEach(each => { each.open = true; })"""


def lines_of_main(page: Page) -> set[str]:
    """The lines of text that a person sees in the main part; see `lines_of`."""
    return lines_of(page.evaluate(MAIN_TEXT))


def lines_of(text: str) -> set[str]:
    """The lines of a text, with 0 for every number."""
    return {re.sub(r"\d+", "0", line).strip() for line in text.split("\n")} - {""}


MAIN_TEXT = """() => {
    const main = document.querySelector("main");
    // without scripts, those that submit no form would do nothing
    const buttons = [...main.querySelectorAll("button[type=button]")];
    const shown = buttons.map(each => each.style.display);
    buttons.forEach(each => { each.style.display = "none"; });
    const text = main.innerText;
    buttons.forEach((each, number) => { each.style.display = shown[number]; });
    return text;
}"""


CURRENT_ENTRIES = """links => Object.fromEntries(
    links.map(each => [each.getAttribute("href"), each.getAttribute("aria-current")]))"""


def wait_until_pressable(page: Page) -> None:
    """Wait until what has just come takes a press: see style.css, and session.js."""
    page.wait_for_function(
        """() => !document.querySelector("[data-new]")
            && !document.getAnimations().some(
                each => ["arrive", "drawn"].includes(each.animationName)
                    && each.playState !== "finished")"""
    )
