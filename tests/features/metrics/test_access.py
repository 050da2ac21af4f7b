"""Who may read the metrics: by the token, or without one a program on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from werkzeug.datastructures import Headers

from opcode_htmx.config.child_environment import child_environment
from opcode_htmx.config.declarations import SettingsError
from opcode_htmx.features.metrics.access import MetricsSettings, refusal
from tests.support.apps.in_process import app_of
from tests.support.environment import Sandbox, basic_header, write_stand_in

TOKEN = "kO3-only_for.the~tests+0/1=="
BEARER = {"Authorization": f"Bearer {TOKEN}"}


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1"])
def test_a_program_on_this_machine_needs_no_token(peer: str) -> None:
    assert refusal("", peer, Headers()) is None


@pytest.mark.parametrize("peer", ["192.168.1.5", "8.8.8.8", "::2", "", "localhost", "127.0.0.1.x"])
def test_other_machines_and_socket_files_are_refused(peer: str) -> None:
    refused = refusal("", peer, Headers())
    assert refused
    assert refused[0] == 404
    assert "OPCODE_METRICS_TOKEN" in refused[1]


@pytest.mark.parametrize(
    "name",
    [
        *("X-Forwarded-For", "x-forwarded-host", "X-Forwarded-Proto", "Forwarded", "Via"),
        *("X-Real-IP", "CF-Connecting-IP", "Tailscale-User-Login", "True-Client-IP"),
    ],
)
def test_what_a_proxy_asks_for_is_not_local(name: str) -> None:
    assert refusal("", "127.0.0.1", Headers({name: "127.0.0.1"}))
    assert refusal(TOKEN, "127.0.0.1", Headers({name: "127.0.0.1", **BEARER})) is None


@pytest.mark.parametrize(
    "given",
    [
        *("", "Bearer", "Bearer ", f"Basic {TOKEN}", TOKEN, f"Bearer {TOKEN[:-1]}"),
        *(f"Bearer {TOKEN}x", "Bearer \udcff", f"Bearer {TOKEN} {TOKEN}"),
    ],
)
def test_with_a_token_everybody_needs_it(given: str) -> None:
    for peer in ("127.0.0.1", "10.0.0.1"):
        refused = refusal(TOKEN, peer, Headers({"Authorization": given} if given else {}))
        assert refused
        assert refused[0] == 401
        assert TOKEN not in refused[1]


def test_the_token_is_enough_from_everywhere() -> None:
    assert refusal(TOKEN, "10.0.0.1", Headers(BEARER)) is None
    assert refusal(TOKEN, "10.0.0.1", Headers({"Authorization": f"bearer  {TOKEN}"})) is None


@pytest.mark.parametrize("token", ["short", "x" * 15, "with a space in it", "ünicode-is-not-one-x"])
def test_a_token_that_could_be_guessed_or_not_sent_is_refused(token: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="OPCODE_METRICS_TOKEN needs 16 characters") as error:
        MetricsSettings.read({"OPCODE_METRICS_TOKEN": token}, tmp_path)
    assert token not in str(error.value)


def test_the_token_is_kept_from_claude_and_from_what_is_printed(tmp_path: Path) -> None:
    environment = {"OPCODE_METRICS_TOKEN": TOKEN}
    assert TOKEN not in repr(MetricsSettings.read(environment, tmp_path))
    assert TOKEN not in child_environment(environment, tmp_path).values()


@pytest.fixture(scope="module")
def app(
    integration: None, shared_sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Flask]:
    stand_in = write_stand_in(tmp_path_factory.mktemp("cli") / "claude")
    with app_of(shared_sandbox, stand_in, jobs=False, OPCODE_METRICS_TOKEN=TOKEN) as app:
        yield app


def test_the_page_asks_for_the_token_and_no_login_takes_its_place(app: Flask) -> None:
    client = app.test_client()
    refused = client.get("/metrics")
    assert refused.status_code == 401
    assert refused.headers["WWW-Authenticate"].startswith("Bearer ")
    assert refused.mimetype == "text/plain"
    assert client.get("/metrics", headers=basic_header()).status_code == 401
    answer = client.get("/metrics", headers=BEARER, environ_overrides={"REMOTE_ADDR": "10.0.0.1"})
    assert (answer.status_code, "opcode_runs_started_total 0" in answer.text) == (200, True)
    assert "Set-Cookie" not in answer.headers
    assert client.post("/metrics", headers=BEARER).status_code in (403, 405)


def test_pages_of_other_sites_cannot_load_the_metrics(app: Flask) -> None:
    for headers in (
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"},
        {"Host": "evil.example"},
    ):
        assert app.test_client().get("/metrics", headers={**BEARER, **headers}).status_code in (
            403,
            421,
        )
