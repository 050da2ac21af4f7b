"""What another app shares becomes the draft of a new session; what a page posts does not."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from urllib.parse import urljoin

import pytest
from flask import Flask
from flask.testing import FlaskClient
from urllib3 import encode_multipart_formdata
from werkzeug.test import TestResponse

from opcode_htmx.features.context import AppContext
from opcode_htmx.features.sharing import service
from opcode_htmx.features.sharing.service import Shared
from opcode_htmx.sessions.storage import uploads
from opcode_htmx.sessions.storage.drafts import Draft, draft_name
from opcode_htmx.web.auth.gate import PUBLIC_BODY
from tests.support.apps.in_process import app_of
from tests.support.environment import PASSWORD, ROOT, USER, Sandbox, write_stand_in

ANDROID = {
    "User-Agent": "Mozilla/5.0 (Linux; Android 15) Chrome/140.0 Mobile Safari/537.36",
    "Origin": "null",
    "Sec-Fetch-Site": "none",
    "Sec-Fetch-Mode": "navigate",
    "Sec-Fetch-Dest": "document",
}
"""As Chrome posts a share: a navigation that it begins itself."""
PNG = (ROOT / "static" / "icon-192.png").read_bytes()


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    folder = tmp_path_factory.mktemp("sharing")
    sandbox = Sandbox(folder / "home").make()
    with app_of(sandbox, write_stand_in(folder / "claude")) as app:
        yield app


@pytest.fixture
def context(app: Flask) -> AppContext:
    found: AppContext = app.extensions["opcode_context"]
    return found


@pytest.fixture
def stranger(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def person(app: Flask) -> FlaskClient:
    """A browser that is logged in by cookie."""
    client = app.test_client()
    log_in(client)
    return client


def log_in(client: FlaskClient) -> TestResponse:
    form = {"user": USER, "password": PASSWORD, "next": "/share"}
    return client.post("/login", data=form)


@pytest.fixture(autouse=True)
def draft(context: AppContext) -> Iterator[Path]:
    """The draft of a new session, empty before each test; nothing has been started after it."""
    context.sessions.drafts.restore(draft_name(""), Draft())
    yield context.state.folder("drafts") / draft_name("")
    assert context.runs.live() == []


def share(
    client: FlaskClient, files: dict[str, bytes] | None = None, **fields: str
) -> TestResponse:
    attached = [("files", each) for each in (files or {}).items()]
    body, content_type = encode_multipart_formdata([*fields.items(), *attached])
    return client.post("/share", data=body, headers=ANDROID, content_type=content_type)


def kept(context: AppContext) -> Draft:
    return context.sessions.drafts.get(draft_name(""))


def test_a_shared_text_an_address_and_files_are_in_the_composer_of_a_new_session(
    person: FlaskClient, context: AppContext
) -> None:
    fields = {"title": "A pear", "text": "Look at\r\nthis", "url": "https://pears.example/1"}
    answer = share(person, {"pear.png": PNG, "list.txt": b"pears"}, **fields)
    assert (answer.status_code, answer.location) == (303, "/new")
    page = person.get("/new").text
    assert "A pear\nLook at\nthis\nhttps://pears.example/1</textarea>" in page
    assert ["pear.png" in page, "list.txt" in page] == [True, True]
    assert [file.media_type for file in kept(context).files] == ["image/png", ""]


def test_what_was_written_before_stays_above_and_the_same_share_is_taken_once(
    person: FlaskClient, context: AppContext
) -> None:
    context.sessions.drafts.save_text(draft_name(""), "Half a thought", folder="/work")
    for _ in range(2):
        share(person, text="https://pears.example/1")
    assert kept(context).text == "Half a thought\n\nhttps://pears.example/1"
    assert kept(context).folder == "/work"


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"title": "Pears", "text": "Pears https://a.b/"}, "Pears https://a.b/"),
        ({"title": "Pears", "text": "https://a.b/", "url": "https://a.b/"}, "Pears\nhttps://a.b/"),
        ({"title": " ", "url": "https://a.b/ "}, "https://a.b/"),
        ({}, ""),
    ],
)
def test_the_same_words_are_there_once(fields: dict[str, str], text: str) -> None:
    assert service.text_of(fields) == text


def test_a_refused_file_has_a_sentence_and_the_rest_is_kept(
    person: FlaskClient, context: AppContext
) -> None:
    large = PNG + b"x" * uploads.MAX_IMAGE
    answer = share(person, {"large.png": large, "none.txt": b"", "list.txt": b"pears"}, text="See")
    assert answer.status_code == 422
    assert "“large.png” is too large. An image may have 10 MB. “none.txt” is empty." in answer.text
    assert (kept(context).text, [file.name for file in kept(context).files]) == (
        "See",
        ["list.txt"],
    )


def test_more_than_a_form_may_have_is_refused_with_a_sentence(
    person: FlaskClient, context: AppContext, monkeypatch: pytest.MonkeyPatch, app: Flask
) -> None:
    monkeypatch.setattr(app.view_functions["sharing.receive"], "max_body", 100_000)
    answer = share(person, {"pears.bin": b"x" * 100_000}, text="See")
    assert (answer.status_code, "64 MB can be shared at once" in answer.text) == (413, True)
    assert kept(context) == Draft()


# --- posts of pages ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changed",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none, cross-site"},
        {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"},
        {"Origin": "https://evil.example"},
        {"Origin": "http://localhost:9999"},
        {"Referer": "https://evil.example/"},
        {"Sec-Fetch-Dest": "iframe"},
        {"Sec-Fetch-Dest": "empty", "Sec-Fetch-Mode": "no-cors"},
        {"Sec-Fetch-Mode": "cors"},
        {"Sec-Fetch-Site": ""},
        {"Sec-Fetch-Site": "", "Sec-Fetch-Mode": "", "Sec-Fetch-Dest": ""},
        {"Sec-Fetch-Site": "same-origin", "Origin": "http://localhost"},
    ],
    ids=lambda changed: " ".join(f"{name[-6:]}={value}" for name, value in changed.items()),
)
def test_no_page_can_fill_the_draft(
    person: FlaskClient, context: AppContext, changed: dict[str, str]
) -> None:
    """Also where the browser has sent the cookie along, and from a page of ours without token."""
    headers = {name: value for name, value in {**ANDROID, **changed}.items() if value}
    answer = person.post("/share", data={"text": "Delete all"}, headers=headers)
    assert answer.status_code == 403
    assert kept(context) == Draft()


def test_the_headers_of_a_share_open_no_other_address(person: FlaskClient) -> None:
    """And another host is refused: after DNS rebinding every request would look like ours."""
    for path in ("/sessions", "/new/draft", "/new/attachments", "/logout", "/api/executions"):
        assert person.post(path, data={"prompt": "x"}, headers=ANDROID).status_code == 403, path
    answer = person.post("/share", headers=ANDROID, base_url="http://evil.example")
    assert answer.status_code == 421


# --- without a login --------------------------------------------------------------------------


def test_a_text_waits_for_the_login_and_then_for_a_tap(
    stranger: FlaskClient, context: AppContext
) -> None:
    answer = share(stranger, text="Käse & <b>Birnen</b>")
    assert (answer.status_code, answer.location) == (303, "/login?next=/share")
    assert "HttpOnly; Path=/share; SameSite=Strict" in answer.headers["Set-Cookie"]
    assert log_in(stranger).location == "/share"
    page = stranger.get("/share").text
    waiting = re.search(r'name="text"[^>]*>\n([^<]*)</textarea>', page)
    token = re.search(r'name="csrf_token" value="([^"]+)"', page)
    assert waiting
    assert token
    assert unescape(waiting[1]) == "Käse & <b>Birnen</b>"
    assert kept(context) == Draft()
    form = {"csrf_token": token[1], "text": unescape(waiting[1])}
    assert stranger.post("/share", data=form).location == "/new"
    assert kept(context).text == "Käse & <b>Birnen</b>"
    assert "Nothing waits here" in stranger.get("/share").text


def test_of_files_only_a_sentence_waits(stranger: FlaskClient) -> None:
    share(stranger, {"list.txt": b"pears"}, text="See")
    log_in(stranger)
    page = stranger.get("/share").text
    assert "Files cannot be kept while you are not logged in. Share them again." in page
    assert "See</textarea>" in page


@pytest.mark.parametrize("size", [service.LONGEST_IN_COOKIE + 1, PUBLIC_BODY + 1])
def test_what_is_too_long_to_wait_is_refused_with_a_sentence(
    stranger: FlaskClient, size: int
) -> None:
    answer = share(stranger, text="x" * size)
    assert answer.status_code == 401
    assert "to be kept while you are not logged in. Log in, then share it again." in answer.text
    assert "Set-Cookie" not in answer.headers
    assert 'href="/login' in answer.text


def test_a_page_cannot_make_a_text_wait(stranger: FlaskClient) -> None:
    headers = {**ANDROID, "Sec-Fetch-Site": "cross-site"}
    answer = stranger.post("/share", data={"text": "Delete all"}, headers=headers)
    assert answer.status_code == 403
    assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize("value", ["", "x", "t!", "t====", "tgIA", "f" * 9000, "tYQ"])
def test_a_cookie_that_somebody_has_made_up_is_a_text_or_nothing(value: str) -> None:
    expected = "a" if value == "tYQ" else ""
    assert service.from_cookie(value) == Shared(expected)


# --- the manifest -----------------------------------------------------------------------------


def test_the_manifest_names_the_address_and_its_fields(app: Flask) -> None:
    manifest = json.loads((ROOT / "static" / "manifest.webmanifest").read_bytes())
    target = manifest["share_target"]
    assert (target["method"], target["enctype"]) == ("POST", "multipart/form-data")
    assert [target["params"][name] for name in service.FIELDS] == list(service.FIELDS)
    assert [each["name"] for each in target["params"]["files"]] == ["files"]
    action = urljoin("/static/", target["action"])
    endpoint, _ = app.url_map.bind("").match(action, method="POST")
    assert endpoint == "sharing.receive"
