"""The environment of the process, of its parent and of Claude, and what must not show of it."""

from pathlib import Path
from typing import NoReturn

import pytest

from opcode_htmx.config.settings import Settings
from tests.config.variables import read


def test_neither_password_nor_environment_show_in_the_repr(tmp_path: Path) -> None:
    settings = read(tmp_path, OPCODE_PASSWORD="hunter22", ANTHROPIC_API_KEY="sk-secret")
    assert settings.password == "hunter22"
    assert "hunter22" not in repr(settings)
    assert "sk-secret" not in repr(settings)


def test_claude_environment_excludes_our_variables(tmp_path: Path) -> None:
    settings = read(
        tmp_path,
        PATH="/bin",
        ANTHROPIC_API_KEY="key",
        CLAUDE_CODE_USE_BEDROCK="1",
        CLAUDE_CODE_SESSIONEND_HOOKS_TIMEOUT_MS="9",
        HOST="127.0.0.1",
        PORT="8081",
        CLAUDE_PATH="/bin/claude",
        OPCODE_PASSWORD="hunter22",
        OPCODE_RUN_ID="an outer run",
    )
    assert settings.child_environment == {
        "HOME": str(tmp_path),
        "PATH": "/bin",
        "ANTHROPIC_API_KEY": "key",
        "CLAUDE_CODE_USE_BEDROCK": "1",
        "CLAUDE_CODE_SESSIONEND_HOOKS_TIMEOUT_MS": "9",
    }


@pytest.mark.parametrize(
    "mark",
    [
        "CLAUDECODE",
        "CLAUDE_CODE_CHILD_SESSION",
        "CLAUDE_CODE_ENTRYPOINT",
        "CLAUDE_CODE_SESSION_ACCESS_TOKEN",
        "CLAUDE_CODE_SSE_PORT",
        "CLAUDE_PID",
        "MAKEFLAGS",
        "SERVER_SOFTWARE",
    ],
)
def test_claude_does_not_inherit_variables_of_our_parent_process(tmp_path: Path, mark: str) -> None:
    assert mark not in read(tmp_path, **{mark: "1"}).child_environment


def test_claude_gets_its_config_folder_only_when_it_was_named(tmp_path: Path) -> None:
    assert "CLAUDE_CONFIG_DIR" not in read(tmp_path).child_environment
    assert "CLAUDE_CONFIG_DIR" not in read(tmp_path, CLAUDE_CONFIG_DIR="").child_environment
    named = read(tmp_path, CLAUDE_CONFIG_DIR="~/own")
    assert named.child_environment["CLAUDE_CONFIG_DIR"] == str(tmp_path / "own")


def test_settings_read_only_the_given_mapping(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PORT", "9999")
    monkeypatch.setenv("OPCODE_USER", "somebody")
    (tmp_path / ".env").write_text("OPCODE_USER=from-a-file\n")
    monkeypatch.chdir(tmp_path)
    settings = read(tmp_path)
    assert (settings.port, settings.user) == (8080, "opcode")


class Refusing(dict[str, str]):
    """An environment of which no value may be read."""

    def _refuse(self, *_: object) -> NoReturn:
        raise AssertionError("os.environ was read")

    get = __getitem__ = __iter__ = __contains__ = _refuse
    items = keys = values = copy = _refuse


def test_settings_do_not_read_the_environment_of_the_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("os.environ", Refusing())
        assert Settings.read({"PORT": "81"}, tmp_path).port == 81
