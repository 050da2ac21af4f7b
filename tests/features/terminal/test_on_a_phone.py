"""The page of a terminal in Chromium: what xterm.js shows equals a reference terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from opcode_htmx.engines.claude.demo.messages_api import MessagesApi
from opcode_htmx.engines.claude.demo.script import Scene, Text
from opcode_htmx.lib.pty.segments import SegmentReader, newest_output, starts_in
from opcode_htmx.runs.budgets.book import BudgetBook
from tests.support.cli.terminal_session import skip_dialogs
from tests.support.environment import until
from tests.support.pages.browser import CUT_OFF, Phone
from tests.support.server import Server
from tests.support.terminals import ReferenceTerminal, kill_terminals, text_of

pytestmark = [pytest.mark.browser, pytest.mark.timeout(150)]

SCREEN = """box => {
    const { active } = box.opcodeTerminal.buffer;
    const lines = [];
    for (let row = 0; row < box.opcodeTerminal.rows; row++)
        lines.push(active.getLine(active.baseY + row).translateToString(true).trimEnd());
    return lines.join("\\n").replace(/\\n+$/, "");
}"""
"""The text of what xterm.js shows, at the bottom of its scrollback."""


@pytest.fixture
def server(shared_server: Server) -> Iterator[Server]:
    home = shared_server.sandbox.home
    (home / ".bash_profile").write_text("PS1='$ '\n")
    shared_server.ensure_started()
    yield shared_server
    kill_terminals(shared_server.sandbox.state / "terminals")


class TerminalPage:
    """A phone at a terminal."""

    def __init__(self, phone: Phone, address: str, state: Path) -> None:
        self.page: Page = phone.page
        self._output = state / "terminals" / address.rpartition("/")[2] / "out"
        self.page.goto(address)
        self.box: Locator = self.page.locator("#terminal")
        self.page.locator(".xterm-screen").wait_for()

    @property
    def screen(self) -> str:
        text: str = self.box.evaluate(SCREEN)
        return text

    def until(self, words: str) -> str:
        until(
            lambda: self.screen.endswith(words),
            f"the screen ends with {words!r}",
            sleep=lambda: self.page.wait_for_timeout(50),
        )
        return self.screen

    def type(self, text: str) -> None:
        self.page.locator(".xterm-helper-textarea").focus()
        self.page.keyboard.insert_text(text)
        self.page.keyboard.press("Enter")

    def key(self, name: str) -> None:
        self.page.get_by_role("button", name=name, exact=True).click()

    def reference(self) -> ReferenceTerminal:
        """One that sees the newest output and, each time it is looked at, what has come since."""
        return ReferenceTerminal(SegmentReader(self._output, starts_in(self._output)[-1]))

    def equals(self, reference: ReferenceTerminal) -> None:
        """Wait until it shows what the reference does, which reads the same output."""
        until(
            lambda: self.screen == text_of(reference.screen()),
            "both are the same",
            sleep=lambda: self.page.wait_for_timeout(100),
        )

    def has_written(self, words: bytes) -> None:
        until(
            lambda: words in b"".join(newest_output(self._output, 1)),
            f"the program has written {words!r}",
            sleep=lambda: self.page.wait_for_timeout(50),
        )


def test_two_phones_an_editor_a_flood_and_a_killed_server(
    server: Server, open_phone: Callable[..., Phone]
) -> None:
    sandbox = server.sandbox
    (sandbox.project / "trees").write_text(
        "".join(f"tree {number} äpfel\n" for number in range(99))
    )
    form = {"program": "shell", "folder": str(sandbox.project)}
    address = server.post("/terminal", form).headers["Location"]
    phones = [
        open_phone(server, has_touch=True),
        open_phone(server, has_touch=True, is_mobile=True, color_scheme="dark"),
    ]
    one, two = (TerminalPage(phone, address, sandbox.state) for phone in phones)
    one.until("$")
    one.type("echo $((6*7))")
    assert one.until("42\n$") == two.until("42\n$")
    is_typed_in_after_a_tap(two)

    # colours by name, by number and by value, without a complaint of the policy
    two.type(r"printf '\e[31mred \e[38;5;99mnumber \e[48;2;9;99;9mvalue\e[m over\n'")
    two.until("value over\n$")
    one.until("value over\n$")
    expect(one.page.locator(".xterm-fg-1", has_text="red")).to_have_count(1)
    background = one.page.locator("span", has_text="value").last
    expect(background).to_have_css("background-color", "rgb(9, 99, 9)")

    # an editor, and the keys of the bar
    one.type("vim -u NONE trees")
    one.has_written(b"tree 20")
    one.key("Down")
    one.page.keyboard.insert_text("dd")
    one.key("Escape")
    until(
        lambda: two.screen.startswith("tree 0 äpfel\ntree 2 äpfel"),
        "the editor has taken the keys",
        sleep=lambda: two.page.wait_for_timeout(50),
    )
    reference = one.reference()
    one.equals(reference)
    two.equals(reference)
    one.type(":wq")
    one.until("$")

    # a flood, with the server killed in the middle of it; a faster one would show no more. A shell
    # goes on with a loop of its own if Ctrl C meets a command that has just ended by itself.
    one.type("sh -c 'while :; do yes apple pie | head -n 2000; sleep 0.2; done'")
    two.has_written(b"apple pie\r\napple pie")
    for phone in phones:
        phone.forgiven += CUT_OFF
    server.kill()
    lost = [each.page.locator("#terminal-state", has_text="Connecting") for each in (one, two)]
    for sign in lost:  # what is typed before a page knows it would be for the server that is gone
        sign.wait_for()
    server.start()
    for sign in lost:
        sign.wait_for(state="hidden")
    one.key("Control C: interrupt")
    one.until("^C\n$")
    two.until("^C\n$")
    reference = one.reference()
    one.equals(reference)
    two.equals(reference)

    # another size, which both show; and Ctrl for the next key
    one.page.set_viewport_size({"width": 390, "height": 420})
    one.type("clear; stty size")  # at a new size, a terminal decides itself on what it wraps
    until(lambda: one.box.evaluate("it => it.opcodeTerminal.rows") < 25, "it is small")
    one.type("echo now; cat")  # the shell itself would take the key otherwise
    one.until("now")
    one.key("Ctrl")
    one.page.keyboard.insert_text("d")
    one.until("$")
    one.equals(reference)
    two.equals(reference)
    one.type("exit 3")
    for each in (one, two):
        each.page.locator("#terminal-state", has_text="ended with status 3").wait_for()


def is_typed_in_after_a_tap(phone: TerminalPage) -> None:
    """A phone's keyboard comes when it is asked for."""
    field = phone.page.locator(".xterm-helper-textarea")
    expect(field).not_to_be_focused()
    phone.box.tap()
    expect(field).to_be_focused()


