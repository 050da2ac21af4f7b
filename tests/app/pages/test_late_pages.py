"""Pages come with the first request for one: what a start goes without, and what it must not."""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import gevent
import pytest
from flask import Blueprint
from jinja2 import BytecodeCache, Environment

from opcode_htmx.app import factory, template_cache
from opcode_htmx.app.registry import FEATURES
from opcode_htmx.config.settings import Settings
from opcode_htmx.features.context import AppContext
from opcode_htmx.features.feature import Feature
from opcode_htmx.features.health import readiness
from opcode_htmx.lib.concurrency.jobs import Jobs
from opcode_htmx.web.http import way_back
from opcode_htmx.web.server import url_rules
from opcode_htmx.web.server.url_rules import LateMap, RoutesMissing
from opcode_htmx.web.websocket.router import SocketRouter
from tests.golden.parts import probe
from tests.support.apps.in_process import client_of
from tests.support.environment import Sandbox, until

ASK = """
import json, sys
from app import app
from opcode_htmx.web.websocket import library

client = app.test_client()
seen = [client.get("/healthz").status_code]
loaded = [sorted(sys.modules)]
seen.append(client.get("/login").status_code)
loaded.append(sorted(sys.modules))
library.load()
loaded.append(sorted(sys.modules))
print(json.dumps([seen, loaded]))
"""


def environment(sandbox: Sandbox, stand_in: Path) -> dict[str, str]:
    return {
        **sandbox.environment(),
        "CLAUDE_PATH": str(stand_in),
        "OPCODE_STATE_DIR": str(sandbox.state),
        "OPCODE_DEMO": "0",
        "OPCODE_ASK_AHEAD": "0",
        "OPCODE_PASSWORD": "for-the-tests",
    }


def test_a_start_imports_neither_pages_nor_what_programs_need(
    sandbox: Sandbox, stand_in: Path
) -> None:
    seen, loaded = probe.printed(ASK, environment(sandbox, stand_in))
    assert seen == [200, 200]
    at_start, with_pages, with_sockets = map(set, loaded)
    pages = {name for name in with_pages if name.endswith(".routes")}
    assert len(pages) > 30
    assert not at_start & pages
    assert not {"pydantic", "pydantic_core", "flask_sock"} & with_pages
    assert "flask_sock" in with_sockets
    assert not {"asyncio", "pydantic"} & with_sockets


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Feature]]:
    """The features, the last of which cannot make its pages at first."""
    failures = [RuntimeError("no memory")]

    def routes(context: AppContext) -> Iterable[Blueprint]:
        if failures:
            raise failures.pop()
        pages = Blueprint("odd", __name__)
        pages.add_url_rule("/odd", "page", lambda: "it is odd")
        yield pages

    yield [*FEATURES, Feature("odd", routes=routes)]


def settings_of(sandbox: Sandbox, stand_in: Path, features: list[Feature]) -> Settings:
    variables = environment(sandbox, stand_in) | {"OPCODE_USER": "opcode"}
    kinds = tuple(each.settings for each in features if each.settings)
    return Settings.from_env(variables, kinds)


