"""Every card and every control of the session page, with the real CLI, in three sizes.

What the sessions hold stands in gallery.py. Each view opens all of them: a phone, which is measured
in two sizes, and a wide screen. That is done in one theme: the other one differs in its colours
only, as tests/features/appearance/test_appearance.py ensures. What is wrong is collected, and
reported at the end. With OPCODE_SCREENSHOTS=1 the views take the pictures for docs/gallery.md as
they go.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Error, FilePayload, Locator, Page, expect

from tests.features.session_page.gallery import gallery
from tests.features.session_page.gallery.gallery import Gallery
from tests.features.session_page.gallery.screens import take_sheets
from tests.features.session_page.in_browser.test_look import SHIFTS, to_go
from tests.support.environment import Sandbox, Server
from tests.support.pages import screenshots
from tests.support.pages.browser import CUT_OFF, Phone
from tests.support.pages.page_checks import (
    FIELDS,
    SMALLER_THAN_A_THUMB,
    TARGETS,
    THUMB,
    TOO_SMALL_TO_TYPE_IN,
    wait_until_pressable,
)

pytestmark = [pytest.mark.browser, pytest.mark.moving, pytest.mark.timeout(400)]

READY = "Ready for the next prompt"
THEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
SIZES = {"small": (360, 740), "phone": (390, 844), "wide": (1280, 800)}


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory, claude: Path) -> Iterator[Gallery]:
    sandbox = Sandbox(tmp_path_factory.mktemp("gallery") / "home").make()
    with ExitStack() as stack:

        def start(sandbox: Sandbox, claude: Path, api_url: str, **settings: str) -> Server:
            server = Server(sandbox, claude, api_url, **settings)
            stack.callback(server.close)
            return server.start()

        yield stack.enter_context(gallery.opened(sandbox, start, claude))


# The expected content of the pages

CARDS: dict[str, list[tuple[str, str]]] = {
    "answer": [("Thinking", "The photo shows a row of trees.")],
    "files": [
        ("Read app.py 6–12", '"""Kilograms in a usual year."""'),
        ("Read photo.png", "The image stands below."),
        ("Edit app.py +1 −1", "+    return -(-kilograms // size)"),
        ("Write notes.md +4", "+- Apples in September"),
        ("Read harvest.ipynb", "print(trees)"),
        ("NotebookEdit harvest.ipynb +2 −2", "+print(trees * 40)"),
    ],
    "commands": [
        ("Bash python3 app.py", "960 kg in 64 baskets"),
        ("Bash sh check.sh — exit 1", "✗ fills baskets"),
        ("Bash seq 1 4000", "Show all"),
        ("Task Count the trees — 1 tool call", "There are 24 trees."),
        ("weather: forecast", "rain in the afternoon, 17 °C"),
        ("WebFetch orchard.invalid error", "Unable to verify"),
    ],
    "events": [("Hook SessionStart:startup", "The orchard is open from 8 to 18 o'clock.")],
    "past": [
        ("MultiEdit app.py +2 −2", "+size=20"),
        ('Grep "harvest" — 2 files', "notes.md"),
        ("Glob **/*.py — 1 file", "app.py"),
        ("WebFetch example.org", "In winter, before the buds swell."),
        ('WebSearch "old apple varieties" — 2 results', "Boskoop"),
        ("tree_ring", '"rings": 42'),
    ],
}
"""Collapsible parts: the line while closed, and some of the content."""

SAID = {
    "answer": ["How is the orchard doing?", "Here is what I found", "inside their box"],
    "files": ["The files are tidy."],
    "commands": ["New task Run the tests", "Task #1 completed", "All is checked."],
    "events": [
        "The API answered with status 529; Claude tries again",
        "Now it went through.",
        "Too many trees.",
        "The conversation so far was compacted, from",
        "Request interrupted by user.",
    ],
    "past": ["To-do list 1 of 2 done", "The 5-hour limit is reached. It ends at"],
}
"""Texts visible without opening anything."""

ASKS: dict[str, tuple[list[str], list[str]]] = {
    "ask-edit": (
        ["Allow Edit?", "-def harvest(trees, per_tree=40):", "+def harvest(trees, per_tree=45):"],
        ["Allow", "Deny", "Always allow edits in this session"],
    ),
    "ask-command": (
        ["Allow Bash?", "npm install --save-dev vitest"],
        ["Allow", "Deny", "Always allow npm install * in this project"],
    ),
    "ask-outside": (
        ["Allow Write?", "Outside this project:", '+TREES = {"apple": 12, "pear": 7, "plum": 5}'],
        ["Allow", "Deny", "Always allow edits in this session"],
    ),
    "ask-question": (
        ["How should half baskets count?", "Round up", "Which fruit is to be sold?", "Plums"],
        ["Answer", "Do not answer"],
    ),
    "ask-form": (
        ["orchard asks", "How shall the harvest be?", "Your name", "Apples", "Ladder"],
        ["Accept", "Decline", "Cancel"],
    ),
    "ask-page": (
        ["orchard asks", "Sign in to the orchard", "https://orchard.example/sign-in?x=1"],
        ["Accept", "Decline", "Cancel"],
    ),
    "ask-plan": (
        ["Claude has a plan", "Round the baskets up", "Add a test"],
        ["Approve, ask before edits", "Approve, accept edits", "Keep planning"],
    ),
}
"""The content of a permission card, and its buttons."""

PHASES = {
    "starting": "Starting Claude…",
    "working": "Writing…",
    "ask-command": "Waiting for your answer",
    "files": READY,
    "stopping": "Stopping…",
    "events": "Stopped by you.",
    "failed": "Claude was ended from outside by SIGKILL.",
    "past": "Not running. Ask to continue.",
}


DOCK = "#composer :is(.button, textarea), #options-d summary"


# A view, and what is measured in it


@dataclass
class View:
    """A phone that visits the gallery, and the problems found."""

    phone: Phone
    gallery: Gallery
    size: str
    measured: tuple[str, ...] = ()
    """The sizes of which something is measured besides its own."""
    wrong: list[str] = field(default_factory=list)
    phases: set[str] = field(default_factory=set)
    """The sessions whose status line was checked."""

    @property
    def page(self) -> Page:
        return self.phone.page

    @property
    def width(self) -> int:
        return SIZES[self.size][0]

    def sizes(self) -> Iterator[str]:
        """Be of its own size first, then of the others that are measured, and then as before."""
        yield self.size
        for name in self.measured:
            self.resize(*SIZES[name])
            yield name
        if self.measured:
            self.resize(*SIZES[self.size])

    def resize(self, width: int, height: int) -> None:
        self.page.set_viewport_size({"width": width, "height": height})
        self.page.evaluate("() => new Promise(requestAnimationFrame)")

    def themes(self) -> Iterator[str]:
        """Be in one theme after the other."""
        for theme in THEMES:
            self.page.emulate_media(color_scheme=theme)
            yield theme

    @contextmanager
    def looking_at(self, what: str) -> Iterator[None]:
        """Record a failure within the block, and go on."""
        try:
            yield
        except (AssertionError, Error) as error:
            self.wrong.append(f"{what}: {str(error).strip()[:400]}")

    def open(self, name: str) -> None:
        """Open the page of a session with all of its blocks, and check its status."""
        self.page.goto(f"{self.gallery.address[name]}#end")
        self.page.locator("body[data-link=online]").wait_for()
        while self.page.locator("#earlier a").count():
            self.page.evaluate("scrollTo(0, 0)")
            self.page.wait_for_timeout(20)
        if name in PHASES and name not in self.phases:
            self.phases.add(name)
            with self.looking_at(f"status: {name}"):
                expect(self.phone.status).to_have_text(PHASES[name])
            self.picture(f"status-{name}", self.page.locator(".state"))

    def picture(self, name: str, *parts: Locator, views: str = "phone") -> None:
        """A picture for the documents, where this view is one of those it is wanted of."""
        if not screenshots.WANTED or self.size not in views.split():
            return
        size = "" if self.size == "phone" else f"-{self.size}"
        for theme in self.themes():
            # the pages around the cards look alike enough in dark to be shown once
            if (self.size, theme) == ("small", "dark"):
                continue
            file = f"{name}{size}-{theme}"
            with self.looking_at(f"picture {file}"):
                screenshots.take(self.page, file, self.gallery.sandbox, *parts)

    def card(self, line: str) -> Locator:
        """The card with this line."""
        return self.page.locator("#transcript > .block", has_text=line).last

    def fits(self, what: str, selector: str, *, narrower: int = 0) -> None:
        """Check what MEASURED does in each size; in a screen of the width `narrower` as well."""
        wait_until_pressable(self.page)
        for size in self.sizes():
            self.fits_in(f"{what}, {size}", SIZES[size][0], selector)
            if narrower and size == "small":
                self.resize(narrower, SIZES[size][1])
                self.fits_in(f"{what} at {narrower} px", narrower, selector)

    def fits_in(self, what: str, width: int, selector: str) -> None:
        given = {"thumb": THUMB, "targets": TARGETS, "fields": FIELDS}
        with self.looking_at(what):
            found = self.page.evaluate(MEASURED, {"width": width, "selector": selector, **given})
            assert not any(found.values()), {name: what for name, what in found.items() if what}


WIDEST = """width => [...document.body.querySelectorAll("*")]
    .filter(each => each.checkVisibility() && each.getBoundingClientRect().right > width + 1)
    .map(each => each.outerHTML.slice(0, 100)).slice(0, 4)"""

WIDE = """width => [...document.querySelectorAll(
    ".block, .block pre, .block table, .block img, .todos, .dock, .queue li, .topbar, main > *")]
    .filter(each => each.checkVisibility())
    .filter(each => !each.parentElement.closest(".scroll, pre, .numbered"))
    .filter(each => { const box = each.getBoundingClientRect();
        return box.right > width + 1 || box.left < -1; })
    .map(each => each.outerHTML.slice(0, 100))"""

HIDDEN = """async controls => {
    const covered = each => {
        each.scrollIntoView({ block: "center", behavior: "instant" });
        const box = each.getBoundingClientRect();
        const on = (x, y) => each.contains(document.elementFromPoint(x, y));
        const middle = (box.top + box.bottom) / 2;
        return !(box.left >= 0 && box.right <= innerWidth
            && box.top >= 0 && box.bottom <= innerHeight
            && on(box.left + 6, middle) && on(box.right - 6, middle)
            && on((box.left + box.right) / 2, box.top + 4)
            && on((box.left + box.right) / 2, box.bottom - 4));
    };
    const frame = () => new Promise(requestAnimationFrame);
    const found = [];
    // what is disabled takes no press, so that one on it leaves the keyboard open
    const pressable = each => each.checkVisibility() && !each.matches(":disabled");
    for (const each of controls.filter(pressable)) {
        // what floats over the page goes out of the way as the page is moved
        if (!covered(each) || (await frame().then(frame), !covered(each))) continue;
        if (!each.checkVisibility()) continue; // it went as another one was brought into view
        found.push(each.outerHTML.slice(0, 100));
    }
    return found;
}"""


MEASURED = f"""async ({{ width, selector, thumb, targets, fields }}) => {{
    const all = each => [...document.querySelectorAll(each)];
    const by = document.documentElement.scrollWidth - width, controls = all(selector);
    return {{
        "the page is wider than the screen": by > 0 ? [by, ...({WIDEST})(width)] : [],
        "wider than the screen": ({WIDE})(width),
        "there is no": controls.length ? [] : [selector],
        "covered": await ({HIDDEN})(controls),
        "smaller than a thumb": ({SMALLER_THAN_A_THUMB})(all(targets), thumb),
        "letters smaller than 16 px": ({TOO_SMALL_TO_TYPE_IN})(all(fields)),
    }};
}}"""
"""Nothing is wider than the screen, except in boxes that scroll; the controls are as large as a
thumb, and nothing lies over those of `selector`. Empty lists are none."""


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
def test_every_card_and_every_control_on_two_phones_and_a_wide_screen(
    open_view: Callable[..., View], open_phone: Callable[..., Phone]
) -> None:
    if screenshots.WANTED:
        views = [open_view(size) for size in SIZES]
    else:  # a phone that becomes the other one is as wide, and loads each page once
        views = [open_view("phone", "small"), open_view("wide")]
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
    asks_hold_what_they_ask_about(view)
    check_queue_editing(view)
    check_status_in_each_state(view)
    check_completion_and_attachments(view)
    options_menu_and_sheet_open(view)
    a_session_grows_and_is_left_and_managed(view)
    other_pages(view)
    it_says_so_when_it_is_offline(view)


# The cards


def cards_say_what_happened_and_open(view: View) -> None:
    for name, cards in CARDS.items():
        view.open(name)
        for words in SAID[name]:
            with view.looking_at(f"{name}: {words}"):
                expect(view.page.locator("#transcript .block", has_text=words).last).to_be_visible()
        for line, detail in cards:
            with view.looking_at(f"{name}: {line}"):
                opens(view, line, detail)
        controls = "#transcript summary, #dock .button, .topbar .back, .menu-button"
        view.fits(name, f"{controls}, {DOCK}", narrower=320)
        LOOKS[name](view)


def opens(view: View, line: str, detail: str) -> None:
    summary = view.page.locator("#transcript summary").filter(has_text=line).first
    more = summary.locator("xpath=..").get_by_text(detail).first
    expect(summary).to_be_visible()
    expect(more).to_be_hidden()
    summary.click()
    expect(more).to_be_visible()


def in_answer(view: View) -> None:
    with view.looking_at("Markdown"):
        page = view.page
        expect(page.locator(".block-text .task.done")).to_have_count(2)
        expect(page.locator(".block-text pre .k").first).to_have_text("def")
        expect(page.locator(".block-prompt img")).to_have_js_property("naturalWidth", 320)
        wider = "each => each.scrollWidth > each.clientWidth"
        assert page.locator(".block-text pre").last.evaluate(wider), "the long line scrolls"
        for size in view.sizes():
            scrolls = page.locator(".block-text .scroll").last.evaluate(wider)
            assert scrolls or size == "wide", "the table scrolls"
    for theme in view.themes():
        background, text = view.page.evaluate(COLOURS)
        with view.looking_at("colours"):
            assert (background < 0.2 < 0.8 < text) == (theme == "dark")
            assert (text < 0.2 < 0.8 < background) == (theme == "light")
    view.picture("thinking", view.page.locator(".block-thinking"))
    view.picture("wide", view.card("inside their box"))
    view.page.locator(".block-thinking summary").click()
    view.page.evaluate("scrollTo(0, 0)")
    view.picture("answer", views="small phone wide")


COLOURS = """() => ["backgroundColor", "color"].map(name => {
    const [r, g, b] = getComputedStyle(document.body)[name].match(/\\d+/g).map(Number);
    return (0.2126 * r + 0.7152 * g + 0.0722 * b) / 255;
})"""


def in_files(view: View) -> None:
    with view.looking_at("diff"):
        edit = view.page.locator(".block-tool", has_text="Edit app.py").first
        expect(edit.locator(".diff-add .m").first).to_be_visible()
        expect(edit.locator(".diff-add")).to_have_attribute("data-n", "12")
    with view.looking_at("image"):
        image = view.page.locator(".block-tool img")
        image.scroll_into_view_if_needed()
        expect(image).to_have_js_property("naturalWidth", 320)
    view.picture("read", view.card("Read app.py"), view.card("Read photo.png"))
    view.picture("edit", view.card("Edit app.py"), view.card("Write notes.md"))
    view.picture("notebook", view.card("NotebookEdit"))
    view.page.evaluate("scrollTo(0, 0)")
    view.picture("files", views="wide")


def in_commands(view: View) -> None:
    with view.looking_at("terminal"):
        failed = view.page.locator(".block-tool[data-state=error]").first
        expect(failed.locator(".a1")).to_have_text("✗ fills baskets")
    with view.looking_at("subagent"):
        expect(view.page.locator(".block-tool .children .block-tool")).to_contain_text("Bash ls")
    view.picture("bash", view.card("Bash python3 app.py"), view.card("Bash sh check.sh"))
    view.picture("long", view.card("Bash seq 1 4000"))
    view.picture("agent", view.card("Task Count the trees"))
    view.picture("mcp", view.card("weather: forecast"), view.card("WebFetch"))
    with view.looking_at("the list of tasks"):
        todos = view.page.locator("#todos")
        expect(todos.locator("summary")).to_have_text("1 of 3 done Counting the trees")
        todos.locator("summary").click()
        expect(todos.locator("li.todo-done")).to_contain_text("Run the tests")
        expect(todos.locator("li.todo-now")).to_contain_text("Count the trees")
    view.fits("the list of tasks", "#todos summary, #dock .button")
    view.picture("tasks", view.page.locator("#dock"))


def in_events(view: View) -> None:
    with view.looking_at("an error"):
        expect(view.page.locator(".block-error")).to_contain_text("Too many trees.")
    view.picture("events", view.card("Hook"), view.card("The conversation so far"))
    view.picture("interrupted", view.card("Request interrupted"), view.page.locator("#dock"))


def in_past(view: View) -> None:
    with view.looking_at("links"):
        link = view.page.get_by_role("link", name="Boskoop")
        expect(link).to_have_attribute("href", "https://example.org/boskoop")
    view.picture("search", view.card("MultiEdit"), view.card("To-do list"))
    view.picture("web", view.card("WebFetch"), view.card("WebSearch"))
    view.picture("unknown", view.card("tree_ring"), view.card("limit is reached"))


LOOKS = {
    "answer": in_answer,
    "files": in_files,
    "commands": in_commands,
    "events": in_events,
    "past": in_past,
}


# Claude's requests and actions


def asks_hold_what_they_ask_about(view: View) -> None:
    for name, (shown, buttons) in ASKS.items():
        view.open(name)
        card = view.page.locator(".block-ask[data-state=open]")
        for words in shown:
            with view.looking_at(f"{name}: {words}"):
                expect(card.get_by_text(words).first).to_be_visible()
        if card.locator(".always-allow").count():
            card.locator(".always-allow > summary").click()
        for button in buttons:
            with view.looking_at(f"{name}: {button}"):
                expect(card.get_by_role("button", name=button, exact=True)).to_be_visible()
        if name in ("ask-edit", "ask-command", "ask-outside"):
            with view.looking_at(f"{name}: deny with a reason"):
                card.get_by_text("Deny with a reason").click()
                expect(card.get_by_label("Tell Claude why")).to_be_editable()
                expect(card.get_by_role("button", name="Deny and tell Claude")).to_be_visible()
        if name == "ask-question":
            with view.looking_at("question"):
                card.get_by_label("Round up").check()
                card.get_by_label("Apples").check()
                card.get_by_label("Plums").check()
                expect(card.locator("input:checked")).to_have_count(3)
                expect(card.get_by_label("And in your own words")).to_be_editable()
        view.fits(name, f".block-ask :is(.button, summary, textarea, label), {DOCK}")
        view.picture(name, card)
        if name == "ask-command":
            card.get_by_text("Deny with a reason").click()
            view.picture("asking", views="small wide")


def check_status_in_each_state(view: View) -> None:
    for name in sorted(PHASES.keys() - view.phases):
        view.open(name)
        view.fits(f"dock: {name}", DOCK)


# Prompts, and Claude's options


def check_queue_editing(view: View) -> None:
    view.open("working")
    with view.looking_at("queue"):
        waiting = view.page.get_by_role("list", name="Prompts that wait").get_by_role("listitem")
        expect(waiting).to_have_count(2)
        for each in waiting.all():
            expect(each).to_contain_text("Waits its turn")
            expect(each.get_by_role("button", name="Edit")).to_be_visible()
            expect(each.get_by_role("button", name="Remove")).to_be_visible()
    view.fits("queue", f"#queue .button, {DOCK}")
    view.picture("queue", view.page.locator("#queue"), view.page.locator("#dock"))


def check_completion_and_attachments(view: View) -> None:
    view.open("answer")
    page, field = view.page, view.page.get_by_role("textbox", name="Prompt")
    offers = page.get_by_role("listbox", name="Completions").get_by_role("option")
    for typed, offered in {"/comp": "/compact", "Look at @app": "app.py"}.items():
        with view.looking_at(f"completions of {typed}"):
            field.click()
            field.press_sequentially(typed)
            expect(offers.first).to_contain_text(offered)
            view.fits("completions", "#completions [role=option]")
            name = offered.strip("/").partition(".")[0]
            view.picture(f"complete-{name}", offers.first, page.locator("#dock"))
        field.fill("")
        expect(offers).to_have_count(0)
    with view.looking_at("attachments"):
        picture = FilePayload(name="photo.png", mimeType="image/png", buffer=gallery.photo())
        page.get_by_label("Attach images or files").set_input_files(picture)
        remove = page.get_by_role("button", name="Remove photo.png")
        expect(remove).to_be_visible()
        view.fits("attachments", "#attached .button, #composer .button")
        view.picture("attached", page.locator("#dock"))
        remove.click()
        expect(remove).to_have_count(0)


def options_menu_and_sheet_open(view: View) -> None:
    page = view.page
    with view.looking_at("options"):
        page.locator("#options-d > summary").click()
        for label in ("Model", "Effort", "Mode"):
            expect(page.get_by_label(label, exact=True)).to_be_visible()
        keep = page.get_by_label("Keep running when I leave")
        expect(keep).to_be_checked()
        keep.uncheck()
        expect(page.locator("#was-keep")).to_have_value("")
        keep.check()
        expect(page.locator("#was-keep")).to_have_value("on")
        view.fits("options", "#options select, #options-d > summary, #composer .send")
        view.picture("options", page.locator("#dock"))
        page.locator("#options-d > summary").click()
    with view.looking_at("menu"):
        page.get_by_role("button", name="Session menu").click()
        menu = page.locator("#menu")
        for label in ("Search in this session", "Name"):
            expect(menu.get_by_label(label)).to_be_visible()
        for button in ("Search", "Rename", "Fork: a new session from here", "Delete session"):
            expect(menu.get_by_role("button", name=button)).to_be_visible()
        for link in ("Markdown", "HTML", "JSONL", "Running sessions"):
            expect(menu.get_by_role("link", name=link)).to_be_visible()
        view.fits("menu", "#menu :is(button, input:not([type=hidden]), a)")
        view.picture("menu")
        menu.get_by_label("Search in this session").fill("trees")
        menu.get_by_role("button", name="Search").click()
        expect(page.locator("mark").first).to_have_text("trees")
        view.fits("search", ".row, .search .button, .back")
        view.picture("found", views="small")
        page.get_by_role("link", name="Back to the session").click()
    with view.looking_at("share sheet"):
        page.locator("body[data-link=online]").wait_for()
        answer = page.locator(".block-summary").last
        answer.scroll_into_view_if_needed()
        answer.hover(position={"x": 20, "y": 10})
        answer.locator(".more").click()
        sheet = page.get_by_role("dialog", name="Link, copy, fork")
        for button in ("Copy link", "Copy text", "Copy Markdown", "Close"):
            expect(sheet.get_by_role("button", name=button)).to_be_visible()
        view.fits("share sheet", ".sheet :is(button, input, textarea)")
        view.picture("share")
        sheet.get_by_role("button", name="Close").click()
        expect(sheet).to_be_hidden()
    view.open("bypass")
    with view.looking_at("bypass"):
        expect(page.get_by_text("Bypass mode: Claude does everything")).to_be_visible()
        expect(page.locator("#in-force")).to_contain_text("never asks: bypass")
    view.fits("bypass", DOCK)
    view.picture("bypass", page.locator("#dock"))


# A session of this view's own


def a_session_grows_and_is_left_and_managed(view: View) -> None:
    page, phone = view.page, view.phone
    page.add_init_script(SHIFTS)
    phone.begin(view.gallery.sandbox.project, "Let it grow")
    with view.looking_at("a growing answer"):
        expect(page.locator(".block-text table")).not_to_have_count(0)
        expect(page.locator(".block-summary")).to_be_attached()
        expect(page.locator(".block-text")).to_contain_text("That is all.")
        assert sum(page.evaluate("shifts")) < 0.05
        assert to_go(page) < 2, "the view goes along"
    address = page.url.partition("#")[0].removeprefix(view.gallery.server.url)
    name = view.gallery.address[view.size] = address
    with view.looking_at("to the newest"):
        page.mouse.move(view.width / 2, 300)
        page.evaluate("scrollTo(0, 0)")
        jump = page.get_by_role("button", name="Jump to newest")
        expect(jump).to_be_visible()
        view.fits("to the newest", "#jump")
        page.evaluate("scrollTo(0, 0)")
        jump.click()
        expect(jump).to_be_hidden()
    with view.looking_at("new since you left"):
        page.goto("/runs")
        view.gallery.prompt(view.size, "Let it grow again")
        view.gallery.shows(view.size, "tokens in,", 2)
        page.goto(f"{name}#end")
        page.locator("body[data-link=online]").wait_for()
        way = page.get_by_role("link", name="new messages since you left")
        expect(way).to_be_visible()
        view.fits("new since you left", "#to-new")
        way.click()
        expect(page.get_by_text("New since you left")).to_be_in_viewport()
        view.picture("new-since")
        expect(way).to_be_hidden()
    with view.looking_at("stop, rename, fork, delete, undo"):
        phone.end_claude()
        expect(phone.status).to_have_text("Stopped by you.")
        title = f"Meadow {view.size}"
        choose(view, lambda menu: menu.get_by_label("Name").fill(title), "Rename")
        expect(page.get_by_role("heading", name=title)).to_be_visible()
        choose(view, lambda menu: None, "Fork: a new session from here")
        page.wait_for_url(lambda url: address not in url)
        choose(view, lambda menu: None, "Delete session")
        expect(page.get_by_role("status")).to_contain_text("It is kept for 7 days.")
        view.fits("undo", ".note .button")
        view.picture("undo", views="small")
        phone.button("Undo").click()
        page.locator("#transcript").wait_for()


def choose(view: View, fill: Callable[[Locator], object], button: str) -> None:
    """Press a button of the session's menu."""
    view.page.get_by_role("button", name="Session menu").click()
    menu = view.page.locator("#menu")
    fill(menu)
    with view.page.expect_navigation():
        menu.get_by_role("button", name=button).click()


