"""The page that adds a device, and the notice about the home screen."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask import Flask
from playwright.sync_api import Locator, Page, expect

from opcode_htmx.features.devices.home_screen import system
from opcode_htmx.lib import qr
from opcode_htmx.web.origin.server_addresses import for_devices
from tests.security.access.doors import HOST, Login, log_in
from tests.security.access.logins.browsers import IPHONE, PHONE
from tests.support.apps.in_process import app_of
from tests.support.environment import ROOT, Sandbox, write_stand_in
from tests.support.pages import page_checks
from tests.support.pages.browser import Phone
from tests.support.server import Server

MAC = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) Chrome/140.0 Safari/537.36"


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    folder = tmp_path_factory.mktemp("devices")
    sandbox = Sandbox(folder / "home").make()
    with app_of(sandbox, write_stand_in(folder / "claude")) as app:
        yield app


@pytest.fixture
def login(app: Flask) -> Login:
    return log_in(app)


def get(app: Flask, path: str, login: Login, **headers: str) -> str:
    client = app.test_client(use_cookies=False)
    sent = {**login.headers, "Host": HOST, **headers}
    answer = client.get(path, headers=sent)
    assert answer.status_code == 200
    return answer.text


def shown_code(app: Flask, login: Login, **headers: str) -> str:
    client = app.test_client(use_cookies=False)
    answer = client.post("/devices", headers={**login.headers, "Host": HOST, **headers})
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "private, no-store"
    return answer.text


def typed(page: str) -> str:
    found = re.search(r"<code>([a-z2-9]{4}(?:-[a-z2-9]{4}){6})</code>", page)
    assert found
    return found[1]


def link_in(page: str, address: str) -> str:
    """The link of the code, which the QR code of the page must hold."""
    link = f"{address}pair#{typed(page).replace('-', '')}"
    assert f'<path d="{qr.svg_path(qr.encode(link))}" fill="#000"/>' in page
    assert f'<input id="link" value="{link}" readonly>' in page
    return link


def state(app: Flask, login: Login, page: str) -> str:
    found = re.search(r'data-state="([^"]+)"', page)
    assert found
    return get(app, found[1], login)


def test_the_page_shows_a_code_on_request_only(app: Flask, login: Login) -> None:
    assert 'class="qr"' not in get(app, "/devices", login)
    page = shown_code(app, login)
    assert '<rect width="41" height="41" fill="#fff"/>' in page
    # Asked for at 127.0.0.1, which is of no use for a phone
    link_in(page, for_devices("0.0.0.0", 8080, "")[0])
    assert "style=" not in page
    assert re.search(r"Valid for two minutes, until \d\d:\d\d:\d\d\.", page)


def test_the_code_leads_to_the_address_by_which_the_person_came(app: Flask, login: Login) -> None:
    headers = {"Host": "192.168.7.7:8080"}
    page = shown_code(app, login, **headers, Origin="http://192.168.7.7:8080")
    link_in(page, "http://192.168.7.7:8080/")
    # A proxy has ended TLS, which the origin shows
    page = shown_code(app, login, **headers, Origin="https://192.168.7.7:8080")
    link_in(page, "https://192.168.7.7:8080/")


def test_the_page_is_told_which_device_has_used_the_code(app: Flask, login: Login) -> None:
    page = shown_code(app, login)
    assert 'data-kind="waiting"' in state(app, login, page)
    phone = app.test_client()
    form = {"code": typed(page), "name": "<i>Phone</i>"}
    assert phone.post("/pair", data=form).status_code == 303
    used = state(app, login, page)
    assert 'data-kind="used"' in used
    assert "&lt;i&gt;Phone&lt;/i&gt;</strong> is logged in" in used
    first, second = shown_code(app, login), shown_code(app, login)
    assert 'data-kind="over"' in state(app, login, first), "a new code replaces it"
    assert 'data-kind="waiting"' in state(app, login, second)


def test_a_code_is_made_with_the_token_of_the_login_only(app: Flask, login: Login) -> None:
    headers = {**login.headers, "Host": HOST}
    for wrong in ({"X-CSRF-Token": "x"}, {"Origin": "http://evil.example"}, {"Cookie": "a=b"}):
        answer = app.test_client(use_cookies=False).post("/devices", headers={**headers, **wrong})
        assert answer.status_code in (401, 403), wrong


# The home screen --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("user_agent", "name"), [(IPHONE, "ios"), (PHONE, "android"), (MAC, ""), ("curl/8", "")]
)
def test_phones_are_recognised(user_agent: str, name: str) -> None:
    assert system(user_agent) == name


def test_the_first_page_says_how_to_put_the_app_on_the_home_screen_until_it_is_dismissed(
    app: Flask, login: Login
) -> None:
    for user_agent, words in ((IPHONE, "tap Share"), (PHONE, "browser's menu")):
        assert words in get(app, "/", login, **{"User-Agent": user_agent})
    assert "home screen" not in get(app, "/", login, **{"User-Agent": MAC})
    client = app.test_client(use_cookies=False)
    answer = client.post("/home-screen", headers={**login.headers, "Host": HOST})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/")
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    both = f"{login.cookie}; {cookie.partition(';')[0]}"
    page = get(app, "/", login, **{"User-Agent": PHONE, "Cookie": both})
    assert "home screen" not in page


# In a browser -----------------------------------------------------------------------------------


class Hand:
    """Counts what a person does."""

    def __init__(self) -> None:
        self.taps = 0

    def tap(self, target: Locator) -> None:
        self.taps += 1
        target.tap()


def is_well_made(page: Page) -> None:
    """The page with a code, which tests/app/pages does not see."""
    expect(page.get_by_role("img", name="QR code")).to_be_visible()
    page_checks.open_every_card(page)
    page.emulate_media(color_scheme="dark")
    assert page_checks.violations(page, "color-contrast") == []
    page.emulate_media(color_scheme="light")
    assert page_checks.violations(page) == []
    for width in (320, 1280):
        page.set_viewport_size({"width": width, "height": 800})
        assert page_checks.sticks_out(page) <= 0
        assert page_checks.smaller_than_a_thumb(page) == []


@pytest.mark.browser
def test_a_phone_signs_in_by_a_code_with_two_taps_and_no_letter(
    shared_server: Server, open_phone: Callable[..., Phone], tmp_path: Path
) -> None:
    desk = open_phone(shared_server, viewport={"width": 1280, "height": 800})
    desk.page.goto("/devices")
    desk.button("Show the code").click()
    expect(desk.page.get_by_role("timer")).to_have_text(re.compile(r"Valid for [12]:\d\d"))
    address = f"{shared_server.url}/"
    link = link_in(
        desk.page.content().replace("></path>", "/>").replace('readonly=""', "readonly"), address
    )
    is_well_made(desk.page)

    phone = open_phone(shared_server, logged_in=False, user_agent=PHONE, has_touch=True)
    requests: list[str] = []
    phone.page.on("request", lambda each: requests.append(f"{each.url} {each.headers}"))
    # The camera shows the link, and a tap opens it
    phone.page.route(
        "https://camera.invalid/",
        lambda route: route.fulfill(
            content_type="text/html",
            body=f'<a rel="noreferrer" href="{link}">Open</a>'
            f'<a rel="noreferrer" href="{shared_server.url}/runs">A link in a chat</a>',
        ),
    )
    phone.page.goto("https://camera.invalid/")
    hand = Hand()
    hand.tap(phone.page.get_by_role("link", name="Open"))
    sign_in = phone.page.get_by_role("button", name="Sign in as Chrome on Android", exact=True)
    expect(sign_in).to_be_visible()
    expect(phone.page.get_by_label("Code")).to_be_hidden()
    hand.tap(sign_in)
    phone.page.get_by_role("heading", name="Home", exact=True).wait_for()
    assert hand.taps == 2
    secret = link.partition("#")[2]
    assert not [each for each in requests if secret in each], "in no address and no header"
    expect(desk.page.get_by_role("status")).to_have_text("Chrome on Android is logged in.")
    expect(desk.page.get_by_role("img", name="QR code")).to_be_hidden()

    # A link elsewhere carries no cookie, and yet leads to the page and not to the form
    phone.forgiven.append("401")
    phone.page.goto("https://camera.invalid/")
    phone.page.get_by_role("link", name="A link in a chat").tap()
    phone.page.get_by_role("heading", name="Running", exact=True).wait_for()
    expect(phone.page).to_have_url(f"{address}runs")

    # Nothing is left of the code, and it works for nobody else
    phone.page.evaluate("history.go(-3)")
    expect(phone.page).to_have_url(f"{address}pair")
    thief = open_phone(shared_server, logged_in=False)
    thief.forgiven.append("401")
    thief.page.goto(link)
    thief.page.get_by_role("button", name="Sign in as").click()
    expect(thief.page.get_by_role("alert")).to_contain_text("not valid any more")


@pytest.mark.browser
def test_a_password_is_shown_and_hidden_again_before_it_is_sent(
    shared_server: Server, open_phone: Callable[..., Phone]
) -> None:
    phone = open_phone(shared_server, logged_in=False)
    phone.forgiven.append("401")
    phone.page.goto("/runs")  # a page, which shows the form in its place
    field = phone.page.get_by_label("Password")
    field.fill("secret")
    phone.button("Show the password").click()
    expect(field).to_have_attribute("type", "text")
    phone.button("Log in").click()
    expect(phone.page.get_by_role("alert")).to_have_text("That is not the password. Try again.")
    expect(field).to_have_attribute("type", "password")
    expect(field).to_be_focused()
    expect(field).to_have_value("")


@pytest.mark.browser
def test_an_app_on_the_home_screen_says_nothing_about_it(
    shared_server: Server, open_phone: Callable[..., Phone]
) -> None:
    phone = open_phone(shared_server, user_agent=PHONE)
    css = ROOT / "static" / "style.css"
    phone.links_to_styles("style.css")
    phone.page.goto("/")
    notice = phone.page.get_by_text("Put opcode on the home screen")
    expect(notice).to_be_visible()
    phone.page.route(
        "**/style.css*",
        lambda route: route.fulfill(
            content_type="text/css",
            body=css.read_text("utf-8").replace(
                "display-mode: standalone", "display-mode: browser"
            ),
        ),
    )
    phone.page.reload()
    expect(phone.page.get_by_role("heading", name="Home", exact=True)).to_be_visible()
    expect(notice).to_be_hidden()
    phone.page.unroute("**/style.css*")
    phone.page.reload()
    phone.button("Got it").click()
    expect(phone.page.get_by_role("heading", name="Home", exact=True)).to_be_visible()
    expect(notice).to_have_count(0)
