"""A page in a real browser follows what is new, and neither jumps nor loses its state."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Route, expect

from tests.features.session_page.in_browser.look.lines import (
    PARAGRAPH,
    Gate,
    gave,
    said,
    texts,
    tool,
)
from tests.features.session_page.in_browser.look.reading import (
    OpenPhone,
    StartServer,
    answer,
    answers_are_there,
    covered,
    is_at_the_end,
    play,
    to_go,
)
from tests.support.environment import Sandbox, until
from tests.support.pages.browser import Phone

pytestmark = [pytest.mark.browser, pytest.mark.moving, pytest.mark.timeout(180)]


@pytest.fixture
def gate(tmp_path: Path) -> Gate:
    return Gate(tmp_path / "gate")


@pytest.fixture
def later_gate(tmp_path: Path) -> Gate:
    return Gate(tmp_path / "later gate")


def top_of(phone: Phone, number: int) -> float:
    box = answer(phone, number).bounding_box()
    assert box is not None
    return box["y"]


def test_output_before_the_scripts_load_reaches_the_page(
    phone: Phone, project: Path, gate: Gate
) -> None:
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
def test_view_at_the_end_follows_new_output_until_a_finger_moves_up_a_little(
    phone: Phone, project: Path, gate: Gate, later_gate: Gate
) -> None:
    more = (*texts(20, begin=20), later_gate.step, *texts(1, begin=40))
    play(phone, project, *texts(20), gate.step, *more)
    answers_are_there(phone, 20)
    is_at_the_end(phone.page)
    gate.open()
    answers_are_there(phone, 40)
    is_at_the_end(phone.page)
    expect(phone.page.locator("#jump")).to_be_hidden()

    before = top_of(phone, 39)
    phone.page.mouse.move(195, 300)
    phone.page.mouse.wheel(0, -40)
    until(lambda: to_go(phone.page) >= 40, "the wheel has turned")
    later_gate.open()
    answers_are_there(phone, 41)
    expect(phone.status).to_have_text("Ready for the next prompt")
    assert abs(top_of(phone, 39) - before - 40) < 1


def test_scrolled_up_view_does_not_move_and_a_button_leads_to_the_end(
    phone: Phone, project: Path, gate: Gate
) -> None:
    play(phone, project, *texts(18), gate.step, *texts(7, begin=18))
    answers_are_there(phone, 18)
    is_at_the_end(phone.page)  # else the page may still follow, and cut the turn of the wheel short
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


# The state of the reader
def test_an_opened_card_and_the_list_of_tasks_stay_open_and_focused_while_they_change(
    phone: Phone, project: Path, gate: Gate
) -> None:
    def listed(number: int, status: str) -> list[object]:
        task = {"content": "Dig", "activeForm": "Digging", "status": status}
        return said(f"l{number}", tool("TodoWrite", f"l{number}", todos=[task]))

    calls = said("m1", tool("Bash", "t1", command="sleep 9"))
    later = (gave("t1", "slept well"), listed(2, "completed"), gave("l2", "ok"))
    play(phone, project, listed(1, "in_progress"), gave("l1", "ok"), calls, gate.step, *later)
    tasks = phone.page.locator("#todos")
    card = phone.page.locator(".block-tool", has_text="sleep 9")
    expect(card).to_have_attribute("data-state", "running")
    tasks.locator("summary").click()
    expect(tasks.locator("li.todo-now")).to_contain_text("Dig")
    card.locator("summary").focus()
    phone.page.keyboard.press("Enter")
    expect(card.locator(".tool-input")).to_be_visible()
    gate.open()
    expect(card).to_have_attribute("data-state", "done")
    expect(card.get_by_text("slept well")).to_be_visible()
    expect(card.locator("summary")).to_be_focused()
    expect(tasks.locator("summary")).to_contain_text("1 of 1 done")
    expect(tasks.locator("li.todo-done")).to_be_visible()


def test_draft_focus_and_selection_survive_updates(
    phone: Phone, project: Path, gate: Gate, later_gate: Gate
) -> None:
    more = (*texts(20, begin=3), later_gate.step, *texts(3, begin=23))
    play(phone, project, *texts(3), gate.step, *more)
    answers_are_there(phone, 3)
    field = phone.page.get_by_role("textbox", name="Prompt")
    field.focus()
    phone.page.keyboard.type("half a thou")
    gate.open()
    answers_are_there(phone, 23)
    phone.page.keyboard.type("ght")
    expect(field).to_have_value("half a thought")
    expect(field).to_be_focused()

    answer(phone, 0).select_text()
    selected = phone.page.evaluate("getSelection().toString()")
    assert selected.startswith("Number 0.")
    later_gate.open()
    answers_are_there(phone, 26)
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
