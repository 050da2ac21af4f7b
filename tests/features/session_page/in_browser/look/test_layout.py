"""Layout in a real browser: nothing overflows or is covered, also beside a keyboard."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.features.session_page.in_browser.look.lines import EVERYTHING, LONG_WORD, texts
from tests.features.session_page.in_browser.look.reading import (
    OpenPhone,
    StartServer,
    answers_are_there,
    covered,
    is_at_the_end,
    letters_of_twice_the_size_fit,
    overviews_fit,
    play,
    wait_for_content,
    wider_than_the_screen,
)
from tests.features.session_page.in_browser.where.beginning import begin
from tests.support.environment import Sandbox, until
from tests.support.pages import screenshots
from tests.support.pages.browser import Phone
from tests.support.pages.claude_pages import form_of
from tests.support.pages.page_checks import (
    COLOURS,
    Violation,
    open_every_card,
    smaller_than_a_thumb,
    too_small_to_type_in,
    violations,
    wait_until_pressable,
)
from tests.support.server import Server

pytestmark = [pytest.mark.browser, pytest.mark.moving, pytest.mark.timeout(180)]


@pytest.fixture(scope="module")
def at_work(shared_server: Server) -> str:
    """The page of a session with a long answer that goes on for ever."""
    return f"{begin(shared_server, *texts(20), ['wait', '/nowhere'])}#end"


@pytest.fixture(scope="module")
def answered(shared_server: Server) -> str:
    """The page of a session that waits for the next prompt."""
    return f"{begin(shared_server, *texts(20))}#end"


# A session that shows everything; tests/app/pages/test_every_page.py has the checks of each page
def test_a_session_that_shows_everything_fits_and_its_controls_are_large_and_seen(
    phone: Phone, project: Path
) -> None:
    play(phone, project, *EVERYTHING, ["wait", "/nowhere"])
    wait_for_content(phone)
    phone.send(LONG_WORD)
    expect(phone.page.locator("#queue")).to_contain_text(LONG_WORD)
    session = phone.page.url
    assert wider_than_the_screen(phone.page) == []  # here, where all cards are still loaded
    assert (smaller_than_a_thumb(phone.page), too_small_to_type_in(phone.page)) == ([], [])
    assert violations_in_each_theme(phone.page) == []
    assert without_an_outline(phone, session) == []
    phone.page.goto(session)
    letters_of_twice_the_size_fit(phone)
    overviews_fit(phone.page)


def violations_in_each_theme(page: Page) -> list[Violation]:
    """Of all rules in light, and in dark of those about colours: nothing else differs there."""
    open_every_card(page)
    wait_until_pressable(page)
    found = violations(page)
    page.emulate_media(color_scheme="dark")
    found += violations(page, *COLOURS)
    page.emulate_media(color_scheme="light")
    return found


def without_an_outline(phone: Phone, session: str) -> list[str]:
    """The controls that show no focus, of the first ones that Tab leads to."""
    phone.page.goto(session.removesuffix("#end"))  # Tab continues from the target of a link
    styles = dict[str, str]()
    for _ in range(25):
        phone.page.keyboard.press("Tab")
        style, html = phone.page.evaluate(
            """() => [getComputedStyle(document.activeElement).outlineStyle,
                      document.activeElement.outerHTML.slice(0, 80)]"""
        )
        styles[html] = style
    # the link to earlier blocks loads them as it comes into view, and is gone
    unseen = [html for html, style in styles.items() if style == "none" and html[:5] != "<body"]
    assert len(styles) > 15
    return unseen


# Tables, code and images
MANY_WORDS = "some more words that are long enough " * 3
LONG_LINE = "value = compute(something) + " * 6
CODE_AND_TABLE = f"""| name | what it does, in many words | more |
|---|---|---|
| a | Lists all projects of a person, the one that was used last first | {MANY_WORDS} |

