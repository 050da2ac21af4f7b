"""Endpoints: each below /api, and declared once."""

from __future__ import annotations

from typing import Any

import gevent
import pytest
from flask import Flask

from opcode_htmx.features.feature import Feature
from opcode_htmx.lib.concurrency.cooperative import yield_to_loop
from opcode_htmx.web.rest.endpoint import Endpoint, register_endpoints
from opcode_htmx.web.server.url_rules import LateMap, LateRoutes


def endpoint(path: str, **more: Any) -> Endpoint:
    return Endpoint(
        **{"method": "GET", "path": path, "tag": "Odd", "summary": "Odd", "handler": dict, **more}
    )


@pytest.mark.parametrize(
    "paths", [("/healthz",), ("/api",), ("/apiary/x",), ("/api/x/{a}", "/api/x/{b}")]
)
def test_an_endpoint_elsewhere_or_declared_twice_is_refused(paths: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="cannot be an endpoint"):
        register_endpoints(Flask("odd"), [endpoint(path) for path in paths])


def test_two_methods_of_a_path_are_two_endpoints() -> None:
    app = Flask("odd")
    register_endpoints(app, [endpoint("/api/x"), endpoint("/api/x", method="PUT")])
    assert any(rule.rule == "/api/x" for rule in app.url_map.iter_rules())


class LateApp(Flask):
    url_map_class = LateMap


def late_app() -> tuple[LateApp, list[str]]:
    """An app with one late route, and what happens, as it happens."""
    app, seen = LateApp("odd"), list[str]()
    late: Any = app.url_map

    def add() -> None:
        seen.append("added")
        yield_to_loop()
        LateRoutes(app, "api").add_url_rule("/api/x", "x", lambda: "it is x")

    late.add_late(("/api/", "/other/"), add)
    app.add_url_rule("/page", "page", lambda: "a page")
    return app, seen


def test_late_routes_are_added_by_the_first_request_for_one_and_once() -> None:
    app, seen = late_app()
    client = app.test_client()
    assert client.get("/page").text == "a page"
    assert seen == []
    assert client.get("/api/x").text == "it is x"
    assert set(client.options("/api/x").allow) == {"GET", "HEAD", "OPTIONS"}
    assert client.post("/api/x").status_code == 405
    assert client.get("/other/x").status_code == 404
    assert seen == ["added"]


def test_two_first_requests_wait_for_the_same_routes() -> None:
    app, seen = late_app()
    asked = [gevent.spawn(lambda: app.test_client().get("/api/x").text) for _ in range(3)]
    gevent.joinall(asked)
    assert [each.value for each in asked] == ["it is x"] * 3
    assert seen == ["added"]


def test_an_address_with_two_slashes_finds_a_late_route() -> None:
    app, _ = late_app()
    answer = app.test_client().get("/", environ_overrides={"PATH_INFO": "//api/x"})
    assert answer.text == "it is x"


def test_a_list_of_all_routes_has_the_late_ones() -> None:
    app, _ = late_app()
    assert "/api/x" in {rule.rule for rule in app.url_map.iter_rules()}


def test_a_late_route_replaces_none() -> None:
    routes = LateRoutes(Flask("odd"), "api")
    routes.add_url_rule("/api/x", "x", dict)
    with pytest.raises(ValueError, match="two endpoints"):
        routes.add_url_rule("/api/y", "x", dict)


def test_a_feature_without_pages_has_a_folder_of_its_own() -> None:
    assert Feature("odd").folder.name == "odd"
