"""The controls of the gallery: requests, states, the queue, the composer, menus and sheets."""

from __future__ import annotations

import re
import signal

from playwright.sync_api import FilePayload, expect

from tests.features.session_page.gallery.script import photo
from tests.features.session_page.gallery.view import DOCK, PHASES, View
from tests.features.session_page.in_browser.look.reading import SHIFTS, to_go
from tests.support.pages import screenshots
from tests.support.pages.browser import CUT_OFF

ASKS: dict[str, tuple[list[str], list[str]]] = {
    "ask-plan": (
        ["Claude has a plan", "Round the baskets up", "Add a test"],
        ["Approve, ask before edits", "Approve, accept edits", "Keep planning"],
    ),
    "ask-command": (
        ["Allow Bash?", "npm install --save-dev vitest"],
        ["Deny", "Allow", "Always allow npm install * in this project"],
    ),
    "ask-edit": (
        ["Allow Edit?", "-def harvest(trees, per_tree=40):", "+def harvest(trees, per_tree=45):"],
        ["Deny", "Allow", "Always allow edits in this session"],
    ),
    "ask-outside": (
        ["Allow Write?", "Outside this project:", '+TREES = {"apple": 12, "pear": 7, "plum": 5}'],
        ["Deny", "Allow", "Always allow edits in this session"],
    ),
    "ask-question": (
        ["How should half baskets count?", "Round up", "Which fruit is to be sold?", "Plums"],
        ["Do not answer", "Answer"],
    ),
    "ask-form": (
        ["How shall the harvest be?", "orchard asks", "Your name", "Apples", "Ladder"],
        ["Cancel", "Accept", "Decline"],
    ),
    "ask-page": (
        ["Sign in to the orchard", "orchard asks", "https://orchard.example/sign-in?x=1"],
        ["Cancel", "Accept", "Decline"],
    ),
}
"""The content of each permission card in the order of Script.asked, and its buttons: the first one
is pressed, and the next card comes."""


# Claude's requests and actions
def asks_hold_what_they_ask_about(view: View) -> None:
    session = f"asks-{view.size}"
    view.gallery.begin(session, "Ask everything", permission_mode="plan", was_permission_mode="")
    view.open(session)
    for name, (shown, buttons) in ASKS.items():
        card = view.page.locator(".block-ask[data-state=open]", has_text=shown[0])
        with view.looking_at(name):
            expect(card).to_be_visible()
        view.shows(name, card, *shown)
        if name in PHASES:
            view.check_status(name)
        if card.locator(".always-allow").count():
            card.locator(".always-allow > summary").click()
        with view.looking_at(f"{name}: buttons"):
            there = card.locator("button:visible").all_inner_texts()
            assert {*buttons} <= {*there}, there
        if "Deny" in buttons:
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
        if name != [*ASKS][-1]:  # that one stays open for the list of runs
            card.get_by_role("button", name=buttons[0], exact=True).click()


def check_start_and_stop(view: View) -> None:
    """A process that is suspended stays in the state that is looked at."""
    view.gallery.begin("starting", "Hello")
    view.gallery.signal("starting", signal.SIGSTOP)
    view.open("starting")
    view.fits("dock: starting", DOCK)
    view.gallery.stop("starting")
    view.check_status("stopping")
    view.fits("dock: stopping", DOCK)


# Prompts, and Claude's options
def prompts_wait_their_turn(view: View) -> None:
    """On a page whose session waits for a prompt."""
    view.phone.send("Hold on")
    view.check_status("working")
    for text in ("Then water the young trees", "And write down the date"):
        view.gallery.prompt(view.size, text)
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
    """On the page whose cards were looked at last."""
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
        picture = FilePayload(name="photo.png", mimeType="image/png", buffer=photo())
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
        page.keyboard.press("Escape")
        expect(menu).to_be_hidden()
    with view.looking_at("share sheet"):
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


# A session of this view's own
def a_session_grows_waits_and_is_killed(view: View) -> None:
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
    view.gallery.address[view.size] = address
    with view.looking_at("to the newest"):
        page.mouse.move(view.width / 2, 300)
        page.evaluate("scrollTo(0, 0)")
        jump = page.get_by_role("button", name="Jump to newest")
        expect(jump).to_be_visible()
        view.fits("to the newest", "#jump")
        page.evaluate("scrollTo(0, 0)")
        jump.click()
        expect(jump).to_be_hidden()
    if screenshots.WANTED:
        what_is_new_is_pictured(view)
    with view.looking_at("bypass"):
        page.locator("#options-d > summary").click()
        page.get_by_label("Mode", exact=True).select_option("bypassPermissions")
        expect(page.locator("#in-force")).to_contain_text("never asks: bypass")
        page.locator("#options-d > summary").click()
        expect(page.locator("#options-d[open]")).to_have_count(0)
        expect(page.get_by_text("Bypass mode: Claude does everything")).to_be_visible()
    view.fits("bypass", DOCK)
    view.picture("bypass", page.locator("#dock"))
    prompts_wait_their_turn(view)
    view.gallery.signal(view.size, signal.SIGKILL)
    view.check_status("failed")
    view.fits("dock: failed", DOCK)


def what_is_new_is_pictured(view: View) -> None:
    page = view.page
    page.goto("/runs")
    view.gallery.prompt(view.size, "Let it grow again")
    view.gallery.shows(view.size, "tokens in,", 2)
    page.goto(f"{view.gallery.address[view.size]}#end")
    page.get_by_role("link", name="new messages since you left").click()
    expect(page.get_by_text("New since you left")).to_be_in_viewport()
    view.picture("new-since")


# The pages around a session
def running_sessions_are_listed(view: View) -> None:
    page = view.page
    page.goto("/runs")
    view.fits("/runs", "main :is(.button, .row)")
    page.evaluate("scrollTo(0, 0)")
    view.picture("runs", views="small")
    with view.looking_at("needs you"):
        asking = page.locator("#runs .status", has_text="Waiting for your answer")
        expect(asking.first).to_be_visible()
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


def other_pages_are_pictured(view: View) -> None:
    """Pages that tests/app/pages/test_every_page.py looks at."""
    page, project, found = view.page, view.gallery.project, view.gallery.address["answer"]
    view.phone.forgiven.append("404")
    for name, path in {
        "projects": "/",
        "project": project,
        "new": f"{project}/new",
        "error": "/nowhere",
        "found": f"{found}/search?q=trees",
    }.items():
        page.goto(path)
        view.picture(name, views="small")
    view.open(view.size)
    page.get_by_role("button", name="Session menu").click()
    with page.expect_navigation():
        page.locator("#menu").get_by_role("button", name="Delete session").click()
    view.picture("undo", views="small")
    view.phone.button("Undo").click()
    page.locator("#transcript").wait_for()
