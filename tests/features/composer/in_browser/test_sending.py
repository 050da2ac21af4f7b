"""Sending a prompt exactly once, and the behaviour of its field."""

from __future__ import annotations

import pytest
from playwright.sync_api import Route, expect

from tests.features.composer.in_browser.page import (
    answered,
    begin,
    box,
    offered,
    prompts,
)
from tests.support.environment import Sandbox
from tests.support.pages.browser import Phone

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]


def test_a_double_tap_sends_once(composing: Phone) -> None:
    phone, before = composing, len(prompts(composing))
    box(phone).fill("only once")
    phone.button("Send").dblclick()
    answered(phone, "only once")
    expect(box(phone)).to_have_value("")
    phone.send("afterwards")
    answered(phone, "afterwards")
    assert prompts(phone)[before:] == ["only once", "afterwards"]


def test_taps_while_a_prompt_is_on_its_way_are_no_empty_prompts(composing: Phone) -> None:
    phone = composing
    held = list[Route]()
    phone.page.route("**/prompt", lambda route: held.append(route))
    box(phone).fill("it takes long")
    place = phone.button("Send").bounding_box()
    assert place is not None
    middle = place["x"] + place["width"] / 2, place["y"] + place["height"] / 2
    phone.page.mouse.click(*middle)
    phone.page.mouse.click(*middle)
    expect(phone.page.locator("#sending .block-prompt")).to_contain_text("Sending…")
    phone.page.locator("#composer[data-just-sent=slow]").wait_for()
    phone.page.mouse.click(*middle)  # the moment is over in which it is one tap
    phone.button("Send").press("Enter")
    phone.page.evaluate("() => new Promise(done => requestAnimationFrame(() => setTimeout(done)))")
    assert len(held) == 1
    held[0].continue_()
    answered(phone, "it takes long")
    expect(phone.page.locator("#flash")).to_be_empty()
    assert len(held) == 1, "none has waited for the first"
    expect(phone.page.locator("#composer[data-just-sent]")).to_have_count(0)
    phone.button("Send").click()
    expect(phone.page.locator("#flash")).to_have_text("Write a prompt first.")
    assert len(held) == 1, "the page says so by itself"
    box(phone).press_sequentially("n")
    expect(phone.page.locator("#flash")).to_be_empty()
    phone.page.unroute("**/prompt")
    phone.send("now there is one")
    answered(phone, "now there is one")
    expect(phone.page.locator("#flash")).to_be_empty()


def grows_to_a_third_of_the_screen(phone: Phone) -> None:
    one_line = box(phone).bounding_box()
    box(phone).fill("line\n" * 60)
    many = box(phone).bounding_box()
    assert one_line is not None
    assert many is not None
    assert one_line["height"] < 60
    assert 0.3 < many["height"] / 844 <= 0.34
    assert box(phone).evaluate("each => getComputedStyle(each).fontSize") == "16px"


def test_enter_is_a_new_line_for_which_the_field_grows_and_ctrl_enter_sends(
    composing: Phone,
) -> None:
    phone = composing
    grows_to_a_third_of_the_screen(phone)
    box(phone).fill("quince")
    box(phone).press("Enter")
    box(phone).press_sequentially("medlar")
    expect(box(phone)).to_have_value("quince\nmedlar")
    expect(phone.page.locator(".block-prompt", has_text="quince")).to_have_count(0)
    box(phone).press("Control+Enter")
    answered(phone, "quince medlar")


def test_keys_of_an_input_method_neither_send_nor_choose(phone: Phone, sandbox: Sandbox) -> None:
    (sandbox.project / "nihongo.txt").write_text("x")
    begin(phone, sandbox)
    box(phone).press_sequentially("@ni")
    expect(offered(phone)).to_have_count(1)
    for modifier in ("ctrlKey", "shiftKey"):
        prevented = phone.page.evaluate(
            """modifier => !document.getElementById("prompt").dispatchEvent(
                new KeyboardEvent("keydown", { key: "Enter", isComposing: true, bubbles: true,
                                               cancelable: true, [modifier]: true }))""",
            modifier,
        )
        assert prevented is False
    expect(box(phone)).to_have_value("@ni")
    expect(phone.page.locator(".block-prompt")).to_have_count(1)
