"""Error responses, and the headers and the compression of every response."""

import gzip
import logging
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import brotli
import pytest
from flask import Flask, Response, abort, redirect
from flask.testing import FlaskClient

from opcode_htmx.web.http import (
    compress,
    errors,
    filters,
    headers,
)
from opcode_htmx.web.http.forms import BadForm
from tests.support.apps.gate import access
from tests.support.environment import ROOT

HTMX = {"HX-Request": "true"}
LONG = "long text " * 500


class Missing(Exception):
    """A domain error of these tests."""


@pytest.fixture
def client(tmp_path: Path) -> FlaskClient:
    static = tmp_path / "static"
    static.mkdir()
    (static / "style.css").write_text("/* css */" * 500)
    (static / "icon.svg").write_text("<svg/>")
    app = Flask(__name__, template_folder=str(ROOT / "templates"), static_folder=str(static))
    access(tmp_path / "state", "opcode", "right")[0].init_app(app)
    headers.register(app)
    compress.register(app)
    filters.register(app)
    errors.register(app, {Missing: 404})
    add_routes(app)
    client = app.test_client()
    client.post("/login", data={"user": "opcode", "password": "right"})
    return client


def add_routes(app: Flask) -> None:
    @app.get("/missing")
    @app.get("/api/missing")
    def missing() -> str:
        raise Missing("There is no <such> thing.")

    @app.get("/crash")
    @app.get("/api/crash")
    def crash() -> str:
        raise RuntimeError("the secret reason")

    app.add_url_rule("/teapot", view_func=lambda: abort(418), endpoint="teapot")
    app.add_url_rule("/busy", view_func=lambda: abort(503, "Four are running."), endpoint="busy")
    app.add_url_rule("/away", view_func=lambda: abort(redirect("/")), endpoint="away")
    app.add_url_rule("/long", view_func=lambda: LONG, endpoint="long")
    app.add_url_rule("/short", view_func=lambda: "short", endpoint="short")
    app.add_url_rule("/stream", view_func=lambda: Response(iter([LONG]), mimetype="text/plain"))


# Errors


def test_a_refused_form_leads_to_the_field_that_it_is_about(client: FlaskClient) -> None:
    def answer(**headers: str) -> str:
        error = BadForm("Choose an answer to question 2.", "question 2", "asked-2")
        with client.application.test_request_context("/form", method="POST", headers=headers):
            return errors.respond(str(error), 422, link=errors.link_of(error)).get_data(
                as_text=True
            )

    assert 'to <a href="#asked-2">question 2</a>.</p>' in answer(**HTMX)
    page = answer(Referer="http://localhost/page?a=b")
    assert "<p>Choose an answer to question 2.</p>" in page
    assert 'href="/page#asked-2">Back to the page</a>' in page
    assert "asked-2" not in answer(), "this page has no such element"


def test_a_domain_error_is_a_page_a_fragment_or_json(client: FlaskClient) -> None:
    page, fragment = client.get("/missing"), client.get("/missing", headers=HTMX)
    assert [page.status_code, fragment.status_code] == [404, 404]
    assert "There is no &lt;such&gt; thing." in page.text
    assert "<title>Not found" in page.text
    assert fragment.text == (
        '<div id="flash" role="alert" hx-swap-oob="true">'
        '<p class="error-note">There is no &lt;such&gt; thing.</p></div>'
    )
    api = client.get("/api/missing")
    assert (api.status_code, api.json) == (
        404,
        {"success": False, "data": None, "error": "There is no <such> thing."},
    )


def test_http_errors_speak_one_plain_sentence(client: FlaskClient) -> None:
    assert "There is nothing at this address." in client.get("/none").text
    assert "Four are running." in client.get("/busy").text
    assert "refused this request (status 418)" in client.get("/teapot").text


def test_a_refused_form_shows_the_words_that_were_typed_into_it(client: FlaskClient) -> None:
    def shown(form: Mapping[str, str], method: str = "POST", code: int = 409) -> str | None:
        with client.application.test_request_context("/form", method=method, data=form):
            page = errors.respond("It was sent.", code).get_data(as_text=True)
        found = re.search(r"<textarea[^>]*readonly>\n(.*?)</textarea>", page, re.DOTALL)
        return found and found[1]

    form = {"reason-7": "because\r\nof it", "q-7-0-text": " ", "secret": "none"}
    words = shown({"prompt": "\n<b>mine</b>", **form})
    assert words == "\n&lt;b&gt;mine&lt;/b&gt;\n\nbecause\nof it"
    assert shown({"prompt": " "}) is None
    page = {"Referer": "http://localhost/page?a=b"}
    with client.application.test_request_context(
        "/form", method="POST", data={"prompt": "mine"}, headers=page
    ):
        answer = errors.respond("It was sent.", 409).get_data(as_text=True)
    assert 'href="/page#prompt">Back to the page</a>' in answer
    assert shown({"prompt": "mine"}, "GET") is None
    assert shown({"prompt": "mine"}, code=403) is None, "its sender is not known"


def test_raised_redirect_is_returned(client: FlaskClient) -> None:
    response = client.get("/away")
    assert (response.status_code, response.headers["Location"]) == (302, "/")


def test_the_headers_of_an_http_error_are_kept(client: FlaskClient) -> None:
    response = client.open("/login", method="PUT", headers={"Origin": "http://localhost"})
    assert response.status_code == 405
    assert "POST" in response.headers["Allow"]


@pytest.mark.parametrize("path", ["/crash", "/api/crash"])
def test_an_unexpected_error_is_logged_under_the_reference_that_is_shown(
    client: FlaskClient, caplog: pytest.LogCaptureFixture, path: str
) -> None:
    with caplog.at_level(logging.ERROR):
        response = client.get(path)
    assert response.status_code == 500
    assert "secret reason" not in response.text
    reference = re.search(r"under ([0-9a-f]{12})\.", response.text)
    assert reference
    assert reference[1] in caplog.text
    assert "RuntimeError: the secret reason" in caplog.text


