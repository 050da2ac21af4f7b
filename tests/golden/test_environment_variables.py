"""The environment variables: their names, defaults, and the sentences for refused values."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.golden import golden
from tests.golden.parts import package, probe
from tests.support.environment import (
    ROOT,
    Sandbox,
    free_port,
    until,
)

DOCUMENT = ROOT / "docs" / "configuration.md"

REFUSED: dict[str, tuple[str, ...]] = {
    "HOST": ("http://here",),
    "PORT": ("abc", "0", "65536"),
    "OPCODE_USER": ("a:b",),
    "OPCODE_LOGIN_DAYS": ("0", "401", "soon"),
    "OPCODE_LOGIN_IDLE_DAYS": ("0", "401", "1h"),
    "CLAUDE_PATH": ("/nowhere/claude",),
    "OPCODE_PROJECT_ROOTS": ("/nowhere", ":"),
    "OPCODE_PERMISSION_MODE": ("yolo", "bypassPermissions"),
    "OPCODE_ALLOW_BYPASS": ("yes", "1"),
    "OPCODE_ALLOWED_ORIGINS": ("phone.example", "https://*"),
    "OPCODE_ALLOWED_HOSTS": ("https://phone.example", "*"),
    "OPCODE_BASE_PATH": ("opcode", "/opcode/"),
    "OPCODE_TRUSTED_PROXIES": ("proxy.example", "10.0.0.0/99"),
    "OPCODE_DEMO": ("yes",),
    "OPCODE_STOP_DEADLINE": ("0", "soon"),
    "OPCODE_IDLE_TIMEOUT": ("-1", "1d"),
    "OPCODE_WARM_START": ("yes",),
    "OPCODE_WARM_TIMEOUT": ("0", "soon"),
    "OPCODE_RUN_TIMEOUT": ("-1",),
    "OPCODE_MAX_OUTPUT": ("-1", "2 gigabytes"),
    "OPCODE_MAX_LINE": ("99K", "long"),
    "OPCODE_MEMORY_WARNING": ("half", "120%"),
    "OPCODE_MEMORY_LIMIT": ("1", "120%"),
    "OPCODE_MAX_QUEUED": ("many",),
    "OPCODE_MAX_VIEWERS": ("-1",),
    "OPCODE_MIN_FREE": ("1.2.3M",),
    "OPCODE_KEEP_RUNS": ("30m",),
    "OPCODE_ON_DISCONNECT": ("pause",),
    "OPCODE_DISCONNECT_GRACE": ("4.9", "soon"),
    "OPCODE_ON_EXIT": ("pause",),
    "OPCODE_MAX_RUNS": ("-1", "many"),
    "OPCODE_WORKERS": ("0", "17", "two"),
    "OPCODE_VIEWER_TIMEOUT": ("0", "soon"),
    "OPCODE_ASK_AHEAD": ("yes",),
    "OPCODE_TASK_FOLDER": ("/nowhere", "/"),
    "OPCODE_TASK_TIMEOUT": ("0", "soon"),
    "GITHUB_USER": ("a:b",),
    "GITHUB_TOKEN": ("two words",),
    "OPCODE_GITHUB_TOKEN": ("ümlaut",),
    "HOME": ("here",),
    "OPCODE_STATE_DIR": ("@STATE@/password/below",),
}

SECRETS = {"OPCODE_PASSWORD", "GITHUB_TOKEN", "OPCODE_GITHUB_TOKEN"}
NEVER_REFUSED = {"OPCODE_PASSWORD", "CLAUDE_CONFIG_DIR", "XDG_STATE_HOME"}

OTHER = {
    "HOST": "127.0.0.1",
    "PORT": "9999",
    "OPCODE_USER": "me",
    "OPCODE_PASSWORD": "secret",
    "OPCODE_LOGIN_DAYS": "7",
    "OPCODE_LOGIN_IDLE_DAYS": "2d",
    "CLAUDE_PATH": "/bin/claude",
    "CLAUDE_CONFIG_DIR": "~/config",
    "XDG_STATE_HOME": "/states",
    "OPCODE_STATE_DIR": "/state",
    "OPCODE_PROJECT_ROOTS": "/",
    "OPCODE_PERMISSION_MODE": "plan",
    "OPCODE_ALLOW_BYPASS": "1",
    "OPCODE_ALLOWED_ORIGINS": "https://a.example, http://b.example:8080",
    "OPCODE_ALLOWED_HOSTS": "a.example,b.example",
    "OPCODE_BASE_PATH": "/opcode",
    "OPCODE_TRUSTED_PROXIES": "127.0.0.1, 10.0.0.0/8",
    "OPCODE_DEMO": "1",
    "OPCODE_STOP_DEADLINE": "1m",
    "OPCODE_IDLE_TIMEOUT": "2h",
    "OPCODE_WARM_START": "0",
    "OPCODE_WARM_TIMEOUT": "5m",
    "OPCODE_RUN_TIMEOUT": "90s",
    "OPCODE_MAX_OUTPUT": "500M",
    "OPCODE_MAX_LINE": "1M",
    "OPCODE_MEMORY_WARNING": "4G",
    "OPCODE_MEMORY_LIMIT": "90%",
    "OPCODE_MAX_QUEUED": "0",
    "OPCODE_MAX_VIEWERS": "0",
    "OPCODE_MIN_FREE": "0",
    "OPCODE_KEEP_RUNS": "7",
    "OPCODE_ON_DISCONNECT": "stop",
    "OPCODE_DISCONNECT_GRACE": "5m",
    "OPCODE_ON_EXIT": "stop",
    "OPCODE_MAX_RUNS": "0",
    "OPCODE_WORKERS": "16",
    "OPCODE_VIEWER_TIMEOUT": "5m",
    "OPCODE_ASK_AHEAD": "0",
    "OPCODE_TASK_FOLDER": "~",
    "OPCODE_TASK_TIMEOUT": "90",
    "GITHUB_USER": "me",
    "GITHUB_TOKEN": "secret",
    "OPCODE_GITHUB_TOKEN": "secret",
}
"""Values that are accepted and are not the default."""

REFUSALS = """
import json, os, sys
from opcode_htmx import create_app

