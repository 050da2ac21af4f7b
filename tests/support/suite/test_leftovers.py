"""A test that is run once more, and the next ones, meet nothing that a failed one has left."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.support.environment import ROOT

SHARED = """
import pytest

servers = []

@pytest.fixture(scope="module")
def server():
    servers.append([])
    yield servers[-1]
    servers[-1].append("closed")
"""
FAILS = {
    "the_test_fails": """
def test_once_more(server):
    server.append("session")
    assert server == ["session"] and len(servers) > 1
""",
    "its_fixture_fails": """
@pytest.fixture
def session(server):
    server.append("session")
    assert server == ["session"] and len(servers) > 1

def test_once_more(session):
    pass
""",
    "it_cannot_be_tidied_up_after": """
@pytest.fixture
def session(server):
    server.append("session")
    yield
    assert server == ["session"] and len(servers) > 1

def test_once_more(session):
    pass
""",
}
PASS = """
def test_before(server):
    assert servers == [[]]

def test_same(server):
    assert servers == [[]]
"""
NEXT = """
def test_next(server):
    assert servers == [["session", "closed"], ["session"]]
"""


def test_failure_ends_what_the_tests_of_a_module_share(tmp_path: Path) -> None:
    for name, fails in FAILS.items():
        (tmp_path / f"test_{name}.py").write_text(SHARED + PASS + fails + NEXT, encoding="utf-8")
    plugins = ("no:cacheprovider", "pytest_rerunfailures", "tests.support.suite.leftovers")
    options = [*(f"-p{each}" for each in plugins), "--reruns", "1"]
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--rootdir", tmp_path, *options, tmp_path],
        cwd=ROOT,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},  # the others take a second
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0 and ", 3 rerun in" in ended.stdout, ended.stdout