def test_pages_that_could_not_be_added_are_added_by_a_later_request(
    sandbox: Sandbox,
    stand_in: Path,
    failing: list[Feature],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    now = [100.0]
    monkeypatch.setattr(url_rules, "monotonic", lambda: now[0])
    client = client_of(factory.build(settings_of(sandbox, stand_in, failing), failing))
    whole = client.get("/healthz").headers.keys()
    refused = client.get("/odd")
    assert refused.status_code == 503
    assert url_rules.NOT_LOADED in refused.text
    assert "<main" in refused.text
    assert set(whole) <= set(refused.headers.keys())
    assert "frame-ancestors 'none'" in refused.headers["Content-Security-Policy"]
    assert client.get("/odd", headers={"Host": "foreign.example"}).status_code == 421
    assert client.get("/api/runs").get_json()["error"] == url_rules.NOT_LOADED
    assert [client.get("/odd").status_code for _ in range(3)] == [503] * 3
    assert client.get("/readyz").json == {"status": "unavailable", "reason": readiness.NOT_LOADED}
    with client.get("/static/icon.svg") as icon:
        assert icon.status_code == 200
    browser = client.application.test_client()
    login = {"user": "opcode", "password": "for-the-tests"}
    assert browser.post("/login", data=login).status_code == 303
    assert "<main" in browser.get("/").text, "although it has a navigation otherwise"
    (logged,) = (each for each in caplog.records if each.levelno >= logging.ERROR)
    assert logged.exc_text and "no memory" in logged.exc_text
    macros = client.application.jinja_env.get_template("macros.html")
    now[0] += url_rules.RETRY_SECONDS
    assert client.get("/odd").text == "it is odd"
    assert client.get("/").status_code == 200
    assert client.application.jinja_env.get_template("macros.html") is not macros, (
        "those knew no functions of pages"
    )
    assert readiness.NOT_LOADED not in client.get("/readyz").text


def test_pages_that_failed_half_way_are_added_once(
    sandbox: Sandbox, stand_in: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last step fails, when all blueprints and most rules are there."""
    failures = [MemoryError(), OSError("no such file")]

    def sockets(context: AppContext, router: SocketRouter) -> None:
        @router.route("/odd/live")
        def odd_live(socket: object) -> None: ...

        if failures:
            raise failures.pop()

    now = [100.0]
    monkeypatch.setattr(url_rules, "monotonic", lambda: now[0])
    features = [*FEATURES, Feature("odd", sockets=sockets)]
    app, whole = (factory.build(settings_of(sandbox, stand_in, features), features) for _ in "12")
    client = client_of(app)
    for status in (503, 503, 200):
        assert client.get("/").status_code == status
        now[0] += url_rules.RETRY_SECONDS
    failures.clear()
    assert client_of(whole).get("/").status_code == 200
    assert sorted(map(repr, app.url_map.iter_rules())) == sorted(
        map(repr, whole.url_map.iter_rules())
    )
    for name in url_rules._OF_BLUEPRINTS:
        own, others = getattr(app, name), getattr(whole, name)
        assert own.keys() == others.keys(), name
        if "funcs" in name:
            assert {key: len(own[key]) for key in own} == {key: len(others[key]) for key in others}


def test_first_requests_at_the_same_time_all_find_their_pages(
    sandbox: Sandbox, stand_in: Path
) -> None:
    app = factory.build(settings_of(sandbox, stand_in, list(FEATURES)))
    addresses = ("/", "/usage", "/odd", "/healthz")
    asked = [gevent.spawn(lambda at: client_of(app).get(at).status_code, at) for at in addresses]
    gevent.joinall(asked)
    assert [each.value for each in asked] == [200, 200, 404, 200]


@pytest.mark.parametrize(
    ("method", "host", "status"), [("POST", "localhost", 405), ("GET", "foreign.example", 421)]
)
def test_the_page_of_an_error_is_whole_before_any_other_page(
    sandbox: Sandbox, stand_in: Path, method: str, host: str, status: int
) -> None:
    app = factory.build(settings_of(sandbox, stand_in, list(FEATURES)))
    client = client_of(app)
    first, again = (
        client.open("/healthz", method=method, headers={"Host": host}) for _ in range(2)
    )
    assert first.status_code == again.status_code == status
    own, id_again = (each.headers["X-Request-Id"] for each in (first, again))
    assert first.text.replace(own, id_again) == again.text
    assert "<main" in first.text


def test_what_features_do_at_the_start_needs_no_page(sandbox: Sandbox, stand_in: Path) -> None:
    app = factory.build(settings_of(sandbox, stand_in, list(FEATURES)))
    context: AppContext = app.extensions["opcode_context"]
    assert context.sessions.scheduled_agents.name(1) == ""
    assert context.sessions.scheduled_agents.all.name(1) == ""
    assert app.extensions["opcode_doors"]
    assert "home.page" not in app.view_functions


def test_templates_are_compiled_with_the_filters_of_pages(
    sandbox: Sandbox, stand_in: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fill(cache: BytecodeCache, environment: Environment, before: Callable[[], object]) -> None:
        before()
        seen.update(environment.filters)

    seen = set[str]()
    monkeypatch.setattr(template_cache, "fill", fill)
    app = factory.build(settings_of(sandbox, stand_in, list(FEATURES)))
    jobs: Jobs = app.extensions["opcode_jobs"]
    (job,) = (each for each in jobs._jobs if each.name == "compile the templates")
    job.start()
    until(lambda: seen, "templates are compiled", sleep=lambda: gevent.sleep(0.01))
    assert "usage_short" in seen


def test_the_way_back_from_a_page_needs_no_route_of_programs(
    sandbox: Sandbox, stand_in: Path
) -> None:
    app = factory.build(settings_of(sandbox, stand_in, list(FEATURES)))
    with app.test_request_context("/"):
        assert way_back.list_at("/runs"), "it is a list"
        assert way_back.list_at("/odd") is None
    assert not [name for name in app.view_functions if name.startswith("api.")]


def test_nothing_is_collected_while_routes_are_added() -> None:
    """The collector would look at all new modules, and hold the event loop for that."""
    seen: list[object] = []
    routes = LateMap()
    routes.on_added = lambda: seen.append(gc.isenabled())
    routes.add_late(("/late",), lambda: seen.append(gc.isenabled()))
    routes.add_below("/late/page")
    routes.add_below("/late/other")
    assert seen == [False, False]
    assert gc.isenabled()


def test_collector_goes_on_when_routes_cannot_be_added() -> None:
    routes = LateMap()

    def fail() -> None:
        raise OSError("no such module")

    routes.add_late(("/late",), fail)
    with pytest.raises(RoutesMissing) as refused:
        routes.add_below("/late/page")
    assert str(refused.value.__cause__) == "no such module"
    assert gc.isenabled()
