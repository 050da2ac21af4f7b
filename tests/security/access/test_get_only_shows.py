"""A GET only shows, or its view is marked with `acts`: each is let in, and must change nothing.

Below a base path no page, header, cookie or answer leads to an address outside of it. A new view is
checked without an edit here.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import gevent
import pytest
from flask import Flask
from gevent import subprocess as gevent_subprocess
from werkzeug.test import TestResponse

from opcode_htmx.features.context import AppContext
from opcode_htmx.web.origin.fetch_metadata import acts, who_may_act
from tests.security.access.doors import HOST, Door, Visits, doors_of, files_of, log_in, tried
from tests.support.apps.in_process import app_of
from tests.support.environment import Sandbox
from tests.support.populated import Populated, populate
from tests.web.server.leaks import BASE, leaks

pytestmark = pytest.mark.timeout(300)
"""All files are compared around each of some hundred requests."""

OF_READING = (
    "marks.json",
    "viewing",
    "templates",
    ".templates",
    "offers",
    "settings_schema",
    "schedules/starter",
    "races/starter",
)
"""In the state folder: that somebody reads a session, and how far, and when a time was noticed that
a clock had written which was ahead (all workers need the same); by itself it starts nothing. And
the compiled templates of the pages that were shown, what Claude says about itself, and the locks of
the jobs that start schedules and contestants of races."""
OF_QUERIES = (
    "--no-session-persistence",
    "'plugin', 'list'",
    "'plugin', 'marketplace', 'list'",
    "'plugin', 'details'",
    "'auth', 'status'",
    "'--version'",
    "'--noprofile', '--norc', '-n'",
    "'core.hooksPath=/dev/null'",
)
"""In the arguments of a Claude that is only asked: without hooks, MCP servers, a turn and a
history. And in those of a shell that reads the command of a hook and runs nothing, and of a git
that runs nothing which the repository names; what such a git writes is found as a changed file."""


class Answer(NamedTuple):
    door: Door
    answer: TestResponse
    effects: list[str]
    """The files that the request has changed, the commands that it has started, and the runs."""


@pytest.fixture
def populated(sandbox: Sandbox) -> Populated:
    return populate(sandbox)


@pytest.fixture
def app(sandbox: Sandbox, stand_in: Path, integration: None) -> Iterator[Flask]:
    with app_of(sandbox, stand_in, OPCODE_BASE_PATH=BASE) as app:
        app.logger.disabled = True  # of made-up views that fail
        yield app


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The commands that have been started."""
    found: list[str] = []

    def noting(original: Callable[..., None]) -> Callable[..., None]:
        def init(process: object, args: object, *rest: Any, **named: Any) -> None:
            if not any(query in str(args) for query in OF_QUERIES):
                found.append(str(args))
            original(process, args, *rest, **named)

        return init

    for popen in (subprocess.Popen, gevent_subprocess.Popen):
        monkeypatch.setattr(popen, "__init__", noting(popen.__init__))
    return found


def answers(
    app: Flask,
    sandbox: Sandbox,
    populated: Populated,
    commands: list[str],
    rules: frozenset[str] = frozenset(),
) -> Iterator[Answer]:
    """Those to every unmarked GET; or to those of these `rules`.

    What changes between two requests counts as an effect of the second; so does a refusal to the
    owner, of which no other test would know."""
    context: AppContext = app.extensions["opcode_context"]
    client, login = app.test_client(use_cookies=False), log_in(app, BASE)
    commands.clear()
    before = files_of(sandbox)
    doors, visits = tried(doors_of(app, populated.known)), Visits(app)
    assert doors, "there is something to try"
    for door in doors:
        # HEAD enters the view of GET
        if door.is_socket or door.method != "GET":
            continue
        if who_may_act(app.view_functions[door.endpoint]):
            continue
        if rules and door.rule not in rules:
            continue
        headers = {"Host": HOST, **login.headers}
        with visits.watch() as entered:
            answer = client.get(BASE + populated.address(door), headers=headers)
            answer.get_data()
            answer.close()
        for _ in range(3):
            gevent.sleep(0)  # what the view has spawned begins
        after = files_of(sandbox)
        changed = [
            path
            for path in before | after
            if before.get(path) != after.get(path)
            and not path.startswith(tuple(str(sandbox.state / name) for name in OF_READING))
        ]
        runs = [run.id for run in context.runs.live()]
        refused = [] if entered == [door.endpoint] else ["it is refused"]
        yield Answer(door, answer, [*changed, *commands, *runs, *refused])
        commands.clear()
        before = after


def test_a_get_changes_nothing_unless_its_view_is_marked_and_leads_nowhere_outside(
    app: Flask, sandbox: Sandbox, populated: Populated, commands: list[str]
) -> None:
    effects, outside, pages = dict[str, list[str]](), dict[str, list[str]](), 0
    for door, answer, caused in answers(app, sandbox, populated, commands):
        effects[str(door)] = caused
        pages += answer.mimetype == "text/html" and answer.status_code == 200
        # the other statuses say why there is nothing to show
        failed = [f"status {answer.status_code}"] if answer.status_code in (401, 500) else []
        outside[str(door)] = failed or leaks(app, answer)
    assert {door: caused for door, caused in effects.items() if caused} == {}
    assert {door: found for door, found in outside.items() if found} == {}
    assert pages > 0.4 * len(outside), "most of the others are answers of the API"


def test_a_get_that_changes_or_starts_something_is_found(
    app: Flask, sandbox: Sandbox, populated: Populated, commands: list[str]
) -> None:
    def keeps() -> str:
        (sandbox.state / "counted").write_text("1")
        return "kept"

    def renames() -> str:
        (sandbox.config_dir / "projects" / "renamed").touch()
        return "renamed"

    def removes() -> str:
        (sandbox.state / "secret_key").unlink(missing_ok=True)
        return "removed"

    def starts() -> str:
        subprocess.run(["true"], check=True)  # noqa: S607
        return "started"

    def starts_later() -> str:
        gevent.spawn(gevent_subprocess.run, ["true"])
        return "starting"

    @acts(by="pages")
    def marked() -> str:
        return starts()

    made_up = {
        view.__name__: view for view in (keeps, renames, removes, starts, starts_later, marked)
    }
    for view in made_up.values():
        app.add_url_rule(f"/{view.__name__}", view.__name__, view, methods=["GET"])
    rules = frozenset(rule.rule for rule in app.url_map.iter_rules() if rule.endpoint in made_up)
    found = answers(app, sandbox, populated, commands, rules)
    assert {str(door) for door, _, effects in found if effects} == {
        f"GET /{name}" for name in ("keeps", "renames", "removes", "starts", "starts_later")
    }
