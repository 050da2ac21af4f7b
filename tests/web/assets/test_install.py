"""The app on a home screen: the manifest, its icons, and the way in without a Basic dialog."""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urljoin

import pytest
import requests

from tests.support.pages.browser import Phone
from tests.support.server import Server

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture
def manifest(server: Server) -> dict[str, Any]:
    """As a phone asks for it: without a cookie."""
    answer = requests.get(f"{server.url}/static/manifest.webmanifest", timeout=20)
    assert answer.headers["Content-Type"].startswith("application/manifest+json")
    found: dict[str, Any] = json.loads(answer.text)
    return found


def pictures(server: Server, names: list[str]) -> Iterator[tuple[str, bytes]]:
    for name in names:
        answer = requests.get(f"{server.url}/static/{name}", timeout=20)
        assert answer.status_code == 200, name
        yield name, answer.content


def test_manifest_icons_exist_in_their_declared_sizes(
    server: Server, manifest: dict[str, Any]
) -> None:
    sizes = {icon["src"]: icon["sizes"] for icon in manifest["icons"]}
    for name, content in pictures(server, list(sizes)):
        if name.endswith(".png"):
            assert content.startswith(PNG), name
            width, height = struct.unpack(">II", content[16:24])
            assert f"{width}x{height}" == sizes[name]
        else:
            assert content.startswith(b"<svg")
    assert {"192x192", "512x512"} <= set(sizes.values())
    assert any(icon.get("purpose") == "maskable" for icon in manifest["icons"])


def test_the_addresses_of_the_manifest_lead_to_pages(
    server: Server, manifest: dict[str, Any]
) -> None:
    for relative in (manifest["start_url"], *(each["url"] for each in manifest["shortcuts"])):
        address = urljoin("/static/", relative)
        assert server.get(address).status_code == 200, address


@pytest.mark.browser
def test_a_browser_offers_to_install_it(server: Server, open_phone: Callable[..., Phone]) -> None:
    phone = open_phone(server)
    phone.page.goto("/")
    devtools = phone.page.context.new_cdp_session(phone.page)
    assert devtools.send("Page.getAppManifest")["errors"] == []
    reasons = devtools.send("Page.getInstallabilityErrors")["installabilityErrors"]
    # A private window installs nothing; that is the test's, not the page's
    assert [each for each in reasons if each["errorId"] != "in-incognito"] == []


def test_app_on_the_home_screen_shows_the_login_form(
    server: Server, manifest: dict[str, Any]
) -> None:
    # Such an app's replacement for the dialog
    refused = requests.get(urljoin(f"{server.url}/static/", manifest["start_url"]), timeout=20)
    assert refused.status_code == 401
    way = re.search(r'href="(/login[^"]*)"', refused.text)
    assert way
    form = requests.get(f"{server.url}{way[1]}", timeout=20)
    assert re.search(r'<input [^>]*type="password"', form.text)
