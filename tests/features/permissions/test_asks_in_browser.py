"""Permissions, questions and options on a phone, with the real CLI and a scripted model."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Locator, expect

from opcode_htmx.engines.claude.demo.messages_api import (
    MessagesApi,
    Request,
    Scene,
    Text,
    ToolUse,
)
from tests.runs.asking import scenes
from tests.support.environment import (
    Sandbox,
    Server,
    processes_of,
    runs_of,
    until,
)
from tests.support.pages.browser import Phone

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

GRACE = 8.0
READY = "Ready for the next prompt"


@pytest.fixture(scope="module")
def shared_api(shared_home: Sandbox) -> Iterator[MessagesApi]:
    def write_outside(request: Request) -> ToolUse:
        """A file with the last word of the prompt as its name."""
        path = shared_home.home / "elsewhere" / f"{request.prompt.split()[-1]}.txt"
        return ToolUse("Write", {"file_path": str(path), "content": "x\n"})

    more = (
        Scene("outside", "outside", [write_outside, Text("Tried.")]),
        Scene("hang", "hang", [ToolUse("Bash", {"command": "tail -f /dev/null"}), Text("No.")]),
    )
    with MessagesApi((*more, *scenes(shared_home.project))) as api:
        yield api


@pytest.fixture(scope="module")
def shared_settings() -> dict[str, str]:
    return {
        "OPCODE_ALLOW_BYPASS": "1",
        "IS_SANDBOX": "1",
        "OPCODE_DISCONNECT_GRACE": f"{GRACE}",
        "OPCODE_ASK_AHEAD": "0",
    }


@pytest.fixture
def server(shared_real_server: Server) -> Server:
    return shared_real_server


@pytest.fixture
def sandbox(server: Server) -> Sandbox:
    """With a project for one test."""
    return server.sandbox.with_own_project()


def card(phone: Phone) -> Locator:
    """The card that waits for an answer."""
    found = phone.page.locator(".block-ask[data-state=open]")
    expect(found).to_have_count(1)
    return found


def ready(phone: Phone) -> None:
    expect(phone.status).to_have_text(READY)


def in_force(phone: Phone) -> Locator:
    return phone.page.locator("#in-force")


def open_options(phone: Phone) -> None:
    phone.page.locator("#options-d > summary").click()


def asks(phone: Phone, server: Server) -> int:
    """How often Claude has asked in the session that is looked at."""
    files = (run / "out.ndjson" for run in runs_of(server.sandbox.state, phone.session_id))
    return sum(file.read_text(encoding="utf-8").count('"can_use_tool"') for file in files)


def verdicts(phone: Phone) -> Locator:
    """What the newest card says about its decision, or its answers."""
    return phone.page.locator(".block-ask").last.locator(".verdict")


def test_always_allowed_rule_is_on_the_card_and_not_asked_again(
    phone: Phone, server: Server, sandbox: Sandbox
) -> None:
    phone.begin(sandbox.project, "npm please")
    expect(card(phone)).to_contain_text("npm test")
    card(phone).locator("summary", has_text="Always allow").click()
    phone.button("Always allow npm test * in this project").click()
    ready(phone)
    expect(phone.page.locator(".block-tool summary")).to_contain_text("· always allowed")
    phone.page.locator(".block-tool summary").click()
    verdict = phone.page.locator(".block-tool .verdict")
    expect(verdict).to_have_text(
        re.compile(r"Always allowed: npm test \* in this project · \d\d:\d\d")
    )
    phone.send("npm again")
    expect(phone.page.locator(".block-summary")).to_have_count(2)
    assert asks(phone, server) == 1


def test_a_denial_takes_a_reason_with_it_and_names_the_path_outside(
    idle_phone: Phone, server: Server
) -> None:
    phone = idle_phone
    phone.send("outside now")
    path = f"{server.sandbox.home}/elsewhere/now.txt"
    expect(card(phone)).to_contain_text(f"Outside this project: {path}")
    card(phone).locator("summary", has_text="Deny with a reason").click()
    phone.page.get_by_label("Tell Claude why").fill("Stay in the\nproject.")
    phone.page.get_by_label("Tell Claude why").press("Enter")  # a new line, and no decision
    expect(card(phone)).to_be_visible()
    phone.button("Deny and tell Claude").click()
    ready(phone)
    expect(verdicts(phone)).to_contain_text("Denied: Stay in the")
    run = runs_of(server.sandbox.state, phone.session_id)[-1]
    answer = json.loads((run / "in.ndjson").read_text().splitlines()[-1])
    assert answer["response"]["response"]["message"] == "Stay in the\nproject."


def test_several_questions_are_answered_on_one_card(idle_phone: Phone) -> None:
    phone = idle_phone
    phone.send("ask me")
    card(phone)
    phone.forgiven.append("422")
    sent: list[str] = []
    phone.page.on("request", lambda request: sent.append(request.url))
    phone.page.get_by_label("Apples").check()
    phone.page.get_by_label("Apples").press("Enter")  # which must press no button: it may be Allow
    # what the page sends and fetches by itself at any time
    assert [url for url in sent if "/seen" not in url and "/static/" not in url] == []
    phone.button("Answer").click()
    expect(phone.page.locator("#flash")).to_contain_text(
        "Choose an answer to question 2 of 2: “How many?”"
    )
    phone.page.get_by_role("link", name="question 2 of 2").click()
    expect(phone.page.get_by_role("group", name="How many?")).to_be_in_viewport()
    expect(phone.page.get_by_label("Apples")).to_be_checked()
    assert sum("/asks/" in url for url in sent) == 1
    phone.page.get_by_label("Pears").check()
    phone.page.get_by_label("in your own words").last.fill("a dozen")
    phone.button("Answer").click()
    ready(phone)
    expect(verdicts(phone)).to_have_text(["Apples, Pears", "a dozen"])
    expect(phone.page.locator(".block-text").last).to_contain_text('"How many?"="a dozen"')


def test_a_plan_is_read_sent_back_and_approved_in_a_mode(idle_phone: Phone, server: Server) -> None:
    phone = idle_phone
    open_options(phone)
    phone.page.get_by_label("Mode", exact=True).select_option("plan")
    expect(in_force(phone)).to_contain_text("plans first")
    open_options(phone)
    phone.send("plan it")
    expect(card(phone).locator("h1")).to_have_text("The plan")
    phone.button("Approve, accept edits").click()
    ready(phone)
    expect(verdicts(phone)).to_contain_text("Approved, edits accepted")
    expect(in_force(phone)).to_contain_text("accepts edits")
    assert (server.sandbox.project / "new.txt").exists()
    turns = phone.page.locator(".block-summary").count()
    phone.send("plan once more")
    expect(phone.page.locator(".block-summary")).to_have_count(turns + 1)
    ready(phone)
    (options,) = (server.sandbox.state / "options").glob(f"{phone.session_id}*")
    assert json.loads(options.read_text())["permission_mode"] == "acceptEdits"


def test_option_changes_in_mid_run_reach_every_device_and_keep_the_focus(
    server: Server, sandbox: Sandbox, open_phone: Callable[..., Phone], shared_api: MessagesApi
) -> None:
    api = shared_api
    one, other = open_phone(server), open_phone(server)
    one.begin(sandbox.project, "Hello")
    ready(one)
    other.page.goto(one.page.url)
    other.page.locator("body[data-link=online]").wait_for()
    open_options(one)
    model = one.page.get_by_label("Model")
    model.focus()
    model.select_option(label="Haiku 5.5")
    for phone in (one, other):
        expect(in_force(phone)).to_contain_text("Haiku 5.5 · asks first")
    expect(model).to_be_focused()
    one.page.get_by_label("Effort").select_option("high")
    for phone in (one, other):
        expect(in_force(phone)).to_contain_text("high effort")
    expect(other.page.locator("#o-model")).to_have_value("haiku")
    expect(other.page.locator("#was-model")).to_have_value("haiku")
    one.send("And now?")
    expect(one.page.locator(".block-summary")).to_have_count(2)
    assert api.requests[-1]["model"].startswith("claude-haiku")
    assert api.requests[-1]["output_config"]["effort"] == "high"
    one.end_claude()
    expect(one.status).to_have_text("Stopped by you.")
    one.send("Again")  # another process
    ready(one)
    expect(in_force(one)).to_contain_text("Haiku 5.5 · high effort")
    assert api.requests[-1]["model"].startswith("claude-haiku")


def test_bypass_mode_is_marked_while_in_force(idle_phone: Phone, server: Server) -> None:
    phone, asked = idle_phone, asks(idle_phone, server)
    turns = phone.page.locator(".block-summary").count()
    warning = phone.page.get_by_text("Bypass mode: Claude does everything without asking.")
    expect(warning).to_have_count(0)
    open_options(phone)
    phone.page.get_by_label("Mode", exact=True).select_option("bypassPermissions")
    open_options(phone)
    expect(warning).to_be_visible()
    danger = phone.page.evaluate(
        "getComputedStyle(document.documentElement).getPropertyValue('--danger')"
    )
    assert danger
    phone.send("outside unasked")
    expect(phone.page.locator(".block-summary")).to_have_count(turns + 1)
    assert asks(phone, server) == asked
    assert (server.sandbox.home / "elsewhere" / "unasked.txt").exists()
    phone.page.reload()
    phone.page.locator("body[data-link=online]").wait_for()
    expect(warning).to_be_visible()
    open_options(phone)
    phone.page.get_by_label("Mode", exact=True).select_option("default")
    expect(warning).to_have_count(0)


def test_second_device_shows_the_decision_of_the_first_and_its_time(
    server: Server, idle_phone: Phone, open_phone: Callable[..., Phone]
) -> None:
    one, other = idle_phone, open_phone(server)
    one.send("npm please")
    card(one)
    # A device with a hanging socket: it does not see the answer of the first one
    other.forgiven.append("409")
    other.page.route_web_socket("**/live*", lambda socket: None)
    other.page.goto(one.page.url)
    card(other)
    one.button("Allow").click()
    ready(one)
    other.button("Deny").click()
    expect(other.page.locator("#flash")).to_contain_text(
        re.compile(r"answered already at \d\d:\d\d: allowed")
    )
    other.page.reload()
    expect(verdicts(other)).to_have_text(re.compile(r"Allowed · \d\d:\d\d"))


def test_run_that_is_not_kept_survives_a_reload_and_ends_with_its_page(
    phone: Phone, sandbox: Sandbox, server: Server, open_phone: Callable[..., Phone]
) -> None:
    phone.begin(sandbox.project, "hang on")
    card(phone)
    (run,) = runs_of(sandbox.state, phone.session_id)
    open_options(phone)
    phone.page.get_by_label("Keep running when I leave").uncheck()
    expect(in_force(phone)).to_contain_text("stops when you leave")
    for _ in range(3):
        phone.page.reload()
        expect(phone.status).to_have_text("Waiting for your answer")
        phone.page.locator("body[data-link=online]").wait_for()
    address = phone.page.url
    phone.page.wait_for_timeout(1000 * GRACE + 500)  # somebody looks, so nothing may happen
    expect(phone.status).to_have_text("Waiting for your answer")
    phone.page.goto("about:blank")
    until(lambda: json.loads((run / "run.json").read_bytes())["end"], "the run has ended")
    until(lambda: not processes_of(sandbox.state, run.name), "nothing of it is left", shortest=0.2)
    phone.page.goto(address)
    expect(phone.status).to_contain_text("nobody was looking for 8 seconds")


def test_choices_always_allow_and_deny_with_a_reason_work_without_javascript(
    server: Server, sandbox: Sandbox, open_phone: Callable[..., Phone]
) -> None:
    phone = open_phone(server, java_script_enabled=False)

    def press(name: str) -> None:
        with phone.page.expect_navigation():
            phone.button(name).click()

    def seen(text: str) -> None:
        address = phone.page.url.removeprefix(server.url).partition("#")[0]
        until(lambda: text in server.get(address).text, text)  # a fifth of what a reload costs
        phone.page.reload()
        assert text in phone.page.content()

    phone.begin(sandbox.project, "npm please")
    seen("Always allow")
    phone.page.locator("summary", has_text="Always allow").click()
    press("Always allow npm test * in this project")
    seen("Always allowed:")
    seen("tokens in")  # the turn is over
    phone.page.get_by_role("textbox", name="Prompt").fill("outside now")
    press("Send")
    seen("Outside this project")
    phone.page.locator("summary", has_text="Deny with a reason").click()
    phone.page.get_by_label("Tell Claude why").fill("Not there.")
    press("Deny and tell Claude")
    seen("Denied: Not there.")
    seen(READY)
    open_options(phone)
    phone.page.get_by_label("Mode", exact=True).select_option("plan")
    press("Apply")
    expect(in_force(phone)).to_contain_text("plans first")


def test_cards_and_options_fit_and_can_be_hit_with_a_thumb(
    idle_phone: Phone,
) -> None:
    phone = idle_phone
    phone.send("outside now")
    card(phone).locator("summary", has_text="Deny with a reason").click()
    open_options(phone)
    sizes, schemes = ((320, 640), (390, 844), (1280, 800)), ("light", "dark")
    for (width, height), scheme in itertools.product(sizes, schemes):
        phone.page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        phone.page.set_viewport_size({"width": width, "height": height})
        small = phone.page.evaluate(
            """() => [...document.querySelectorAll(
                    ".block-ask :is(button, summary, textarea),"
                    + ".options :is(summary, select, label)")]
                .filter(e => !e.matches(".choice label"))
                .map(e => [e.textContent.trim().slice(0, 30), e.getBoundingClientRect()])
                .filter(([, box]) => box.height < 44 || box.right > innerWidth || box.left < 0)
                .map(([text, box]) => `${text}: ${box.width} x ${box.height}`)"""
        )
        assert small == [], width
        fonts = phone.page.locator(".block-ask textarea, .options select").evaluate_all(
            "all => all.map(e => parseFloat(getComputedStyle(e).fontSize))"
        )
        assert min(fonts) >= 16, width
        page = "document.scrollingElement"
        assert phone.page.evaluate(f"{page}.scrollWidth <= {page}.clientWidth"), width
