"""Layout in a real browser: nothing overflows, is covered, jumps, or loses its state."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from opcode_htmx.engines.claude.demo.messages_api import (
    MessagesApi,
    Scene,
    Text,
    ToolUse,
)
from tests.support.environment import Sandbox, Server, until
from tests.support.pages import screenshots
from tests.support.pages.browser import PHONE, Phone
from tests.support.pages.page_checks import (
    WIDTHS,
    open_every_card,
    smaller_than_a_thumb,
    sticks_out,
    too_small_to_type_in,
    wait_until_pressable,
)

pytestmark = [pytest.mark.browser, pytest.mark.moving, pytest.mark.timeout(180)]

Steps = list[list[object]]
OpenPhone = Callable[..., Phone]
StartServer = Callable[..., Server]

LONG_WORD = "Donaudampfschifffahrtsgesellschaftskapitän" * 6
MARKDOWN = f"""# A heading with {LONG_WORD}

Some text, `{LONG_WORD}`, and a [link](https://example.org/{LONG_WORD}).

```python
{"value = compute(something, and_something_more); " * 8}
```

| {" | ".join(f"column {n}" for n in range(12))} |
|{"---|" * 12}
| {" | ".join(f"cell-with-{n}-words" for n in range(12))} |

1. one
   - two
     - three {LONG_WORD}

> {LONG_WORD}
"""
PARAGRAPH = "The quick brown fox jumps over the lazy dog, again and again, until it is dark. " * 3


# The lines of the stand-in


def line(**value: object) -> list[object]:
    return ["raw", json.dumps(value) + "\n"]


def said(name: str, *content: dict[str, object], parent: str | None = None) -> list[object]:
    message = {"id": name, "role": "assistant", "content": content}
    return line(type="assistant", message=message, parent_tool_use_id=parent, uuid=name)


def tool(name: str, tool_id: str, **tool_input: object) -> dict[str, object]:
    return {"type": "tool_use", "id": tool_id, "name": name, "input": tool_input}


def gave(tool_id: str, text: str) -> list[object]:
    content = [{"type": "tool_result", "tool_use_id": tool_id, "content": text}]
    return line(type="user", message={"role": "user", "content": content}, uuid=f"u-{tool_id}")


def asks(request_id: str, tool_name: str, **tool_input: object) -> list[object]:
    request = {"subtype": "can_use_tool", "tool_name": tool_name, "input": tool_input}
    return line(type="control_request", request_id=request_id, request=request)


def question(text: str) -> dict[str, object]:
    options = [{"label": LONG_WORD, "description": PARAGRAPH}, {"label": "No", "description": ""}]
    return {"question": text, "header": "", "multiSelect": False, "options": options}


EVERYTHING: Steps = [
    ["stderr", f"warning: {LONG_WORD}"],
    said("m1", {"type": "text", "text": MARKDOWN}),
    said("m2", tool("Bash", "t1", command=f"echo {LONG_WORD}", description=LONG_WORD)),
    gave("t1", f"{LONG_WORD}\n" * 3),
    said("m3", tool("Edit", "t2", file_path=f"/{LONG_WORD}", old_string="a", new_string=LONG_WORD)),
    said("m4", tool("Task", "t3", description="Look around", prompt=PARAGRAPH)),
    said("m5", {"type": "text", "text": MARKDOWN}, parent="t3"),
    said("m6", tool("Bash", "t4", command=f"ls {LONG_WORD}"), parent="t3"),
    line(type="something_new", text=LONG_WORD),
    asks("r1", "Bash", command=f"rm {LONG_WORD}", description=LONG_WORD),
    asks("r2", "Edit", file_path=f"/{LONG_WORD}", old_string="a", new_string=LONG_WORD),
    asks("r3", "AskUserQuestion", questions=[question(f"Why {LONG_WORD}?")]),
]


def texts(count: int, begin: int = 0) -> Steps:
    return [["text", f"Number {number}. {PARAGRAPH}"] for number in range(begin, begin + count)]


@dataclass
class Gate:
    """The file for which the stand-in waits until the test creates it."""

    path: Path

    @property
    def step(self) -> list[object]:
        return ["wait", str(self.path)]

    def open(self) -> None:
        self.path.touch()


@pytest.fixture
def gate(tmp_path: Path) -> Gate:
    return Gate(tmp_path / "gate")


@pytest.fixture
def server(shared_server: Server) -> Server:
    return shared_server


@pytest.fixture
def project(server: Server) -> Path:
    """A folder for one test."""
    return server.sandbox.with_own_project().project


@pytest.fixture
def phone(kept_phone: Phone) -> Phone:
    assert not kept_phone.is_calm
    return kept_phone


def play(phone: Phone, project: Path, *steps: list[object]) -> None:
    phone.begin(project, json.dumps(steps))


def wait_for_content(phone: Phone) -> None:
    expect(phone.button("Answer")).to_be_visible()
    expect(phone.page.locator("#errors")).to_contain_text("warning")


def answer(phone: Phone, number: int) -> Locator:
    return phone.page.locator(".block-text", has_text=f"Number {number}. ")


def answers_are_there(phone: Phone, count: int) -> None:
    """The newest of them, that is: the page may not have fetched the earlier ones."""
    expect(answer(phone, count - 1)).to_have_count(1)
    expect(phone.page.locator("#queue li")).to_have_count(0)


# Measurements


def covered(page: Page, selector: str) -> list[str]:
    """The controls that are not wholly on the screen, or lie under something else."""
    wait_until_pressable(page)
    found: list[str] = page.locator(selector).evaluate_all(
        """controls => controls.filter(each => each.checkVisibility()).filter(each => {
            const box = each.getBoundingClientRect();
            const inside = box.left >= 0 && box.top >= 0 && box.width > 0
                && box.right <= innerWidth && box.bottom <= innerHeight;
            const on = (x, y) => each.contains(document.elementFromPoint(x, y));
            const middle = (box.top + box.bottom) / 2;
            return !(inside && on(box.left + 6, middle) && on(box.right - 6, middle)
                && on((box.left + box.right) / 2, box.top + 4)
                && on((box.left + box.right) / 2, box.bottom - 4));
        }).map(each => each.outerHTML.slice(0, 80))"""
    )
    return found


def to_go(page: Page) -> float:
    """The distance of the view from the end, in pixels."""
    return float(
        page.evaluate(
            "document.scrollingElement.scrollHeight - document.scrollingElement.scrollTop"
            " - innerHeight"
        )
    )


def is_at_the_end(page: Page) -> None:
    until(lambda: to_go(page) < 2, "the end of the transcript is in view")


def top_of(phone: Phone, number: int) -> float:
    box = answer(phone, number).bounding_box()
    assert box is not None
    return box["y"]


# A session that shows everything; tests/app/pages/test_every_page.py has the checks of each page


def test_a_session_that_shows_everything_fits_and_its_controls_are_large_and_seen(
    server: Server, open_phone: OpenPhone, project: Path
) -> None:
    phone = open_phone(server)
    play(phone, project, *EVERYTHING, ["wait", "/nowhere"])
    wait_for_content(phone)
    phone.send(LONG_WORD)
    expect(phone.page.locator("#queue")).to_contain_text(LONG_WORD)
    session = phone.page.url
    assert (smaller_than_a_thumb(phone.page), too_small_to_type_in(phone.page)) == ([], [])
    assert without_an_outline(phone, session) == []
    letters_of_twice_the_size_fit(phone, session)
    assert wider_than_the_screen(phone, session, "/", "/runs") == []
    overviews_fit_when_the_browser_is_set_to_letters_of_twice_the_size(phone, session)


def without_an_outline(phone: Phone, session: str) -> list[str]:
    """The controls that show no focus, of the first ones that Tab leads to."""
    phone.page.goto(session.removesuffix("#end"))  # Tab continues from the target of a link
    unseen = []
    for _ in range(25):
        phone.page.keyboard.press("Tab")
        style, html = phone.page.evaluate(
            """() => [getComputedStyle(document.activeElement).outlineStyle,
                      document.activeElement.outerHTML.slice(0, 80)]"""
        )
        if style == "none":
            unseen.append(html)
    return unseen


def letters_of_twice_the_size_fit(phone: Phone, session: str) -> None:
    phone.page.goto(session)
    phone.page.reload()
    wait_for_content(phone)
    phone.page.evaluate("document.documentElement.style.fontSize = '200%'")
    expect(phone.page.locator("html")).to_have_css("font-size", "32px")
    assert sticks_out(phone.page) <= 0
    badge = phone.page.locator("#needs b")
    phone.page.evaluate("document.getElementById('needs').hidden = false")
    box = badge.bounding_box()
    assert box
    assert abs(box["width"] - box["height"]) < 1, "round"
    controls = "#composer textarea, #composer .button:not(.dictate), .topbar .back"
    assert covered(phone.page, controls) == []


def wider_than_the_screen(phone: Phone, *addresses: str) -> list[tuple[str, int, int]]:
    """By how much which page is, in which width."""
    wide = []
    for path in addresses:
        phone.page.goto(path)
        open_every_card(phone.page)
        for width in WIDTHS:
            phone.page.set_viewport_size({"width": width, "height": 700})
            if (by := sticks_out(phone.page)) > 0:
                wide.append((path, width, by))
    phone.page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    return wide


def overviews_fit_when_the_browser_is_set_to_letters_of_twice_the_size(
    phone: Phone, session: str
) -> None:
    """The browser's own setting changes what `rem` means in media queries too."""
    size = {"standard": 32, "fixed": 32}
    phone.page.context.new_cdp_session(phone.page).send("Page.setFontSizes", {"fontSizes": size})
    phone.page.goto(session)
    wait_for_content(phone)
    expect(phone.page.locator("#usage")).to_be_hidden()  # the words of the state have its space
    for path in ("/", "/new", "/runs", "/logins"):
        phone.page.goto(path)
        expect(phone.page.locator("html")).to_have_css("font-size", "32px")
        assert sticks_out(phone.page) <= 0, path
        assert covered(phone.page, ".topbar a, .nav-bar .nav-item") == [], path


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


# The dock


def test_the_controls_are_in_view_and_nothing_covers_them(phone: Phone, project: Path) -> None:
    page = phone.page
    play(phone, project, *texts(20), ["wait", "/nowhere"])
    answers_are_there(phone, 20)
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


def test_a_keyboard_that_shrinks_the_page_leaves_dock_and_end_in_view(
    phone: Phone, project: Path
) -> None:
    play(phone, project, *texts(20), ["wait", "/nowhere"])
    answers_are_there(phone, 20)
    phone.page.set_viewport_size({"width": 390, "height": 420})
    is_at_the_end(phone.page)
    assert covered(phone.page, "#composer textarea, #composer .button") == []


def test_a_keyboard_that_covers_the_page_lifts_the_dock(
    server: Server, open_phone: OpenPhone, project: Path
) -> None:
    phone = open_phone(server)
    # as on iOS: the page keeps its height, and only the visual viewport changes
    phone.page.add_init_script(
        """const view = Object.assign(new EventTarget(), { scale: 1, height: 844, offsetTop: 0 });
        Object.defineProperty(window, "visualViewport", { value: view });"""
    )
    play(phone, project, *texts(20), ["wait", "/nowhere"])
    answers_are_there(phone, 20)
    lifted = """([height, scale]) => {
        Object.assign(visualViewport, { height, scale });
        visualViewport.dispatchEvent(new Event("resize"));
        return innerHeight - document.getElementById("dock").getBoundingClientRect().bottom;
    }"""
    assert round(phone.page.evaluate(lifted, [544, 1])) == 300
    assert round(phone.page.evaluate(lifted, [422, 2])) == 0, "a zoomed page has no keyboard"
    assert round(phone.page.evaluate(lifted, [844, 1])) == 0


def test_errors_are_shown_above_the_composer(phone: Phone, project: Path) -> None:
    play(phone, project, *texts(20))
    expect(phone.status).to_have_text("Ready for the next prompt")
    phone.button("Send").click()
    expect(phone.page.get_by_role("alert")).to_contain_text("Write a prompt first.")
    assert covered(phone.page, "#flash .error-note, #composer textarea, #composer .button") == []


def test_without_a_socket_the_page_says_so_in_red(phone: Phone, project: Path) -> None:
    play(phone, project, *texts(3))
    expect(phone.status).to_have_text("Ready for the next prompt")
    phone.page.evaluate(
        """document.dispatchEvent(new CustomEvent("htmx:ws:close",
            { detail: { code: 1006, reason: "closed" } }))"""
    )
    expect(phone.status).to_contain_text("Offline. Last update")
    colour = phone.page.evaluate(
        "getComputedStyle(document.getElementById('status'), '::before').backgroundColor"
    )
    assert colour == "rgb(176, 38, 29)"


def test_output_before_the_scripts_load_reaches_the_page(
    server: Server, open_phone: OpenPhone, project: Path, gate: Gate
) -> None:
    phone = open_phone(server)
    play(phone, project, *texts(2), gate.step, *texts(2, begin=2))
    answers_are_there(phone, 2)
    held: list[Route] = []
    phone.page.route("**/later.bundle*", lambda route: held.append(route))
    sockets: list[object] = []
    phone.page.on("websocket", lambda socket: sockets.append(socket))
    phone.page.reload(wait_until="commit")
    until(lambda: phone.page.title() and held, "the script is on its way")
    gate.open()
    phone.page.wait_for_timeout(1000)  # time for a socket, which would be too early
    assert sockets == []
    held[0].continue_()
    answers_are_there(phone, 4)
    expect(answer(phone, 2)).to_have_count(1)


# The reader's place


def test_view_at_the_end_follows_new_output(phone: Phone, project: Path, gate: Gate) -> None:
    play(phone, project, *texts(20), gate.step, *texts(20, begin=20))
    answers_are_there(phone, 20)
    is_at_the_end(phone.page)
    gate.open()
    answers_are_there(phone, 40)
    expect(phone.status).to_have_text("Ready for the next prompt")
    is_at_the_end(phone.page)
    expect(phone.page.locator("#jump")).to_be_hidden()


def test_scrolled_up_view_does_not_move_and_a_button_leads_to_the_end(
    phone: Phone, project: Path, gate: Gate
) -> None:
    play(phone, project, *texts(18), gate.step, *texts(7, begin=18))
    answers_are_there(phone, 18)
    phone.page.mouse.move(195, 300)
    phone.page.mouse.wheel(0, -1500)
    jump = phone.page.get_by_role("button", name="Jump to newest")
    expect(jump).to_be_visible()
    until(lambda: to_go(phone.page) >= 1500, "the wheel has turned")
    before = top_of(phone, 9)
    gate.open()
    answers_are_there(phone, 25)
    expect(jump).to_have_text("Jump to newest (8)")  # seven answers and the turn's summary
    assert abs(top_of(phone, 9) - before) < 1
    assert covered(phone.page, "#jump") == []
    jump.click()
    expect(jump).to_be_hidden()
    is_at_the_end(phone.page)


def test_a_finger_that_moves_up_a_little_is_not_pulled_back(
    phone: Phone, project: Path, gate: Gate
) -> None:
    play(phone, project, *texts(20), gate.step, *texts(1, begin=20))
    answers_are_there(phone, 20)
    is_at_the_end(phone.page)
    before = top_of(phone, 19)
    phone.page.mouse.move(195, 300)
    phone.page.mouse.wheel(0, -40)
    until(lambda: to_go(phone.page) >= 40, "the wheel has turned")
    gate.open()
    answers_are_there(phone, 21)
    expect(phone.status).to_have_text("Ready for the next prompt")
    assert abs(top_of(phone, 19) - before - 40) < 1


# The state of the reader


def test_an_opened_card_stays_open_and_focused_when_its_tool_is_done(
    phone: Phone, project: Path, gate: Gate
) -> None:
    calls = said("m1", tool("Bash", "t1", command="sleep 9"))
    play(phone, project, calls, gate.step, gave("t1", "slept well"))
    card = phone.page.locator(".block-tool")
    expect(card).to_have_attribute("data-state", "running")
    card.locator("summary").focus()
    phone.page.keyboard.press("Enter")
    expect(card.locator(".tool-input")).to_be_visible()
    gate.open()
    expect(card).to_have_attribute("data-state", "done")
    expect(card.get_by_text("slept well")).to_be_visible()
    expect(card.locator("summary")).to_be_focused()


def test_draft_and_focus_survive_updates(phone: Phone, project: Path, gate: Gate) -> None:
    play(phone, project, *texts(3), gate.step, *texts(20, begin=3))
    answers_are_there(phone, 3)
    field = phone.page.get_by_role("textbox", name="Prompt")
    field.focus()
    phone.page.keyboard.type("half a thou")
    gate.open()
    answers_are_there(phone, 23)
    phone.page.keyboard.type("ght")
    expect(field).to_have_value("half a thought")
    expect(field).to_be_focused()


def test_selection_survives_updates(phone: Phone, project: Path, gate: Gate) -> None:
    play(phone, project, *texts(3), gate.step, *texts(20, begin=3))
    answers_are_there(phone, 3)
    phone.page.locator(".block-text").first.select_text()
    selected = phone.page.evaluate("getSelection().toString()")
    assert selected.startswith("Number 0.")
    gate.open()
    answers_are_there(phone, 23)
    assert phone.page.evaluate("getSelection().toString()") == selected


def test_title_of_a_new_session_is_its_first_prompt_before_and_after_reload(
    sandbox: Sandbox,
    stand_in: Path,
    gate: Gate,
    start_server: StartServer,
    open_phone: OpenPhone,
    tmp_path: Path,
) -> None:
    slow = tmp_path / "slow"
    waits = f'[ "$1" = --version ] || while [ ! -e {gate.path} ]; do sleep 0.05; done'
    slow.write_text(f'#!/bin/sh\n{waits}\nexec {stand_in} "$@"\n')
    slow.chmod(0o755)
    phone = open_phone(start_server(sandbox, slow))
    phone.begin(sandbox.project, f"Mind  the\nfollowing: {PARAGRAPH}")
    heading = phone.page.locator(".topbar h1")
    expect(heading).to_have_text("New session")
    gate.open()
    expect(heading).to_contain_text("Mind the following")
    expect(phone.page).to_have_title(re.compile("Mind the following"))
    names = heading.inner_text(), phone.page.title()
    phone.page.reload()
    assert (heading.inner_text(), phone.page.title()) == names


SHIFTS = """
    window.shifts = [];
    new PerformanceObserver(list => {
        for (const each of list.getEntries()) if (!each.hadRecentInput) shifts.push(each.value);
    }).observe({ type: "layout-shift", buffered: true });
"""


def test_an_answer_that_grows_shifts_nothing_that_is_read_further_up(
    sandbox: Sandbox, claude: Path, start_server: StartServer, open_phone: OpenPhone
) -> None:
    (sandbox.project / "notes.txt").write_text("a note\n" * 30)
    answer = f"{MARKDOWN}\n\n" * 6
    scene = Scene(
        "grow",
        "",
        [
            (Text(PARAGRAPH), ToolUse("Read", {"file_path": str(sandbox.project / "notes.txt")})),
            Text(answer, pace=0.002),
        ],
    )
    with MessagesApi([scene]) as api:
        phone = open_phone(start_server(sandbox, claude, api.url))
        phone.page.add_init_script(SHIFTS)
        phone.begin(sandbox.project, "Grow")
        expect(phone.page.locator(".block-text table")).not_to_have_count(0)
        phone.page.evaluate("scrollTo(0, 100)")
        expect(phone.page.locator(".block-summary")).to_be_attached()
        assert to_go(phone.page) >= 2
    assert sum(phone.page.evaluate("shifts")) < 0.05


# The pictures in the documents


def test_screenshots_of_the_demo(
    sandbox: Sandbox, claude: Path, start_server: StartServer, open_phone: OpenPhone
) -> None:
    """OPCODE_SCREENSHOTS=1 puts them into docs/screenshots."""
    server = start_server(sandbox, claude, OPCODE_DEMO="1")
    hand = {**screenshots.PHONE, "device_scale_factor": 2}
    light = open_phone(server, **hand)
    light.page.goto("/new")
    light.page.get_by_role("textbox", name="Prompt").fill("half written")
    light.page.get_by_role("button", name="Run the app and save its report").tap()
    light.button("Allow").tap()
    expect(light.page.locator(".block-prompt")).to_contain_text("Run the app and save its report")
    ready(light)
    dark = open_phone(server, color_scheme="dark", **hand)
    dark.page.goto(light.page.url)
    for name, phone in (("session-light", light), ("session-dark", dark)):
        phone.page.locator(".block-tool summary").tap()
        take(phone, name, sandbox)
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
