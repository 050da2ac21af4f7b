"""Endpoints: each below /api, and declared once."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask

from opcode_htmx.features.feature import Feature
from opcode_htmx.web.rest.endpoint import Endpoint, register_endpoints


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


def test_a_feature_without_pages_has_a_folder_of_its_own() -> None:
    assert Feature("odd").folder.name == "odd"
