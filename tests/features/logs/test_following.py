"""A page that follows the log shows a new line by itself, and leaves an open one alone."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.support.pages.browser import Phone
from tests.support.server import Server

pytestmark = pytest.mark.usefixtures("integration")


def test_a_new_line_appears_by_itself_unless_one_is_being_read(
    shared_server: Server, open_phone: Callable[..., Phone]
) -> None:
    page = open_phone(shared_server).page
    page.goto(f"{shared_server.url}/logs?follow=1")
    first = shared_server.get("/nowhere-1").headers["X-Request-Id"]
    entry = page.locator(".log-list > li", has=page.locator(f"a[href*='{first}']"))
    entry.wait_for(state="attached")
    page.locator("[data-held]").wait_for(state="detached")  # what has moved takes no press
    entry.locator("summary").click()
    entry.locator("a", has_text=first).wait_for()
    second = shared_server.get("/nowhere-2").headers["X-Request-Id"]
    for _ in range(2):  # when it asks again, it has dealt with the answer before
        with page.expect_response(lambda answer: "/logs" in answer.url):
            pass
    assert entry.locator("details[open]").count() == 1
    assert page.locator(f"a[href*='{second}']").count() == 0
    entry.locator("summary").click()
    page.locator(f"a[href*='{second}']").first.wait_for(state="attached")
    entry.locator("a", has_text=first).evaluate("link => link.click()")
    page.wait_for_url(f"**/logs?*request={first}*")
    assert page.locator(".log-list > li").count() == 1