```python
{LONG_LINE}
```
"""

SCROLLED = """(box, left) => {
    box.scrollIntoView({ block: "center", behavior: "instant" });
    box.scrollTo({ left, behavior: "instant" });
}"""
SHOWN_WIDTH = "box => Math.min(...[...box.querySelectorAll('th')].slice(1).map(e => e.offsetWidth))"
EDGE = """box => {
    const { right, top } = box.getBoundingClientRect();
    return [Math.floor(right) - 4, Math.floor(top) + 4];
}"""


def test_tables_and_code_go_on_beyond_a_shadow_and_code_can_be_wrapped(
    phone: Phone, project: Path
) -> None:
    play(phone, project, ["text", CODE_AND_TABLE])
    page = phone.page
    table, code = page.locator(".md .scroll"), page.locator(".md pre")
    expect(phone.status).to_have_text("Ready for the next prompt")
    assert table.evaluate(SHOWN_WIDTH) >= 9 * 16, "columns can be read"
    for box in (table, code):
        assert box.evaluate("box => box.scrollWidth > box.clientWidth")
        here, end = (edge_colour(box, at) for at in (0, 10_000))
        assert here != end, "there is a shadow, until the end is reached"
    code.click()
    wrap = phone.button("Wrap")
    top = code.bounding_box()
    wrap.click()
    expect(wrap).to_have_attribute("aria-pressed", "true")
    assert code.evaluate("box => box.scrollWidth <= box.clientWidth")
    after = code.bounding_box()
    assert top and after and after["height"] > top["height"]
    wrap.click()
    expect(wrap).to_have_attribute("aria-pressed", "false")
    assert code.evaluate("box => box.scrollWidth > box.clientWidth")


def edge_colour(box: Locator, scrolled: int) -> bytes:
    """The pixels at the right edge of a box, above its text, when it is scrolled so far."""
    box.evaluate(SCROLLED, scrolled)
    x, y = box.evaluate(EDGE)
    return box.page.screenshot(clip={"x": x, "y": y, "width": 2, "height": 2})


SPACE_ABOVE_DOCK = """() => {
    const root = document.documentElement.style, link = document.getElementById("to-new");
    const known = root.getPropertyValue("--dock");
    root.removeProperty("--dock"); // as before the script has measured it
    link.hidden = false;
    const end = link.getBoundingClientRect().bottom;
    const space = document.getElementById("dock").getBoundingClientRect().top - end;
    root.setProperty("--dock", known);
    return space;
}"""


# The dock
def test_the_controls_are_in_view_and_nothing_covers_them_also_beside_a_keyboard(
    phone: Phone, at_work: str
) -> None:
    page = phone.page
    phone.open_session(at_work)
    answers_are_there(phone, 20)
    page.set_viewport_size({"width": 390, "height": 420})  # by the keyboard, which moves nothing
    is_at_the_end(page)
    assert covered(page, "#composer textarea, #composer .button") == []
    controls = "#composer textarea, #composer .button:not(.dictate), .topbar .back"
    assert page.locator(controls).count() == 6
    for width, height in ((390, 844), (360, 640), (320, 568), (1280, 800)):
        page.set_viewport_size({"width": width, "height": height})
        page.evaluate("scrollTo(0, document.scrollingElement.scrollHeight)")
        is_at_the_end(page)
        assert covered(page, controls) == [], width
        page.evaluate("scrollTo(0, 0)")
        assert covered(page, controls) == [], f"also far from the end, {width}"
        row = [page.locator(each).bounding_box() for each in ("#prompt", "#stop button", ".send")]
        bottoms = {box["y"] + box["height"] for box in row if box}
        assert len(bottoms) == 1, f"one row, {width}"
        assert row[0] is not None
        assert row[0]["width"] >= 0.4 * min(width, 800), "the text field takes the width"
    page.set_viewport_size({"width": 390, "height": 420})
    assert abs(page.evaluate(SPACE_ABOVE_DOCK)) < 12, "the link stands there from the start"


def test_a_long_prompt_grows_the_field_to_a_third_of_the_screen_and_no_further(
    phone: Phone, project: Path
) -> None:
    play(phone, project, *texts(20))
    expect(phone.status).to_have_text("Ready for the next prompt")
    field = phone.page.get_by_role("textbox", name="Prompt")
    heights = []
    for lines in (1, 4, 60):
        field.fill("\n".join(["a line"] * lines))
        box = field.bounding_box()
        assert box is not None
        heights.append(box["height"])
    assert heights[0] < heights[1] < heights[2] <= 844 / 3
    assert covered(phone.page, "#composer textarea, #composer .button") == []
    is_at_the_end(phone.page)
    # nor does the dock with its options open, in landscape, with large letters as well
    phone.page.set_viewport_size({"width": 844, "height": 390})
    field.blur()
    phone.page.locator("#options-d > summary").click()
    for size in ("", "32px"):
        phone.page.evaluate("size => document.documentElement.style.fontSize = size", size)
        dock, bar = (phone.page.locator(each).bounding_box() for each in ("#dock", ".topbar"))
        assert dock is not None
        assert bar is not None
        assert dock["y"] >= bar["y"] + bar["height"], size


def test_a_keyboard_that_covers_the_page_lifts_the_dock(
    server: Server, open_phone: OpenPhone, at_work: str
) -> None:
    phone = open_phone(server)
    # as on iOS: the page keeps its height, and only the visual viewport changes
    phone.page.add_init_script(
        """const view = Object.assign(new EventTarget(), { scale: 1, height: 844, offsetTop: 0 });
        Object.defineProperty(window, "visualViewport", { value: view });"""
    )
    phone.open_session(at_work)
    answers_are_there(phone, 20)
    lifted = """([height, scale]) => {
        Object.assign(visualViewport, { height, scale });
        visualViewport.dispatchEvent(new Event("resize"));
        return innerHeight - document.getElementById("dock").getBoundingClientRect().bottom;
    }"""
    assert round(phone.page.evaluate(lifted, [544, 1])) == 300
    assert round(phone.page.evaluate(lifted, [422, 2])) == 0, "a zoomed page has no keyboard"
    assert round(phone.page.evaluate(lifted, [844, 1])) == 0


def test_errors_are_shown_above_the_composer_and_a_lost_socket_in_red(
    phone: Phone, answered: str
) -> None:
    phone.open_session(answered)
    expect(phone.status).to_have_text("Ready for the next prompt")
    phone.button("Send").click()
    expect(phone.page.get_by_role("alert")).to_contain_text("Write a prompt first.")
    assert covered(phone.page, "#flash .error-note, #composer textarea, #composer .button") == []

    phone.page.evaluate(
        """document.dispatchEvent(new CustomEvent("htmx:ws:close",
            { detail: { code: 1006, reason: "closed" } }))"""
    )
    expect(phone.status).to_contain_text("Offline. Last update")
    colour = phone.page.evaluate(
        "getComputedStyle(document.getElementById('status'), '::before').backgroundColor"
    )
    assert colour == "rgb(176, 38, 29)"


# The demo, and its pictures in the documents
ASKS = re.compile(r'action="(/runs/[0-9a-f]+/asks/[^"]+)"')


def test_the_demo_plays_its_suggestions_and_says_that_it_costs_nothing(
    sandbox: Sandbox, claude: Path, start_server: StartServer, open_phone: OpenPhone
) -> None:
    """OPCODE_SCREENSHOTS=1 puts pictures of it into docs/screenshots."""
    server = start_server(sandbox, claude, OPCODE_DEMO="1")
    if screenshots.WANTED:
        take_pictures(server, open_phone, sandbox)
    page = server.get("/new").text
    suggested = "Run the app and save its report"
    assert f'name="suggested" value="{suggested}"' in page
    form = form_of(page) | {"prompt": "half written", "suggested": suggested}
    address = server.post("/sessions", form).headers["Location"].partition("#")[0]
    asks = until(lambda: ASKS.search(server.get(address).text), "it asks")
    assert asks
    assert server.post(asks[1], {"decision": "allow"}).status_code == 303
    until(lambda: "Ready for the next prompt" in server.get(address).text, "it is done")
    page = server.get(address).text
    assert f'dir="auto">{suggested}</div>' in page
    notices = re.findall("no money is spent", page, re.IGNORECASE)
    assert len(notices) == 2, "in the banner, and by the status"


def take_pictures(server: Server, open_phone: OpenPhone, sandbox: Sandbox) -> None:
    hand = {**screenshots.PHONE, "device_scale_factor": 2}
    light = open_phone(server, **hand)
    light.page.goto("/new")
    light.page.get_by_role("button", name="Run the app and save its report").tap()
    light.button("Allow").tap()
    ready(light)
    light.page.locator(".block-tool summary").tap()
    take(light, "session-light", sandbox)
    dark = open_phone(server, color_scheme="dark", **hand)
    dark.page.goto(light.page.url)
    dark.page.locator(".block-tool summary").tap()
    take(dark, "session-dark", sandbox)
    light.page.reload()
    light.page.get_by_role("button", name="Fix the bug in app.py").tap()
    expect(light.button("Allow")).to_be_visible()
    take(light, "permission-light", sandbox)


def ready(phone: Phone) -> None:
    expect(phone.status).to_have_text("Ready for the next prompt")


def take(phone: Phone, name: str, sandbox: Sandbox) -> None:
    phone.page.evaluate(
        """() => {
            document.querySelector(".chips").scrollLeft = 0;
            document.scrollingElement.scrollTop = document.scrollingElement.scrollHeight;
        }"""
    )
    is_at_the_end(phone.page)
    screenshots.take(phone.page, name, sandbox)
