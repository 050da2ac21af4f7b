"""A service gets the settings of the shell that installs it, and what Claude goes by."""

from __future__ import annotations

from pathlib import Path

from opcode_htmx.app.service.variables import kept
from opcode_htmx.config.child_environment import child_environment

DECLARED = {"HOST", "PORT", "OPCODE_PASSWORD", "GITHUB_TOKEN"}


def of(environ: dict[str, str]) -> dict[str, str]:
    return kept(environ, child_environment(environ, Path("/config")), DECLARED)


def test_settings_and_what_claude_goes_by_are_kept() -> None:
    environ = {
        "PORT": "9000",
        "OPCODE_PASSWORD": "hunter22",
        "GITHUB_TOKEN": "token",
        "PATH": "/usr/bin",
        "LC_ALL": "C.UTF-8",
        "https_proxy": "http://proxy:3128",
        "ANTHROPIC_API_KEY": "key",
        "CLAUDE_CODE_USE_BEDROCK": "1",
    }
    assert of(environ) == environ


def test_the_rest_of_the_shell_is_left_out() -> None:
    assert of({"PS1": "$ ", "SSH_AUTH_SOCK": "/tmp/agent", "OPCODE_PASSWROD": "x"}) == {}


def test_what_an_outer_claude_has_set_is_left_out() -> None:
    assert of({"CLAUDE_CODE_ENTRYPOINT": "cli", "CLAUDE_CODE_SESSION_ID": "1"}) == {}


def test_an_empty_setting_counts_as_unset() -> None:
    assert of({"HOST": "  ", "PATH": ""}) == {}
