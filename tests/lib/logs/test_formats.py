"""Log lines: no text from outside imitates a line of its own."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest

from opcode_htmx.lib.concurrency.cooperative import run_in_thread
from opcode_htmx.lib.logs import context, redaction
from opcode_htmx.lib.logs.formats import JsonFormatter, LogFormatter

FORGED = "INFO opcode_htmx.audit: actor=opcode/1f3a9c02 action=prompt.send"


@pytest.fixture(autouse=True)
def _idle() -> Iterator[None]:
    """Earlier tests of the process have asked an app, whose last request is not over for a log."""
    with context.doing(context.Work()):
        yield


def logged(text: str, error: Exception | None = None) -> list[str]:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(LogFormatter())
    logger = logging.Logger("odd")
    logger.addHandler(handler)
    logger.error("%s", text, exc_info=error)
    return stream.getvalue().split("\n")


def test_a_message_of_one_line_is_logged_as_it_is() -> None:
    assert logged("Grüße, opcode") == ["ERROR odd: Grüße, opcode", ""]


def test_every_line_after_the_first_is_indented() -> None:
    try:
        raise ValueError(f"one\n{FORGED}")
    except ValueError as error:
        lines = logged(f"a folder\n{FORGED}\n", error)
    assert lines[:2] == ["ERROR odd: a folder", f"    {FORGED}"]
    assert f"    {FORGED}" in lines[3:]
    assert all(line.startswith("    ") for line in lines[1:-1])


def test_control_characters_are_escaped() -> None:
    (line, _) = logged(f"a\r{FORGED}\x1b[2K\u2028b\x85c")
    assert line == f"ERROR odd: a\\r{FORGED}\\x1b[2K\\u2028b\\x85c"


def test_a_traceback_that_another_formatter_has_made_is_indented_too() -> None:
    record = logging.LogRecord("odd", logging.ERROR, "", 0, "Failed", None, None)
    record.exc_text, record.stack_info = FORGED, FORGED
    assert LogFormatter().format(record).split("\n") == ["ERROR odd: Failed", f"    {FORGED}"]


def formatted(formatter: logging.Formatter, text: str, **more: object) -> str:
    record = logging.LogRecord("opcode_htmx.x", logging.INFO, "", 0, "%s", (text,), None)
    vars(record).update(more)
    return formatter.format(record)


def test_lines_name_the_request_and_the_run_that_they_belong_to() -> None:
    with context.doing(context.Work("0123456789ab")), context.run("f" * 32):
        text, data = formatted(LogFormatter(), "hello"), formatted(JsonFormatter(), "hello")
    assert text == f"INFO opcode_htmx.x: hello request=0123456789ab run={'f' * 32}"
    found = json.loads(data)
    assert (found["request"], found["run"]) == ("0123456789ab", "f" * 32)
    assert "request" not in json.loads(formatted(JsonFormatter(), "hello"))


def test_a_run_that_only_the_message_names_is_a_field_too() -> None:
    found = json.loads(formatted(JsonFormatter(), f"could not follow run {'a' * 32}: gone"))
    assert found["run"] == "a" * 32


def test_a_thread_logs_for_the_request_that_waits_for_it() -> None:
    with context.doing(context.Work("0123456789ab")):
        line = run_in_thread(formatted, LogFormatter(), "from a thread")
    assert line.endswith(" request=0123456789ab")
    assert run_in_thread(context.current) == context.Work()


def test_fields_of_a_record_are_members_that_replace_none_of_the_first() -> None:
    fields = {"action": "run.stop", "level": "no", "ms": 12, "run": "", "session": "s"}
    found = json.loads(formatted(JsonFormatter(), "m", fields=fields))
    assert (found["action"], found["ms"], found["session"]) == ("run.stop", 12, "s")
    assert found["level"] == "info"
    assert "run" not in found


@pytest.mark.parametrize(
    "text",
    [
        "asked with Authorization: Bearer 0a1b2c3d4e5f",
        "asked with authorization: basic b3Bjb2RlOjBhMWIyYzNkNGU1Zg",
        "the key sk-ant-api03-0a1b2c3d4e5f is refused",
        "cannot clone https://me:0a1b2c3d4e5f@example.com/x.git",
        f"cannot clone https://me:{'0a1b2c3d4e5f' * 40}@example.com/x.git",
        "cannot clone https://0a1b2c3d4e5f@example.com/x.git",
        "glpat-0a1b2c3d4e5f is refused",
        "GITHUB_TOKEN=0a1b2c3d4e5f AWS_SECRET_ACCESS_KEY='0a1b2c3d4e5f'",
        "Error handling request /preview/5173/0a1b2c3d4e5f0a1b2c3d4e5f_-3d4e5f/page",
        "token=0a1b2c3d4e5f&x=1",
        "{'api_key': '0a1b2c3d4e5f'}",
        "ghp_0a1b2c3d4e5f",
        "Input should be a number [type=x, input_value='0a1b2c3d4e5f', input_type=str]",
        "the password 0a1b2c3d4e5f is wrong",
    ],
)
def test_what_is_or_looks_like_a_secret_is_not_logged(text: str) -> None:
    redaction.hide(["0a1b2c3d4e5f"] if "password" in text else [])
    for formatter in (LogFormatter(), JsonFormatter()):
        line = formatted(formatter, text)
        assert "0a1b2c3d4e5f" not in line
        assert "b3Bjb2Rl" not in line
        assert "[hidden]" in line


def test_the_address_of_a_failed_request_is_logged_without_its_query() -> None:
    record = logging.LogRecord(
        "gunicorn.error", logging.ERROR, "", 0, "Error handling request %s", ("/a?q=mine",), None
    )
    assert LogFormatter().format(record) == "ERROR gunicorn.error: Error handling request /a?…"


def test_a_traceback_shows_nothing_that_the_request_has_brought() -> None:
    private = 'a "prompt"\nof two lines'
    work = context.Work("0123456789ab", private=lambda: [private])
    with context.doing(work):
        lines = logged("Failed", ValueError(private, {"given": private}))
    assert "prompt" not in "\n".join(lines)
    assert "ValueError" in "\n".join(lines)


def test_long_texts_are_cut() -> None:
    line = formatted(JsonFormatter(), "x" * 1_000_000)
    assert len(line) < 10_000