def test_large_pastes_and_wide_lines(server: Server, kept_phone: Phone) -> None:
    form = {"program": "shell", "folder": str(server.sandbox.project)}
    address = server.post("/terminal", form).headers["Location"]
    one = TerminalPage(kept_phone, address, server.sandbox.state)
    one.until("$")
    expect(one.page.locator(".xterm-helper-textarea")).to_be_focused()  # it opens no keyboard
    for columns in ("256", "40"):
        one.page.get_by_role("button", name="Terminal menu").click()
        one.page.get_by_label("Width").select_option(columns)
        one.page.keyboard.press("Escape")
        width = "it => String(it.opcodeTerminal.cols)"
        until(lambda: one.box.evaluate(width) == columns, f"it is {columns} wide")  # noqa: B023
        one.type("stty size")
        until(lambda: f" {columns}\n$" in one.screen, f"it has {columns} columns")  # noqa: B023
        one.equals(one.reference())
    line = "apple pie, with sugar and cream\\n"
    one.type("stty raw -echo; head -c 1000000 > pasted; stty sane; echo got it")
    until((server.sandbox.project / "pasted").exists, "the program reads")
    one.box.evaluate(f'box => box.opcodeTerminal.input("{line}".repeat(31250))')
    one.until("got it\n$")
    pasted = (server.sandbox.project / "pasted").read_text()
    assert pasted == line.replace("\\n", "\n") * 31250
    one.page.get_by_role("button", name="Copy", exact=True).click()
    sheet = one.page.get_by_role("dialog", name="Copy")
    expect(sheet).to_contain_text("got it")


def test_terminal_says_that_its_login_has_ended(
    server: Server, open_phone: Callable[..., Phone]
) -> None:
    form = {"program": "shell", "folder": str(server.sandbox.project)}
    address = server.post("/terminal", form).headers["Location"]
    phone = open_phone(server)
    # what the page still fetches, with the login that has ended
    phone.forgiven += ["401", "its MIME type ('text/html') is not executable"]
    one = TerminalPage(phone, address, server.sandbox.state)
    one.until("$")
    token = one.page.locator("[name=csrf_token]").first.input_value()
    one.page.context.request.post("/logout", form={"csrf_token": token})
    expect(one.page.locator("#terminal-state")).to_have_text("You are logged out.")


@pytest.fixture(scope="module")
def shared_api() -> Iterator[MessagesApi]:
    """A model that says the same to everything."""
    with MessagesApi((Scene("anything", "", [Text("The apple trees are pruned.")]),)) as api:
        yield api


def test_the_interface_of_claude_itself(
    shared_real_server: Server, open_phone: Callable[..., Phone]
) -> None:
    sandbox = shared_real_server.sandbox
    skip_dialogs(sandbox)
    form = {"program": "claude", "folder": str(sandbox.project)}
    address = shared_real_server.post("/terminal", form).headers["Location"]
    try:
        one = TerminalPage(open_phone(shared_real_server), address, sandbox.state)
        until(lambda: "auto mode" in one.screen, "Claude waits for a prompt")
        one.page.locator(".xterm-helper-textarea").focus()
        one.page.keyboard.type("Prune the trees")
        until(lambda: "Prune the trees" in one.screen, "it was typed")
        one.key("Enter")
        until(
            lambda: "The apple trees are pruned." in one.screen,
            "the answer is there",
            sleep=lambda: one.page.wait_for_timeout(100),
        )
        one.equals(one.reference())
        book = BudgetBook(sandbox.state)
        until(book.spending.open_shares, "the budgets have seen the session")  # every 3 s
        shared_real_server.post(f"{address}/end", {})
        # Claude has noted its cost as it ended
        until(book.spending.of_today, "it is counted in the budgets")
    finally:
        kill_terminals(sandbox.state / "terminals")
