"""What was typed into a form without a script, and sent after the login had ended."""

from __future__ import annotations

import html
import re

import pytest
import requests

from tests.features.composer.prompting import (
    begin,
    draft_of,
    fields_of_page,
    form,
    run_folder,
    sent,
)
from tests.support.environment import PASSWORD, USER
from tests.support.server import Server


class Stranger:
    """A browser whose login has ended, and whose page of before is still open."""

    def __init__(self, server: Server, page: str) -> None:
        self.server, self.page, self.cookies = server, page, requests.Session()

    def post(self, path: str, fields: dict[str, str], **headers: str) -> requests.Response:
        url = self.server.url
        by_browser = {"Accept": "text/html", "Origin": url, "Referer": url + self.page, **headers}
        return self.cookies.post(
            url + path,
            files={name: (None, value) for name, value in fields.items()},
            headers={name: value for name, value in by_browser.items() if value},
            allow_redirects=False,
            timeout=30,
        )

    def log_in(self, refused: requests.Response, password: str = PASSWORD) -> requests.Response:
        """Send the form of a page with a password."""
        hidden = re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', refused.text)
        fields = {name: html.unescape(value) for name, value in hidden}
        return self.post("/login", fields | {"user": USER, "password": password})


def test_words_sent_after_the_end_of_the_login_are_in_the_composer_after_the_next_one(
    server: Server,
) -> None:
    path = begin(server, "hello")
    words = "Half a “thought”\nand <more>"
    fields = fields_of_page(server, path, prompt=words)
    server.post(f"{path}/draft", {"prompt": "From the desk", "by": "desk"})
    stranger = Stranger(server, path)
    refused = stranger.post(f"{path}/prompt", fields)
    assert refused.status_code == 401
    assert "so nothing was sent" in refused.text
    refused = stranger.log_in(refused, "wrong")
    assert refused.status_code == 401
    assert draft_of(server, path) == "From the desk"
    accepted = stranger.log_in(refused)
    assert (accepted.status_code, accepted.headers["Location"]) == (303, path)
    assert draft_of(server, path) == f"From the desk\n\n{words}"
    assert sent(run_folder(server, path)) == ["hello"]


def test_prompt_of_a_new_session_sent_after_the_end_of_the_login_is_a_draft_after_the_next_one(
    server: Server,
) -> None:
    stranger = Stranger(server, "/new?back=/")
    accepted = stranger.log_in(stranger.post("/sessions", form(server, "Dig the pond", project="")))
    assert accepted.headers["Location"] == "/new?back=/"
    assert "\nDig the pond</textarea>" in server.get("/new").text
    server.post("/new/draft", {"prompt": "", "by": "phone"})


def test_words_of_a_form_that_was_refused_before_are_on_the_page_for_a_new_session(
    server: Server,
) -> None:
    stranger = Stranger(server, "/sessions")  # the form was the answer to a POST
    accepted = stranger.log_in(stranger.post("/sessions", form(server, "Dig the pond", project="")))
    assert accepted.headers["Location"] == "/new"
    assert "\nDig the pond</textarea>" in server.get("/new").text
    server.post("/new/draft", {"prompt": "", "by": "phone"})


@pytest.mark.parametrize("project", ["..", "//evil", "gone-project"])
def test_a_login_leads_to_no_page_of_a_project_that_is_not_there(
    server: Server, project: str
) -> None:
    fields = {"session_id": "", "project": project, "prompt": "Dig the pond", "next": "/"}
    login = {**fields, "user": USER, "password": PASSWORD}
    accepted = Stranger(server, "/login").post("/login", login)
    assert (accepted.status_code, accepted.headers["Location"]) == (303, "/")


@pytest.mark.parametrize(
    ("changed", "headers"),
    [
        ({}, {"Referer": ""}),
        ({}, {"Referer": "http://elsewhere.example/"}),
        ({}, {"Origin": "http://elsewhere.example"}),
        ({"prompt": "x" * 6000}, {}),
        ({"prompt": "x" * 9000}, {}),
        ({"prompt": " "}, {}),
        ({"session_id": ""}, {}),
    ],
)
def test_the_login_form_carries_only_short_prompts_that_our_own_pages_sent(
    server: Server, changed: dict[str, str], headers: dict[str, str]
) -> None:
    fields = form(server, "Dig the pond", seen="") | changed
    if not fields["session_id"]:
        del fields["session_id"]
    refused = Stranger(server, "/new").post("/sessions", fields, **headers)
    assert refused.status_code in (401, 403)
    assert 'name="prompt"' not in refused.text
    assert fields["prompt"] not in refused.text or fields["prompt"] == " "


def test_nobody_without_a_login_changes_a_draft_at_a_public_address(server: Server) -> None:
    path = begin(server, "hello")
    fields = fields_of_page(server, path, prompt="Not by us", project="")
    for address in ("/login", "/pair"):
        assert requests.post(server.url + address, data=fields, timeout=30).status_code == 401
    assert draft_of(server, path) == ""
