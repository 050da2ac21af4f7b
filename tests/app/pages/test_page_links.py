"""Features add links to the pages of sessions and projects, in an order of their own."""

from __future__ import annotations

import pytest
from flask import Flask, render_template_string

from opcode_htmx.app.navigation import page_links
from opcode_htmx.features.context import AppContext
from opcode_htmx.features.feature import Feature, PageLink

LINKS = "{% for link in session_links('p', 's') %}{{ link.label }}={{ link.address }} {% endfor %}"


def shown(context: AppContext, *links: PageLink) -> str:
    app = Flask(__name__)
    page_links.register(app, [Feature("later", session_links=links)], context)
    with app.app_context():
        return render_template_string(LINKS).strip()


@pytest.fixture
def context() -> AppContext:
    return None  # type: ignore[return-value]


def test_links_are_shown_in_their_order_with_the_ids_of_the_session(context: AppContext) -> None:
    last = PageLink("Last", 2, lambda _, project, session: f"/{project}/{session}")
    first = PageLink("First", 1, lambda *_: "/first")
    assert shown(context, last, first) == "First=/first Last=/p/s"


def test_a_link_without_an_address_is_left_out(context: AppContext) -> None:
    assert shown(context, PageLink("Hidden", 1, lambda *_: "")) == ""


def test_a_link_that_cannot_be_made_is_logged_and_left_out(
    context: AppContext, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> str:
        raise OSError("no such folder")

    assert (
        shown(context, PageLink("Broken", 1, broken), PageLink("B", 2, lambda *_: "/b")) == "B=/b"
    )
    assert "the link Broken could not be made" in caplog.text