os.geteuid = lambda: 0  # the sentences that root gets, also where the tests run as another user
refusals = {}
plain = dict(os.environ)
for name, value in json.loads(sys.argv[1]):
    os.environ.clear()
    os.environ.update({**plain, name: value})
    try:
        create_app()
    except Exception as error:
        refusals[f"{name}={value}"] = str(error)
print(json.dumps(refusals))
"""


def documented() -> dict[str, str]:
    """The names in the document's first table, which is not of features, with their defaults."""
    table = DOCUMENT.read_text().partition("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \| (?:`(.*?)`)? ?\| \S", table, re.MULTILINE)
    return dict(rows)


def test_the_names_and_their_defaults_stay(tmp_path: Path) -> None:
    """To set a default changes nothing; to set another value does."""
    plain = {"HOME": str(tmp_path), "IS_SANDBOX": "1"}  # which lets root allow bypass mode
    defaults = documented()
    golden.check("environment_variables", defaults)
    assert defaults.keys() == OTHER.keys()
    unset = package.settings_of(plain)
    for name, default in defaults.items():
        written = default.replace("$XDG_STATE_HOME", "~/.local/state")
        # Only the repr: what Claude's environment gets is not in it, as it is the same or secret
        assert repr(package.settings_of({**plain, name: written})) == repr(unset), name
        other = package.settings_of({**plain, name: OTHER[name]})
        assert repr(other) != repr(unset) or (name in SECRETS and other != unset), name


def test_the_sentences_for_refused_values_stay(sandbox: Sandbox) -> None:
    assert REFUSED.keys() | NEVER_REFUSED == documented().keys() | {"HOME"}
    sandbox.state.mkdir(mode=0o700)
    (sandbox.state / "password").write_text("a file")
    cases = [
        (name, value.replace("@STATE@", str(sandbox.state)))
        for name, values in REFUSED.items()
        for value in values
    ]
    environ = {"PATH": os.environ["PATH"], "HOME": str(sandbox.home)}
    refusals = probe.printed(REFUSALS, environ, golden.text_of(cases))
    assert len(refusals) == len(cases)
    state = str(sandbox.state)
    golden.check(
        "refused_settings",
        {
            case.replace(state, "STATE"): sentence.replace(state, "STATE")
            for case, sentence in refusals.items()
        },
    )


@pytest.mark.usefixtures("integration")
def test_only_names_that_mean_nothing_are_reported(sandbox: Sandbox, stand_in: Path) -> None:
    values = {**OTHER, "CLAUDE_PATH": str(stand_in), "PORT": str(free_port())}
    values |= {"OPCODE_STATE_DIR": str(sandbox.state), "OPCODE_PROJECT_ROOTS": "~"}
    values |= {
        "OPCODE_DEMO": "0",
        "OPCODE_WORKERS": "1",
        "OPCODE_MEMORY_LIMIT": "0",
        "IS_SANDBOX": "1",
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "opcode_htmx"],
        cwd=ROOT,
        env={
            **sandbox.environment(),
            **values,
            "OPCODE_RUN_ID": "1" * 32,
            "OPCODE_RUN_FOLDER": "/run",
            "OPCODE_PASSWROD": "x",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            assert process.stdout
            until(lambda: "Ctrl-C" in (process.stdout.readline() if process.stdout else ""), "up")
        finally:
            process.kill()
        assert process.stderr
        # a busy machine may hold up the start, which is reported as well, with a stack
        lines = (line for line in process.stderr if not line.startswith(" "))
        reported = [line for line in lines if "loop_monitor" not in line]
    assert reported == ["OPCODE_PASSWROD is not a setting of this version and is ignored.\n"]