# Headers


def test_pages_carry_the_security_headers(client: FlaskClient) -> None:
    for path in ("/short", "/none", "/crash"):
        sent = client.get(path, headers={"Host": "127.0.0.1:8080"}).headers
        policy = sent["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
        assert "connect-src 'self' ws://127.0.0.1:8080 wss://127.0.0.1:8080;" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert sent["X-Content-Type-Options"] == "nosniff"
        assert sent["Referrer-Policy"] == "same-origin"
        assert sent["Cache-Control"] == "private, no-store"


def test_refused_host_is_not_in_the_content_security_policy(client: FlaskClient) -> None:
    sent = client.get("/short", headers={"Host": "a; script-src *"})
    assert sent.status_code == 421
    assert "connect-src 'self';" in sent.headers["Content-Security-Policy"]


def asset_address(client: FlaskClient) -> str:
    found = re.search(r'href="(/static/style\.css\?v=[0-9a-f]{12})"', client.get("/none").text)
    assert found
    return found[1]


def test_a_static_file_is_cached_long_under_its_own_hash_only(client: FlaskClient) -> None:
    address = asset_address(client)
    long = "private, max-age=31536000, immutable"
    for path, wanted in (
        (address, long),
        ("/static/style.css", "private, no-cache"),
        ("/static/style.css?v=000000000000", "private, no-cache"),
    ):
        with client.get(path) as response:
            assert response.headers["Cache-Control"] == wanted


def test_the_address_of_a_static_file_changes_with_its_content(
    client: FlaskClient, tmp_path: Path
) -> None:
    before = asset_address(client)
    (tmp_path / "static" / "style.css").write_text("new")
    assert asset_address(client) != before


def test_a_static_file_that_is_gone_does_not_break_the_page(
    client: FlaskClient, tmp_path: Path
) -> None:
    (tmp_path / "static" / "style.css").unlink()
    assert client.get("/none").status_code == 404


# Compression


UNPACK = {"br": brotli.decompress, "gzip": gzip.decompress}


@pytest.mark.parametrize(
    ("accepted", "encoding"),
    [
        ("gzip", "gzip"),
        ("gzip, deflate, br, zstd", "br"),
        ("br", "br"),
        ("br;q=0.5, gzip", "gzip"),
        ("br;q=0, gzip;q=0.1", "gzip"),
    ],
)
def test_long_text_is_compressed_as_the_client_likes_it(
    client: FlaskClient, accepted: str, encoding: str
) -> None:
    packed = client.get("/long", headers={"Accept-Encoding": accepted})
    assert packed.headers["Content-Encoding"] == encoding
    assert UNPACK[encoding](packed.data).decode() == LONG
    assert int(packed.headers["Content-Length"]) == len(packed.data) < len(LONG) / 10
    assert packed.headers["Vary"] == "Accept-Encoding"


def test_long_text_is_plain_for_other_clients(client: FlaskClient) -> None:
    for accepted in ({}, {"Accept-Encoding": "zstd"}, {"Accept-Encoding": "gzip;q=0, br;q=0"}):
        plain = client.get("/long", headers=accepted)
        assert "Content-Encoding" not in plain.headers
        assert plain.text == LONG
        assert plain.headers["Vary"] == "Accept-Encoding"


@pytest.fixture
def no_brotli(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As on a platform that has no wheel of it."""
    compress._library.cache_clear()
    monkeypatch.setitem(sys.modules, "brotli", None)
    yield
    compress._library.cache_clear()


@pytest.mark.usefixtures("no_brotli")
def test_without_brotli_text_is_compressed_with_gzip_and_the_log_says_so_once(
    client: FlaskClient, caplog: pytest.LogCaptureFixture
) -> None:
    for path in ("/long", "/static/style.css"):
        with client.get(path, headers={"Accept-Encoding": "gzip, deflate, br"}) as packed:
            assert (packed.status_code, packed.headers["Content-Encoding"]) == (200, "gzip")
            assert int(packed.headers["Content-Length"]) == len(packed.data)
            assert len(gzip.decompress(packed.data)) > compress.MINIMUM
    plain = client.get("/long", headers={"Accept-Encoding": "br"})
    assert (plain.status_code, plain.text) == (200, LONG)
    assert "Content-Encoding" not in plain.headers
    assert caplog.text.count("brotli cannot be imported") == 1


@pytest.mark.parametrize("path", ["/short", "/stream"])
def test_short_text_and_streams_stay_as_they_are(client: FlaskClient, path: str) -> None:
    response = client.get(path, headers={"Accept-Encoding": "gzip"})
    assert response.status_code == 200
    assert "Content-Encoding" not in response.headers


@pytest.mark.parametrize("encoding", UNPACK)
def test_static_files_are_compressed_and_still_revalidate(
    client: FlaskClient, tmp_path: Path, encoding: str
) -> None:
    accept = {"Accept-Encoding": encoding}
    with client.get("/static/style.css", headers=accept) as packed:
        body = packed.data
    content = (tmp_path / "static" / "style.css").read_bytes()
    assert UNPACK[encoding](body) == content
    tag = packed.headers["ETag"]
    assert tag.startswith('W/"')
    with client.get("/static/style.css", headers={**accept, "If-None-Match": tag}) as again:
        assert (again.status_code, again.data) == (304, b"")
    ranged = {**accept, "Range": "bytes=0-1999"}
    with client.get("/static/style.css", headers=ranged) as part:
        assert (part.status_code, part.data) == (206, content[:2000])
