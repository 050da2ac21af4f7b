"""The page and the endpoint show and filter the log; nothing in it acts as a page's own text."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask, g
from flask.testing import FlaskClient

from opcode_htmx.lib import audit_log
from opcode_htmx.lib.identity import Identity
from opcode_htmx.lib.logs import context
from opcode_htmx.lib.logs.formats import FIELDS
from opcode_htmx.lib.logs.log_files import LogFiles, LogFilesHandler
from opcode_htmx.web.auth.visitor import Visitor
from tests.support.apps.in_process import app_of, client_of
from tests.support.environment import Sandbox, write_stand_in

RUN = "c" * 32
HOSTILE = '<script>alert(1)</script>\x1b[2J\u202eevil\n<hx-upsert id="x">'


@pytest.fixture
def app(sandbox: Sandbox, stand_in: Path) -> Iterator[Flask]:
    with app_of(sandbox, stand_in, jobs=False) as app:
        write(sandbox.state / "logs")
        yield app


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlaskClient]:
    """One for tests that change nothing."""
    sandbox = Sandbox(tmp_path_factory.mktemp("read") / "home").make()
    with app_of(sandbox, write_stand_in(sandbox.home / "claude"), jobs=False) as app:
        write(sandbox.state / "logs")
        yield client_of(app)


def write(folder: Path) -> None:
    handler = LogFilesHandler(LogFiles(folder, 0, 0))

    def log(level: int, message: str, logger: str = "opcode_htmx.tests") -> None:
        handler.handle(logging.LogRecord(logger, level, "", 0, "%s", (message,), None))

    log(logging.INFO, "the first line")
    with context.doing(context.Work("0123456789ab")), context.run(RUN):
        log(logging.WARNING, "a run has a problem")
    log(logging.ERROR, HOSTILE)
    handler.close()


def messages(client: FlaskClient, query: str = "") -> list[str]:
    answer = client.get(f"/api/logs?{query}")
    assert answer.status_code == 200, answer.text
    return [each["message"] for each in answer.get_json()["data"]["lines"]]


def test_the_newest_line_comes_first(reader: FlaskClient) -> None:
    page = reader.get("/logs").text
    assert page.index("a run has a problem") < page.index("the first line")
    assert messages(reader) == [HOSTILE, "a run has a problem", "the first line"]


@pytest.mark.parametrize(
    "query", ["level=warning&text=RUN", f"run={RUN}", "request=0123456789ab", "text=has+a"]
)
def test_filters_are_those_of_the_address(reader: FlaskClient, query: str) -> None:
    assert messages(reader, query) == ["a run has a problem"]
    page = reader.get(f"/logs?{query}").text
    assert "a run has a problem" in page
    assert "the first line" not in page


def test_times_limit_what_is_found(reader: FlaskClient) -> None:
    assert len(messages(reader, "since=2020-01-01T00:00")) == 3
    assert messages(reader, "until=2020-01-01T00:00Z") == []
    assert "Nothing found" in reader.get("/logs?until=2020-01-01T00:00").text


@pytest.mark.parametrize(
    "query",
    ["level=loud", "run=%2e%2e/x", "request=%3Cb%3E", "since=yesterday", "text=" + "x" * 201]
    + ["since=2026-01-02T00:00&until=2026-01-01T00:00", "since=99999-01-01"],
)
def test_a_filter_that_means_nothing_is_refused(reader: FlaskClient, query: str) -> None:
    assert reader.get(f"/logs?{query}").status_code == 422
    assert reader.get(f"/api/logs?{query}").status_code == 422


def test_older_lines_are_behind_a_link(reader: FlaskClient) -> None:
    answer = reader.get("/api/logs?limit=2").get_json()["data"]
    assert messages(reader, f"cursor={answer['older']}") == ["the first line"]
    page = reader.get(f"/logs?cursor={answer['older']}").text
    assert "the first line" in page
    assert "a run has a problem" not in page
    assert reader.get("/logs?cursor=1-1").status_code == 404


def test_foreign_text_is_shown_as_text(reader: FlaskClient) -> None:
    page = reader.get("/logs").text
    assert "<script>alert" not in page
    assert '<hx-upsert id="x">' not in page
    assert "\x1b" not in page
    assert "\u202e" not in page


def test_a_page_that_follows_is_loaded_again_with_and_without_scripts(reader: FlaskClient) -> None:
    still, follows = reader.get("/logs").text, reader.get("/logs?follow=1&level=error").text
    assert 'data-fresh="often"' not in still
    assert re.search(r'<section id="log-lines"[^>]* data-fresh="often"', follows)
    assert '<noscript><meta http-equiv="refresh"' in follows
    assert "http-equiv" not in still
    assert "/logs?level=error" in follows, "the link that stops keeps the filter"


def test_only_the_owner_reads_the_log(app: Flask, client: FlaskClient) -> None:
    @app.before_request
    def somebody_else() -> None:
        g.visitor = Visitor("basic", Identity("guest", roles=("viewer",)))

    for path in ("/logs", "/api/logs"):
        answer = client.get(path)
        assert answer.status_code == 403
        assert "Only the owner" in answer.text
        assert "a run has a problem" not in answer.text


def test_without_files_the_page_says_where_the_log_is(sandbox: Sandbox, stand_in: Path) -> None:
    with app_of(sandbox, stand_in, jobs=False, OPCODE_LOG_FILE="0") as app:
        client = client_of(app)
        assert "OPCODE_LOG_FILE=1" in client.get("/logs").text
        assert client.get("/api/logs").status_code == 404
    assert not (sandbox.state / "logs").exists()


def test_the_shape_for_programs(reader: FlaskClient) -> None:
    answer = reader.get(f"/api/logs?run={RUN}").get_json()["data"]
    (line,) = answer["lines"]
    assert (line["level"], line["logger"]) == ("warning", "opcode_htmx.tests")
    assert (line["request"], line["run"]) == ("0123456789ab", RUN)
    assert json.dumps(line)
    assert answer["older"] == ""


def test_an_act_is_shown_as_words(app: Flask, client: FlaskClient, sandbox: Sandbox) -> None:
    handler = LogFilesHandler(LogFiles(sandbox.state / "logs", 0, 0))
    record = logging.LogRecord(audit_log.LOGGER, logging.INFO, "", 0, "actor=a action=x", (), None)
    act = {"actor": "a", "action": "backup.make", "session": "", "name": "b.tar", "secrets": False}
    setattr(record, FIELDS, act)
    handler.handle(record)
    handler.close()
    page = client.get("/logs").text
    assert "backup.make · name: b.tar · secrets: no" in page
    assert "actor=a action=x" in page
