"""What people, the Makefile and gunicorn start, and what gunicorn.conf.py uses of the app."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

from tests.golden.parts import probe
from tests.support.environment import ROOT, Sandbox

pytestmark = pytest.mark.usefixtures("integration")

CONFIGURATION = "gunicorn.conf.py"


@pytest.fixture
def environ(sandbox: Sandbox, stand_in: Path) -> dict[str, str]:
    return {
        **sandbox.environment(),
        "HOST": "127.0.0.1",
        "CLAUDE_PATH": str(stand_in),
        "OPCODE_STATE_DIR": str(sandbox.state),
        "OPCODE_DEMO": "0",
        "OPCODE_ASK_AHEAD": "0",
    }


@pytest.mark.parametrize("package", ["opcode_htmx"])
def test_a_package_can_be_started_with_python_m(package: str) -> None:
    assert importlib.util.find_spec(f"{package}.__main__")


def test_the_app_of_app_py_is_what_gunicorn_expects(environ: dict[str, str]) -> None:
    code = """
import json
from app import app
from flask import Flask
import opcode_htmx
shutdown = app.extensions["opcode_shutdown"]
shutdown()
print(json.dumps([isinstance(app, Flask), callable(opcode_htmx.create_app)]))
"""
    assert probe.printed(code, environ) == [True, True]


def test_gunicorn_uses_no_other_part_of_the_app() -> None:
    text = (ROOT / CONFIGURATION).read_text(encoding="utf-8")
    assert set(re.findall(r'"(opcode_[a-z]+)"', text)) == {"opcode_jobs", "opcode_shutdown"}


def test_end_runs_ends_with_0_where_nothing_runs_and_2_where_a_setting_is_bad(
    environ: dict[str, str],
) -> None:
    status, output, errors = probe.run("-m", "opcode_htmx.end_runs", environ=environ)
    assert (status, output) == (0, "No run of Claude goes on.\n"), errors
    status, output, errors = probe.run(
        "-m", "opcode_htmx.end_runs", environ={**environ, "PORT": "abc"}
    )
    assert (status, output) == (2, "")
    assert errors == "PORT must be a port number from 1 to 65535, not 'abc'.\n"


def test_end_runs_ends_with_0_also_where_its_output_cannot_be_written(
    environ: dict[str, str],
) -> None:
    code = """
import os, sys
os.dup2(os.open("/dev/full", os.O_WRONLY), 1)
from opcode_htmx.app import end_runs
sys.exit(end_runs.main())
"""
    status, _, errors = probe.run("-c", code, environ=environ)
    assert (status, "No space left" in errors) == (0, False), errors


def test_the_launcher_ends_with_2_for_arguments_and_1_for_a_bad_setting(
    environ: dict[str, str],
) -> None:
    status, _, errors = probe.run("-m", "opcode_htmx", "--port", environ=environ)
    assert status == 2
    assert errors.startswith("usage: opcode-htmx ")
    status, output, errors = probe.run("-m", "opcode_htmx", environ={**environ, "PORT": "abc"})
    assert (status, output) == (1, "")
    assert errors == "PORT must be a port number from 1 to 65535, not 'abc'.\n"
