"""Features whose pages are in folders of their own, which the first page does not wait for."""

from __future__ import annotations

from pathlib import Path

import pytest
from flask import Flask, url_for
from werkzeug.routing import BuildError

from opcode_htmx.app import factory
from opcode_htmx.app.registry import FEATURES
from opcode_htmx.features.feature import Feature
from opcode_htmx.web.server.url_rules import LateMap
from tests.app.pages.test_late_pages import settings_of
from tests.support.apps.in_process import client_of
from tests.support.environment import Sandbox

ALONE = [each for each in FEATURES if each.folders]
HOOKS = (
    "before_request_funcs",
    "after_request_funcs",
    "teardown_request_funcs",
    "template_context_processors",
    "error_handler_spec",
)


@pytest.fixture
def app(sandbox: Sandbox, stand_in: Path) -> Flask:
    return factory.build(settings_of(sandbox, stand_in, list(FEATURES)))


def shared(app: Flask) -> list[str]:
    """What all pages use."""
    environment = app.jinja_env
    names = sorted([*environment.globals, *environment.filters, *environment.tests])
    return [*names, *(repr(getattr(app, each)[None]) for each in HOOKS)]


def test_such_a_feature_has_all_of_its_folders_and_adds_nothing_to_other_pages(app: Flask) -> None:
    def rules() -> dict[str, set[str]]:
        found: dict[str, set[str]] = {}
        for rule in app.url_map._rules_by_endpoint.values():
            for each in rule:
                found.setdefault(each.endpoint, set()).add(each.rule)
        return found

    def is_of(feature: Feature, rule: str) -> bool:
        return f"{rule}/".startswith(tuple(f"{folder}/" for folder in feature.folders))

    assert client_of(app).get("/").status_code == 200
    common, known = shared(app), rules()
    for feature in ALONE:
        assert not [each for each in known if each.startswith(f"{feature.name}.")]
        assert isinstance(app.url_map, LateMap)
        app.url_map.add_below(feature.folders[0])
        new = {name: found for name, found in rules().items() if name not in known}
        assert new and all(each.startswith(f"{feature.name}.") for each in new), feature.name
        for found in new.values():
            assert all(is_of(feature, each) for each in found), found
        for item in feature.nav:
            assert feature.folders[0] in new[item.endpoint]
        known |= new
        assert shared(app) == common, f"{feature.name} adds to other pages"
    for name, found in rules().items():
        owner = [each for each in ALONE if name.startswith(f"{each.name}.")]
        assert not [
            each for each in ALONE if each not in owner for one in found if is_of(each, one)
        ]


def test_first_page_links_to_pages_that_are_not_loaded(app: Flask) -> None:
    client = client_of(app)
    assert 'href="/storage"' in client.get("/").text
    assert "storage.page" not in app.view_functions
    assert client.get("/storage").status_code == 200
    assert "logs.page" not in app.view_functions
    assert client.get("/claude//hooks").headers["Location"].endswith("/claude/hooks")


def test_an_address_loads_the_page_that_it_is_of(app: Flask) -> None:
    with app.test_request_context("/"):
        assert url_for("storage.page", q="a b", _anchor="top") == "/storage?q=a+b#top"
        assert "logs.page" not in app.view_functions
        for unknown in ("storage.odd", "odd.page", "odd"):
            with pytest.raises(BuildError):
                url_for(unknown)