# The pages around a session


def other_pages(view: View) -> None:
    page = view.page
    for path, words in {
        "/": "orchard",
        view.gallery.project: "Tidy up the files",
        f"{view.gallery.project}/new": "Options:",
        "/runs": "Needs you",
        "/nowhere": "To the start page",
    }.items():
        view.phone.forgiven.append("404")
        page.goto(path)
        with view.looking_at(path):
            expect(page.locator("main").get_by_text(words).first).to_be_visible()
        view.fits(path, "main :is(.button, .row, input:not([type=hidden], [type=file]))")
        page.evaluate("scrollTo(0, 0)")
        names = {"/": "projects", view.gallery.project: "project", "/nowhere": "error"}
        view.picture(names.get(path, path.rpartition("/")[2]), views="small")
    with view.looking_at("needs you"):
        page.goto("/runs")
        asking = page.locator("#runs .status", has_text="Waiting for your answer")
        expect(asking).to_have_count(len(ASKS))
        expect(page.get_by_role("link", name=re.compile("Running .* need"))).to_be_visible()


def it_says_so_when_it_is_offline(view: View) -> None:
    page = view.page
    view.phone.forgiven += CUT_OFF
    page.route_web_socket(re.compile("/live"), lambda socket: socket.close(code=1011))
    page.goto(f"{view.gallery.address['files']}#end")
    with view.looking_at("offline"):
        expect(view.phone.status).to_contain_text("Offline. Last update")
        expect(page.locator("body")).to_have_attribute("data-link", "offline")
    view.fits("offline", DOCK)
    view.picture("status-offline", page.locator(".state"))


def test_pages_with_nothing_to_show_and_the_login_in_every_size(
    sandbox: Sandbox,
    stand_in: Path,
    start_server: Callable[..., Server],
    open_phone: Callable[..., Phone],
) -> None:
    server = start_server(sandbox, stand_in)
    phone = open_phone(server)
    stranger = open_phone(server, logged_in=False)
    wrong = []
    for size, (width, height) in SIZES.items():
        for who, path, words in (
            (phone, "/", "No projects yet"),
            (phone, "/runs", "Nothing is running"),
            (phone, "/devices", "Add a device"),
            (stranger, "/login", "Log in to opcode"),
            (stranger, "/pair", "Sign in to opcode"),
        ):
            view = View(who, Gallery(server), size)
            view.page.set_viewport_size({"width": width, "height": height})
            view.page.goto(path)
            with view.looking_at(path):
                expect(view.page.get_by_role("heading", name=words)).to_be_visible()
            view.fits(path, "main :is(.button, input:not([type=hidden]))")
            view.picture({"/": "empty", "/runs": "idle"}.get(path, path[1:]), views="small")
            wrong += view.wrong
    assert not wrong, "\n\n".join(wrong)
