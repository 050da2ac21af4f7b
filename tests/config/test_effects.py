"""Every variable has an effect, and that of bypass mode needs to be allowed."""

from pathlib import Path

import pytest

from opcode_htmx.config.settings import Settings, SettingsError, work_in
from tests.config.variables import chosen, read


def test_every_variable_has_an_effect(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values = {
        "HOST": "127.0.0.1",
        "PORT": "9999",
        "OPCODE_USER": "me",
        "OPCODE_PASSWORD": "secret",
        "OPCODE_LOGIN_DAYS": "7",
        "OPCODE_LOGIN_IDLE_DAYS": "2",
        "CLAUDE_PATH": "/bin/claude",
        "CLAUDE_CONFIG_DIR": "/config",
        "XDG_STATE_HOME": "/states",
        "OPCODE_STATE_DIR": "/state",
        "OPCODE_PROJECT_ROOTS": "/",
        "OPCODE_PERMISSION_MODE": "plan",
        "OPCODE_ALLOWED_ORIGINS": "https://a.example",
        "OPCODE_ALLOWED_HOSTS": "a.example",
        "OPCODE_BASE_PATH": "/opcode",
        "OPCODE_TRUSTED_PROXIES": "10.0.0.2",
        "OPCODE_DEMO": "1",
        "OPCODE_STOP_DEADLINE": "1",
        "OPCODE_IDLE_TIMEOUT": "1",
        "OPCODE_ALLOW_BYPASS": "1",
        "OPCODE_ON_DISCONNECT": "stop",
        "OPCODE_DISCONNECT_GRACE": "5",
        "OPCODE_ON_EXIT": "stop",
        "OPCODE_MAX_RUNS": "3",
        "OPCODE_WORKERS": "2",
        "OPCODE_VIEWER_TIMEOUT": "1",
        "OPCODE_ASK_AHEAD": "0",
        "OPCODE_TASK_FOLDER": str(tmp_path),
        "OPCODE_TASK_TIMEOUT": "1",
        "OPCODE_RUN_TIMEOUT": "1",
        "OPCODE_WARM_START": "0",
        "OPCODE_WARM_TIMEOUT": "1",
        "OPCODE_MAX_OUTPUT": "1M",
        "OPCODE_MAX_LINE": "1M",
        "OPCODE_MEMORY_WARNING": "1M",
        "OPCODE_MEMORY_LIMIT": "1M",
        "OPCODE_MAX_QUEUED": "1",
        "OPCODE_MAX_VIEWERS": "1",
        "OPCODE_MIN_FREE": "1M",
        "OPCODE_KEEP_RUNS": "1",
        "GITHUB_USER": "me",
        "GITHUB_TOKEN": "secret",
        "OPCODE_GITHUB_TOKEN": "secret",
    }
    assert values.keys() == {variable.name for variable in Settings.variables()}
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    for name, value in values.items():
        assert read(tmp_path, **{name: value}) != read(tmp_path), name


BYPASS = {"OPCODE_PERMISSION_MODE": "bypassPermissions"}


def test_bypass_mode_needs_to_be_allowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(SettingsError, match="needs OPCODE_ALLOW_BYPASS=1"):
        read(tmp_path, **BYPASS)
    settings = read(tmp_path, **BYPASS, OPCODE_ALLOW_BYPASS="1")
    assert (settings.permission_mode, settings.allow_bypass) == ("bypassPermissions", True)


def test_bypass_mode_is_refused_for_root_outside_of_a_sandbox(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    with pytest.raises(SettingsError, match="for root.*IS_SANDBOX=1"):
        read(tmp_path, OPCODE_ALLOW_BYPASS="1")
    assert read(tmp_path, OPCODE_ALLOW_BYPASS="1", IS_SANDBOX="1").allow_bypass


def test_tasks_work_in_a_folder_of_the_project_roots_for_five_minutes(tmp_path: Path) -> None:
    (tmp_path / "tasks").mkdir()
    (tmp_path / "other").mkdir()
    assert read(tmp_path).task_folder is None
    assert read(tmp_path).task_timeout == 300
    assert read(tmp_path, OPCODE_TASK_FOLDER="~/tasks").task_folder == tmp_path / "tasks"
    with pytest.raises(SettingsError, match="OPCODE_TASK_FOLDER names .*, which is not a folder"):
        read(tmp_path, OPCODE_TASK_FOLDER="~/missing")
    with pytest.raises(SettingsError, match="outside OPCODE_PROJECT_ROOTS"):
        read(tmp_path, OPCODE_TASK_FOLDER="~/other", OPCODE_PROJECT_ROOTS="~/tasks")


def test_relative_paths_mean_the_same_in_another_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, here, there = (tmp_path / name for name in ("home", "here", "there"))
    for folder in (home, here / "a", here / "b", there):
        folder.mkdir(parents=True)
    paths = {
        "HOME": str(home),
        "CLAUDE_PATH": "bin/claude",
        "CLAUDE_CONFIG_DIR": "config",
        "OPCODE_STATE_DIR": "./state",
        "OPCODE_PROJECT_ROOTS": "a:b",
        "OPCODE_TASK_FOLDER": "a",
    }
    for name, path in paths.items():
        monkeypatch.setenv(name, path)
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.chdir(here)
    before = Settings.from_env()
    work_in(there, before)
    after = Settings.from_env()
    assert Path.cwd() == there
    assert before.project_roots == (here / "a", here / "b")
    assert chosen(after) == chosen(before)
