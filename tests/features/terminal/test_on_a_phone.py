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
from tests.support.terminals import kill_terminals, screen_of, text_of

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

    def equals_the_reference(self) -> None:
        """Wait until it shows what a reference terminal does that reads the same output."""

        def same() -> bool:
            reader = SegmentReader(self._output, starts_in(self._output)[-1])
            return self.screen == text_of(screen_of(reader))

        until(same, "both are the same", sleep=lambda: self.page.wait_for_timeout(100))

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
    phones = [open_phone(server, has_touch=True, color_scheme=each) for each in ("light", "dark")]
    one, two = (TerminalPage(phone, address, sandbox.state) for phone in phones)
    one.until("$")
    one.type("echo $((6*7))")
    assert one.until("42\n$") == two.until("42\n$")

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
    one.equals_the_reference()
    two.equals_the_reference()
    one.type(":wq")
    one.until("$")

    # a flood, with the server killed in the middle of it
    one.type("yes 'apple pie'")
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
    one.equals_the_reference()
    two.equals_the_reference()

    # another size, which both show; and Ctrl for the next key
    one.page.set_viewport_size({"width": 390, "height": 420})
    one.type("clear; stty size")  # at a new size, a terminal decides itself on what it wraps
    until(lambda: one.box.evaluate("it => it.opcodeTerminal.rows") < 25, "it is small")
    one.type("echo now; cat")  # the shell itself would take the key otherwise
    one.until("now")
    one.key("Ctrl")
    one.page.keyboard.insert_text("d")
    one.until("$")
    one.equals_the_reference()
    two.equals_the_reference()
    one.type("exit 3")
    for each in (one, two):
        each.page.locator("#terminal-state", has_text="ended with status 3").wait_for()


def test_large_pastes_and_wide_lines(server: Server, open_phone: Callable[..., Phone]) -> None:
    form = {"program": "shell", "folder": str(server.sandbox.project)}
    address = server.post("/terminal", form).headers["Location"]
    one = TerminalPage(open_phone(server), address, server.sandbox.state)
    one.until("$")
    for columns in ("256", "40"):
        one.page.get_by_role("button", name="Terminal menu").click()
        one.page.get_by_label("Width").select_option(columns)
        one.page.keyboard.press("Escape")
        width = "it => String(it.opcodeTerminal.cols)"
        until(lambda: one.box.evaluate(width) == columns, f"it is {columns} wide")  # noqa: B023
        one.type("stty size")
        until(lambda: f" {columns}\n$" in one.screen, f"it has {columns} columns")  # noqa: B023
        one.equals_the_reference()
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


def test_a_terminal_is_ready_to_type_in_where_that_opens_no_keyboard(
    server: Server, open_phone: Callable[..., Phone]
) -> None:
    form = {"program": "shell", "folder": str(server.sandbox.project)}
    address = server.post("/terminal", form).headers["Location"]
    one = TerminalPage(open_phone(server), address, server.sandbox.state)
    one.until("$")
    expect(one.page.locator(".xterm-helper-textarea")).to_be_focused()
    one.page.keyboard.type("echo $((6*7))")
    one.page.keyboard.press("Enter")
    one.until("42\n$")

    two = TerminalPage(
        open_phone(server, has_touch=True, is_mobile=True), address, server.sandbox.state
    )
    two.until("42\n$")
    expect(two.page.locator(".xterm-helper-textarea")).not_to_be_focused()
    two.box.tap()
    expect(two.page.locator(".xterm-helper-textarea")).to_be_focused()


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
        phones = [open_phone(shared_real_server) for _ in range(2)]
        one, two = (TerminalPage(phone, address, sandbox.state) for phone in phones)
        until(lambda: "auto mode" in one.screen, "Claude waits for a prompt")
        one.page.locator(".xterm-helper-textarea").focus()
        one.page.keyboard.type("Prune the trees")
        until(lambda: "Prune the trees" in one.screen, "it was typed")
        one.key("Enter")
        for each in (one, two):
            until(
                lambda: "The apple trees are pruned." in each.screen,  # noqa: B023
                "the answer is there",
                sleep=lambda: each.page.wait_for_timeout(100),  # noqa: B023
            )
        one.equals_the_reference()
        two.equals_the_reference()
        book = BudgetBook(sandbox.state)
        until(book.spending.open_shares, "the budgets have seen the session")  # every 3 s
        shared_real_server.post(f"{address}/end", {})
        # Claude has noted its cost as it ended
        until(book.spending.of_today, "it is counted in the budgets")
    finally:
        kill_terminals(sandbox.state / "terminals")
