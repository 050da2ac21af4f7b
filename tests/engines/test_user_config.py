"""The user's settings.json and CLAUDE.md: read verbatim, written atomically."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from opcode_htmx.engines.claude.config import user_config
from opcode_htmx.engines.claude.config.redaction import HIDDEN, in_arguments, in_url
from opcode_htmx.engines.claude.config.user_config import MOST_BYTES, UserFileError


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "settings.json"


def on_disk(file: Path) -> Any:
    return json.loads(file.read_text())


def test_no_file_is_no_settings_and_no_words(tmp_path: Path) -> None:
    assert user_config.settings(tmp_path / "nowhere") == {}
    assert user_config.system_prompt(tmp_path / "nowhere") == ""
    (tmp_path / "settings.json").write_text(" \n")
    assert user_config.settings(tmp_path) == {}


def test_all_given_settings_are_written(tmp_path: Path, file: Path) -> None:
    new = {"model": "opus", "of-tomorrow": {"deep": [1, None, 2.5, "ü"]}, "env": {"A": "b"}}
    assert user_config.save_settings(tmp_path, new) == new
    assert user_config.settings(tmp_path) == on_disk(file) == new
    assert "ü" in file.read_text()
    assert file.read_text().endswith("}\n")


def test_secrets_are_hidden_and_stay_when_they_come_back_hidden(tmp_path: Path, file: Path) -> None:
    env = {
        "ANTHROPIC_API_KEY": "sk-1",
        "ANTHROPIC_AUTH_TOKEN": "t",
        "DB_PASSWORD": "p",
        "MAX_THINKING_TOKENS": "8000",
        "EMPTY_KEY": "",
        "EDITOR": "vi",
    }
    file.write_text(json.dumps({"env": env, "apiKeyHelper": "/bin/helper"}))
    shown = user_config.settings(tmp_path)
    assert shown["env"] == {
        "ANTHROPIC_API_KEY": HIDDEN,
        "ANTHROPIC_AUTH_TOKEN": HIDDEN,
        "DB_PASSWORD": HIDDEN,
        "MAX_THINKING_TOKENS": "8000",
        "EMPTY_KEY": "",
        "EDITOR": "vi",
    }
    assert shown["apiKeyHelper"] == "/bin/helper"
    shown["env"]["DB_PASSWORD"] = "new"
    del shown["env"]["ANTHROPIC_AUTH_TOKEN"]
    again = user_config.save_settings(tmp_path, shown)
    assert again["env"]["DB_PASSWORD"] == HIDDEN
    del env["ANTHROPIC_AUTH_TOKEN"]
    assert on_disk(file)["env"] == {**env, "DB_PASSWORD": "new"}


def test_a_hidden_secret_that_was_never_there_is_refused(tmp_path: Path, file: Path) -> None:
    with pytest.raises(UserFileError, match="stands for the value of KEY"):
        user_config.save_settings(tmp_path, {"env": {"KEY": HIDDEN}})
    assert not file.exists()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (b'{\n "a": 1,\n}', r"not valid JSON \(line 3, column 1\)"),
        (b'{"a": NaN}', "not valid JSON"),
        (b"[" * 100_000, "not valid JSON"),
        (b"[1]", "holds no object"),
        (b'{"a": "\xff"}', "not UTF-8"),
        (b'{"a": "' + b"x" * MOST_BYTES + b'"}', "larger than 1 MB"),
    ],
)
def test_invalid_settings_file_is_reported_and_never_overwritten(
    tmp_path: Path, file: Path, text: bytes, sentence: str
) -> None:
    file.write_bytes(text)
    with pytest.raises(UserFileError, match=sentence):
        user_config.settings(tmp_path)
    with pytest.raises(UserFileError, match=sentence):
        user_config.save_settings(tmp_path, {"a": 2})
    assert file.read_bytes() == text


def test_non_json_value_is_refused(tmp_path: Path, file: Path) -> None:
    deep: dict[str, Any] = {}
    for _ in range(100_000):
        deep = {"a": deep}
    for value in (float("nan"), "half of \ud83d", deep, "x" * MOST_BYTES):
        with pytest.raises(UserFileError):
            user_config.save_settings(tmp_path, {"a": value})
    with pytest.raises(UserFileError):
        user_config.save_system_prompt(tmp_path, "half of \ud83d")
    assert list(tmp_path.iterdir()) == []


def test_a_new_file_is_private_and_an_old_one_keeps_its_mode(tmp_path: Path, file: Path) -> None:
    user_config.save_settings(tmp_path / "new", {})
    assert (tmp_path / "new" / "settings.json").stat().st_mode & 0o777 == 0o600
    file.write_text("{}")
    file.chmod(0o644)
    user_config.save_settings(tmp_path, {"a": 1})
    assert file.stat().st_mode & 0o777 == 0o644


def test_a_file_is_replaced_in_one_step(
    tmp_path: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write_text('{"a": 1}')
    with file.open() as before:
        user_config.save_settings(tmp_path, {"a": 2})
        assert before.read() == '{"a": 1}'
    assert on_disk(file) == {"a": 2}

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UserFileError, match="no space left"):
        user_config.save_settings(tmp_path, {"a": 3})
    assert on_disk(file) == {"a": 2}
    assert list(tmp_path.iterdir()) == [file]


def test_a_link_stays_one_and_its_file_is_replaced(tmp_path: Path) -> None:
    config, dotfiles = tmp_path / "config", tmp_path / "dotfiles"
    for folder in (config, dotfiles):
        folder.mkdir()
    (dotfiles / "claude.json").write_text('{"a": 1}')
    (config / "settings.json").symlink_to(dotfiles / "claude.json")
    user_config.save_settings(config, {"a": 2})
    assert (config / "settings.json").is_symlink()
    assert on_disk(dotfiles / "claude.json") == {"a": 2}
    assert [each.name for each in dotfiles.iterdir()] == ["claude.json"]


def test_links_that_lead_to_no_file_are_not_followed(tmp_path: Path, file: Path) -> None:
    for target in (tmp_path / "none", file, tmp_path):
        file.symlink_to(target)
        with pytest.raises(UserFileError):
            user_config.save_settings(tmp_path, {})
        file.unlink()
    assert list(tmp_path.iterdir()) == []


def test_non_file_settings_path_is_reported_without_blocking(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "settings.json")
    (tmp_path / "CLAUDE.md").mkdir()
    for ask in (user_config.settings, user_config.system_prompt):
        with pytest.raises(UserFileError, match="is not a file"):
            ask(tmp_path)
    with pytest.raises(UserFileError, match="is not a file"):
        user_config.save_system_prompt(tmp_path, "x")


def test_words_are_written_as_they_are(tmp_path: Path) -> None:
    text = "# Be kind\r\n\n- ü\n"
    user_config.save_system_prompt(tmp_path, text)
    assert user_config.system_prompt(tmp_path) == text
    assert (tmp_path / "CLAUDE.md").read_bytes() == text.encode()


def test_secrets_in_arguments_and_addresses_are_hidden() -> None:
    given = ["-y", "--api-key", "abc", "--token=abc", "-e", "GH_TOKEN=abc", "-e", "LANG=C", "key"]
    hidden = ["-y", "--api-key", HIDDEN, f"--token={HIDDEN}", "-e", f"GH_TOKEN={HIDDEN}"]
    assert list(in_arguments(given)) == [*hidden, "-e", "LANG=C", "key"]
    assert in_url("https://me:pw@host:1/mcp?a=1&b=2#x") == (
        f"https://{HIDDEN}@host:1/mcp?a={HIDDEN}&b={HIDDEN}#x"
    )
    assert in_url("http://127.0.0.1:9/mcp") == "http://127.0.0.1:9/mcp"
    assert in_url("http://[") == HIDDEN
