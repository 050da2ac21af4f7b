"""The page Appearance in a browser, and the contrast of all that a session shows in each theme."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from pprint import pformat
from typing import Literal

import pytest
from playwright.sync_api import Page, expect

from opcode_htmx.features.appearance.service import CHOICES
from tests.support.environment import until
from tests.support.pages import page_checks
from tests.support.pages.browser import Phone
from tests.support.server import Server

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

Scheme = Literal["light", "dark"]
BOTH: tuple[Scheme, ...] = ("light", "dark")
SCHEMES: dict[str, tuple[Scheme, ...]] = {"system": BOTH, "contrast": BOTH, "black": ("light",)}
"""What the system of a phone may want while a theme is chosen; black has a scheme of its own."""
COLOURS = """() => [document.body, ...document.querySelectorAll("a, button, code, span, p")]
    .map(each => getComputedStyle(each)).map(each => [each.color, each.backgroundColor]).join()"""


@pytest.fixture(autouse=True)
def defaults(shared_server: Server) -> Iterator[None]:
    """Give the other tests what they had."""
    yield
    shared_server.post("/appearance", {})


def choose(page: Page, name: str, value: str) -> None:
    """Until the server has it, and the page has the answer."""
    with page.expect_response(lambda answer: answer.request.method == "GET"):
        page.locator(f"input[name={name}][value='{value}']").check()
    expect(page.locator("#appearance-state")).to_contain_text("Kept for you")


def test_a_tap_changes_the_page_at_once_and_all_pages_from_then_on(
    kept_phone: Phone,
) -> None:
    page = kept_phone.page
    page.goto("/appearance")
    ground = "getComputedStyle(document.body).backgroundColor"
    tap = "document.querySelector('[name=theme][value=black]').click()"
    assert page.evaluate(f"() => {{ {tap}; return {ground}; }}") == "rgb(0, 0, 0)"  # unanswered
    bars = page.locator("meta[name=theme-color]")
    expect(bars).to_have_count(1)
    expect(bars).to_have_attribute("content", "#000000")
    choose(page, "font", "150")
    page.goto("/")
    assert page.evaluate(ground) == "rgb(0, 0, 0)"
    assert page.evaluate("getComputedStyle(document.documentElement).fontSize") == "24px"
    expect(page.locator("html")).to_have_attribute("data-theme", "black")


def test_a_choice_is_kept_though_the_page_is_left_at_once(
    kept_phone: Phone,
) -> None:
    page = kept_phone.page
    page.goto("/appearance")
    page.evaluate("document.querySelector('[name=theme][value=dark]').click(); location = '/'")
    page.wait_for_url("/")
    until(
        lambda: page.reload() and page.locator("html[data-theme=dark]").count(),
        "it is kept",
        sleep=lambda: page.wait_for_timeout(100),
    )


def test_what_cannot_be_saved_is_taken_back(kept_phone: Phone) -> None:
    phone = kept_phone
    phone.forgiven.append("ERR_FAILED")
    page = phone.page
    page.goto("/appearance")
    page.route("**/appearance", lambda route: route.abort())
    page.locator("input[name=density][value=compact]").click()
    expect(page.get_by_role("status")).to_contain_text("could not be saved")
    expect(page.locator("input[name=density][value=comfortable]")).to_be_checked()
    expect(page.locator("html")).not_to_have_attribute("data-density", "compact")


def other_colours(page: Page) -> list[str]:
    """The schemes whose theme has other colours than the system's theme in that scheme."""

    def colours(theme: str, scheme: Scheme) -> str:
        page.emulate_media(color_scheme=scheme)
        page.evaluate("theme => { document.documentElement.dataset.theme = theme; }", theme)
        found: str = page.evaluate(COLOURS)
        return found

    return [
        scheme
        for scheme, other in (BOTH, BOTH[::-1])
        if colours("system", scheme) != colours(scheme, other)
    ]


def test_every_theme_has_enough_contrast(shared_server: Server, kept_phone: Phone) -> None:
    """With each kind of text and a request; in high contrast by WCAG's highest level."""
    phone, page = kept_phone, kept_phone.page
    code = '```python\ndef baskets(kg, size=15):\n    return "full"  # rounded\n```\n'
    table = "| a | b |\n|---|---|\n| 1 | 2 |\n"
    text = f"## Found\n\nIt is `in` the [file](/x).\n\n> Quoted\n\n{code}\n{table}"
    edit = {"file_path": "/a.py", "old_string": "a = 1\n", "new_string": "a = 2\n"}
    asked = {"subtype": "can_use_tool", "tool_name": "Edit", "input": edit}
    gate = shared_server.sandbox.home / str(uuid.uuid4())
    steps = [
        ["stderr", "warning: dry"],
        ["text", text],
        ["say", {"type": "control_request", "request_id": "r1", "request": asked}],
        ["wait", str(gate)],
    ]
    phone.begin(shared_server.sandbox.project, json.dumps(steps))
    expect(phone.button("Allow")).to_be_visible()
    assert {*SCHEMES, *BOTH} == set(CHOICES["theme"])
    shared_server.post("/appearance", {"density": "compact", "font": "90"})
    wrong: dict[tuple[str, ...], object] = {}
    for path in (page.url, "/appearance"):
        page.goto(path)
        page_checks.open_every_card(page)
        wrong[path, "sizes"] = page_checks.misfits(page)
        # the other page has no colours that the system's theme does not show somewhere
        for theme in SCHEMES if path == page.url else ("contrast", "black"):
            page.evaluate("theme => { document.documentElement.dataset.theme = theme; }", theme)
            for scheme in SCHEMES[theme]:
                page.emulate_media(color_scheme=scheme)
                rule = "color-contrast-enhanced" if theme == "contrast" else "color-contrast"
                wrong[path, theme, scheme] = page_checks.violations(page, rule)
        wrong[path, "other colours than the system's"] = other_colours(page)
    gate.touch()
    assert not any(wrong.values()), pformat(wrong)
