"""Every address that a GET may ask for, from the URL map: it answers, and each page is well made.

A new route is checked without an edit here; `-k` with a part of its rule runs the checks of one.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing
from functools import cache
from pathlib import Path
from pprint import pformat
from typing import Any, NamedTuple

import pytest
import requests
from playwright.sync_api import Browser

from opcode_htmx.web.origin.cors import API_FOLDERS
from opcode_htmx.web.origin.fetch_metadata import who_may_act
from tests.security.access.doors import Door, ask, doors_of, tried
from tests.security.projects.hostile_project import make_hostile
from tests.support.apps.in_process import app_of
from tests.support.environment import Sandbox, write_stand_in
from tests.support.pages import page_checks
from tests.support.pages.browser import Phone
from tests.support.pages.page_audit import SCREEN, PageAudit
from tests.support.populated import Populated, populate
from tests.support.server import Server
from tests.support.suite.shared import recorded

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

NOWHERE = Door("/nowhere", "GET", "", is_socket=False, values={})
"""No route: its page says so."""

OF_INDEX = ("/api/settings/permissions/rules/matches",)
"""What the index of all sessions answers, which the servers of the tests do not keep."""

Checks = dict[str, object]
"""What was found wrong with a page, by the name of the check; empty values are none."""


class Shown(NamedTuple):
    """Every GET that only shows, with well-formed values; what acts is no page."""

    doors: list[Door]
    public: set[str]
    """The rules of those that are shown to a stranger."""
    endpoints: dict[str, str]
    """Of all of them, by rule; `doors` may be some of them: see `tried`."""


@cache
def shown() -> Shown:
    return recorded("the doors that only show", _found)


def _found() -> Shown:
    with tempfile.TemporaryDirectory() as folder:
        sandbox = Sandbox(Path(folder) / "home").make()
        with app_of(sandbox, write_stand_in(Path(folder) / "claude")) as app:
            doors = [
                door
                for door in doors_of(app, {})
                if door.method == "GET"
                and not door.is_socket
                and not who_may_act(app.view_functions[door.endpoint])
            ]
            asked = tried(doors)
            public = {door.rule for door in asked if ask(app, door).status_code == 200}
            return Shown(asked, public, {door.rule: door.endpoint for door in doors})


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "door" in metafunc.fixturenames:
        metafunc.parametrize("door", [*shown().doors, NOWHERE], ids=lambda door: door.rule)


@pytest.fixture(scope="module")
def populated(shared_server: Server) -> Populated:
    found = populate(shared_server.sandbox)
    make_hostile(found.project, shared_server.sandbox.home / "traces")
    return found


class Looked(NamedTuple):
    """A browser that runs scripts, what is found on its page, and a browser that runs none."""

    phone: Phone
    audit: PageAudit
    without: Phone


@pytest.fixture(scope="module")
def open_page(browser: Browser, shared_server: Server) -> Iterator[Callable[[bool], Looked]]:
    """Gives the browsers of a person who has logged in, or not, for all tests of this module."""
    with ExitStack() as stack:

        @cache
        def looked(logged_in: bool) -> Looked:
            phone, without = (
                stack.enter_context(
                    closing(
                        Phone(
                            browser, shared_server, logged_in=logged_in, java_script_enabled=scripts
                        )
                    )
                )
                for scripts in (True, False)
            )
            return Looked(phone, PageAudit(phone.page), without)

        yield looked


def test_every_address_answers_and_every_page_is_well_made(
    door: Door,
    shared_server: Server,
    populated: Populated,
    open_page: Callable[[bool], Looked],
) -> None:
    path = populated.address(door)
    # a page for those who have not logged in leads the others elsewhere
    is_public = door.rule in shown().public
    answer = requests.get(shared_server.url + path, timeout=20) if is_public else None
    answer = answer or shared_server.get(path)
    assert answer.status_code in expected(door), (
        f"{path} answers {answer.status_code}: if its rule has a part with a new name, "
        "tests/support/populated.py needs a value for it"
    )
    if not is_page(answer) or answer.history:  # a redirect shows the page of another address
        return
    if door.rule in REFUSED:  # the page of errors is looked at elsewhere
        return
    phone, audit, without = open_page(not is_public)
    loaded = phone.page.goto(path)
    assert loaded
    page_checks.open_every_card(phone.page)
    found = {
        **audit.looks(),
        **structure(audit.structure(), door),
        # last, for it may load the page again
        "shown with JavaScript only": audit.lost_without_scripts(loaded.text()) != set()
        and lost_without_javascript(phone, without, path),
        "complaints of the browser": complaints(door, phone, without),
    }
    if wrong := {check: details for check, details in found.items() if details}:
        pytest.fail(f"{path}\n{pformat(wrong, width=100)}", pytrace=False)


LARGE = "size => { document.documentElement.style.fontSize = size; }"
ENDS = """selector => [...document.querySelectorAll(selector)]
    .map(each => each.getBoundingClientRect().right)"""
LABELS = """() => [...document.querySelectorAll(".nav-bar .nav-label")].map(each => {
    each.style.fontWeight = 650; // as the page's own entry
    return each.scrollWidth <= each.clientWidth ? parseFloat(getComputedStyle(each).fontSize) : 0;
})"""
SUGGESTIONS = """() => {
    document.querySelector("#composer .prompt").insertAdjacentHTML("beforebegin", `
        <section class="try"><ul class="list"><li><button class="row">
        <span class="row-title">Run the app and save its report</span></button>
        </li></ul></section>`);
    const words = document.querySelector(".try .row-title");
    const { scrollWidth, clientWidth, scrollHeight, clientHeight } = words;
    return scrollWidth <= clientWidth && scrollHeight <= clientHeight;
}"""

PLACEHOLDER = """() => {
    const prompt = document.getElementById("prompt");
    prompt.value = "";
    return prompt.scrollWidth <= prompt.clientWidth;
}"""


def test_nothing_is_cut_on_narrow_phones_and_in_large_letters(
    shared_server: Server, populated: Populated, open_page: Callable[[bool], Looked]
) -> None:
    page = open_page(True).phone.page
    address = {door.rule: populated.address(door) for door in shown().doors}
    try:
        page.set_viewport_size({"width": 390, "height": 560})
        page.goto(address["/projects/<project_id>/sessions/<session_id>/changes"])
        ends = page.evaluate(ENDS, ".list-filter .filter")
        assert len(ends) == 3 and max(ends) <= 390

        page.goto(address["/new"])
        page.evaluate(LARGE, "32px")
        assert page.evaluate(SUGGESTIONS), "the words of a suggestion are cut"
        assert min(page.evaluate(LABELS)) > 1.5 * 12, "the labels of the bar hardly grow"
        page.set_viewport_size({"width": 320, "height": 560})
        assert min(page.evaluate(LABELS)) > 1.3 * 12

        page.goto(address["/projects/<project_id>/sessions/<session_id>"])
        page.evaluate(LARGE, "32px")
        assert page.evaluate(PLACEHOLDER), "the words in the empty field are cut"

        page.goto(address["/repositories/<repo>"])
        page.evaluate(LARGE, "32px")
        assert page_checks.sticks_out(page) == 0
    finally:
        page.set_viewport_size(SCREEN)  # type: ignore[arg-type]


REFUSED = {
    "/mgmt/github/repos": 409,
    "/preview/<int:port>": 404,
    "/projects/<project_id>/git/pull-request/state": 422,
}
"""Without an account at GitHub, a port that is listened on, the address of a pull request."""


def expected(door: Door) -> set[int]:
    """405: an address of the API that is there only to say which method it wants."""
    if door is NOWHERE:
        return {404}
    if door.rule in OF_INDEX:
        return {503}
    if door.rule in REFUSED:
        return {REFUSED[door.rule]}
    return {200, 405} if door.rule.startswith(API_FOLDERS) else {200}


def is_page(answer: requests.Response) -> bool:
    """Whether it is a whole page of HTML that a browser shows and does not save."""
    is_html = answer.headers.get("Content-Type", "").startswith("text/html")
    is_saved = answer.headers.get("Content-Disposition", "").startswith("attachment")
    return is_html and not is_saved and answer.text.lstrip()[:14].lower() == "<!doctype html"


def structure(parts: Mapping[str, Any], door: Door) -> Checks:
    """One first heading, a title of its own, and its place in the navigation."""
    headings, title, marked = parts["headings"], parts["title"], parts["marked"]
    expected = place_of(parts["entries"], door)
    return {
        "first headings": headings if headings != 1 else None,
        "title": None if title.removesuffix("opcode").strip(" ·") else f"only {title!r}",
        "place in the navigation": (marked, expected) if marked != expected else None,
    }


def place_of(entries: list[str], door: Door) -> dict[str, str]:
    """What the navigation should mark: the page's own entry, or that of its blueprint."""
    if door.rule in entries:
        return {door.rule: "page"}
    endpoints = shown().endpoints
    blueprint = door.endpoint.rpartition(".")[0]
    near = [each for each in entries if endpoints[each].rpartition(".")[0] == blueprint]
    return dict.fromkeys(near, "true")


def lost_without_javascript(phone: Phone, without: Phone, path: str) -> list[str]:
    """The lines of the main part that only scripts put there; every card is open afterwards."""
    for _ in range(3):  # what the server shows changes: its health, for one
        for each in (phone, without):
            each.page.goto(path)
            page_checks.open_every_card(each.page)
        there = page_checks.lines_of_main(without.page)
        if not (lost := page_checks.lines_of_main(phone.page) - there):
            break
    # a page of an error names the request, which is another one for each
    return sorted(line for line in lost if not re.fullmatch(r"Request [0-9a-f]+", line))


def complaints(door: Door, *phones: Phone) -> list[str]:
    """What the browsers have complained about since the last call."""
    found = []
    for phone in phones:
        found += [each for each in phone.complaints if door is not NOWHERE or "404" not in each]
        phone.complaints.clear()
    return found
