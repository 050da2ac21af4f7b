"""Every card and every control of the session page, with the real CLI, on phones and wide screens.

What the sessions hold stands in gallery.py. A narrow phone opens all of them, and is measured as a
wide screen as well: that it touches and has no mouse changes no layout, and no style begins between
two widths of phones. That is done in one theme: the other one differs in its colours only, as
tests/features/appearance/test_appearance.py ensures. What is wrong is collected, and reported at
the end. With OPCODE_SCREENSHOTS=1 there is a view for each of three sizes, and they take the
pictures for docs/gallery.md as they go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.features.session_page.gallery import gallery
from tests.features.session_page.gallery.cards import cards_say_what_happened_and_open
from tests.features.session_page.gallery.controls import (
    a_session_grows_waits_and_is_killed,
    asks_hold_what_they_ask_about,
    check_completion_and_attachments,
    check_start_and_stop,
    it_says_so_when_it_is_offline,
    options_menu_and_sheet_open,
    other_pages_are_pictured,
    running_sessions_are_listed,
)
from tests.features.session_page.gallery.gallery import Gallery
from tests.features.session_page.gallery.screens import take_sheets
from tests.features.session_page.gallery.view import PHASES, SIZES, View
from tests.support.environment import Sandbox
from tests.support.pages import screenshots
from tests.support.pages.browser import Phone
from tests.support.server import Server

pytestmark = [pytest.mark.browser, pytest.mark.moving, pytest.mark.timeout(400)]


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory, claude: Path) -> Iterator[Gallery]:
    sandbox = Sandbox(tmp_path_factory.mktemp("gallery") / "home").make()
    with ExitStack() as stack:

        def start(sandbox: Sandbox, claude: Path, api_url: str, **settings: str) -> Server:
            server = Server(sandbox, claude, api_url, **settings)
            stack.callback(server.close)
            return server.start()

        yield stack.enter_context(gallery.opened(sandbox, start, claude))


@pytest.fixture
def open_view(played: Gallery, open_phone: Callable[..., Phone]) -> Callable[..., View]:
    def open_(size: str, *measured: str) -> View:
        width, height = SIZES[size]
        hand = {"reduced_motion": "reduce"} if size == "wide" else screenshots.PHONE
        viewport = {"width": width, "height": height}
        phone = open_phone(played.server, viewport=viewport, **hand)
        return View(phone, played, size, measured)

    return open_


# One test and not three, because each process that runs one of them plays all the sessions.
def test_every_card_and_every_control_on_phones_and_a_wide_screen(
    open_view: Callable[..., View], open_phone: Callable[..., Phone]
) -> None:
    if screenshots.WANTED:
        views = [open_view(size) for size in SIZES]
    else:  # a phone that becomes wide loads each page, and does each thing, once
        views = [open_view("small", "wide")]
    for view in views:
        check_content(view)
    if screenshots.WANTED:
        gallery = views[0].gallery
        stranger = open_phone(gallery.server, logged_in=False, **screenshots.PHONE)
        take_sheets(open_view("phone").phone, stranger, gallery)
    wrong = [f"{view.size}: {each}" for view in views for each in view.wrong]
    assert not wrong, "\n\n".join(wrong)


def check_content(view: View) -> None:
    cards_say_what_happened_and_open(view)
    check_completion_and_attachments(view)
    options_menu_and_sheet_open(view)
    asks_hold_what_they_ask_about(view)
    check_start_and_stop(view)
    a_session_grows_waits_and_is_killed(view)
    running_sessions_are_listed(view)
    if screenshots.WANTED:
        other_pages_are_pictured(view)
    it_says_so_when_it_is_offline(view)
    with view.looking_at("the states of a session"):
        assert view.phases == PHASES.keys()


def test_pages_with_nothing_to_show_in_every_size(
    sandbox: Sandbox,
    stand_in: Path,
    start_server: Callable[..., Server],
    open_phone: Callable[..., Phone],
) -> None:
    server = start_server(sandbox, stand_in)
    phone, pictured = open_phone(server), list[tuple[Phone, str, str]]()
    if screenshots.WANTED:  # else tests/app/pages/test_every_page.py looks at these
        stranger = open_phone(server, logged_in=False)
        pictured = [
            (phone, "/devices", "Add a device"),
            (stranger, "/login", "Log in to opcode"),
            (stranger, "/pair", "Sign in to opcode"),
        ]
    wrong, (small, *others) = list[str](), SIZES
    width, height = SIZES[small]
    for who, path, words in (
        (phone, "/", "No projects yet"),
        (phone, "/runs", "Nothing is running"),
        *pictured,
    ):
        view = View(who, Gallery(server), small, tuple(others))
        view.page.set_viewport_size({"width": width, "height": height})
        view.page.goto(path)
        with view.looking_at(path):
            expect(view.page.get_by_role("heading", name=words)).to_be_visible()
        view.fits(path, "main :is(.button, input:not([type=hidden]))")
        view.picture({"/": "empty", "/runs": "idle"}.get(path, path[1:]), views="small")
        wrong += view.wrong
    assert not wrong, "\n\n".join(wrong)
