"""Finding the CLI among real executables, and reading the login status of the real one."""

import importlib.util
import os
import shlex
import subprocess
import sys
import time
from pathlib import Path

import pytest

from opcode_htmx.engines.claude.install import cli_binary
from opcode_htmx.engines.claude.install.known_login import KnownLogin
from tests.support.environment import PATIENCE

# The first instructions of a stand-in; the interpreter is found without PATH.
SHELL = "#!/bin/sh\n"


def install(path: Path, script: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(SHELL + script)
    path.chmod(0o755)
    return path


def says(version: str) -> str:
    return f"echo {shlex.quote(version + ' (Claude Code)')}\n"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine of our own: no wheel, no system-wide installation, an empty home."""
    monkeypatch.setattr(cli_binary, "WHEEL", "no_such_wheel")
    monkeypatch.setattr(cli_binary, "_SYSTEM_PLACES", ())
    folder = tmp_path / "home"
    folder.mkdir()
    return folder


def test_missing_cli_error_says_how_to_install_it(home: Path) -> None:
    with pytest.raises(cli_binary.BinaryNotFound, match="make run.*npm install"):
        cli_binary.find(None, "/nowhere", home)


def test_the_highest_version_wins_compared_as_numbers(home: Path, tmp_path: Path) -> None:
    install(tmp_path / "a/claude", says("2.1.200"))
    install(tmp_path / "b/claude", says("2.10.3"))
    install(tmp_path / "c/claude", says("2.9.999"))
    found = cli_binary.find(None, f"{tmp_path}/a:{tmp_path}/b:{tmp_path}/c", home)
    assert found == cli_binary.Binary(tmp_path / "b/claude", (2, 10, 3))


@pytest.mark.parametrize(
    "place",
    [
        ".claude/local/claude",
        ".local/bin/claude",
        ".npm-global/bin/claude",
        ".yarn/bin/claude",
        ".bun/bin/claude",
        ".config/yarn/global/node_modules/.bin/claude",
        ".nvm/versions/node/v22.1.0/bin/claude",
    ],
)
def test_the_usual_places_are_searched(home: Path, place: str) -> None:
    install(home / place, says("2.2.0"))
    assert cli_binary.find(None, "", home).path == home / place


def test_the_wheel_is_found_without_being_imported(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli_binary, "WHEEL", "wheel_of_ours")
    monkeypatch.syspath_prepend(tmp_path)
    bundled = install(tmp_path / "wheel_of_ours/_bundled/claude", says("2.2.0"))
    (tmp_path / "wheel_of_ours/__init__.py").write_text("raise RuntimeError('imported')")
    assert cli_binary.find(None, "", home).path == bundled
    assert "wheel_of_ours" not in sys.modules


def test_a_relative_entry_of_path_is_not_searched(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path / "claude", says("9.9.9"))
    monkeypatch.chdir(tmp_path)
    assert cli_binary.installations(".:", home) == []


def test_one_file_under_many_names_is_probed_once(home: Path, tmp_path: Path) -> None:
    log = tmp_path / "asked"
    real = install(tmp_path / "a/claude", f"echo x >> {shlex.quote(str(log))}\n" + says("2.2.0"))
    (tmp_path / "b").mkdir()
    (tmp_path / "b/claude").symlink_to(real)
    assert len(cli_binary.installations(f"{tmp_path}/a:{tmp_path}/b:{tmp_path}/a", home)) == 1
    assert log.read_text() == "x\n"


@pytest.mark.parametrize("script", ["exit 1\n", "echo hello\n", says("2.2.0") + "exit 3\n"])
def test_failing_candidate_is_skipped(home: Path, tmp_path: Path, script: str) -> None:
    install(tmp_path / "a/claude", script)
    install(tmp_path / "b/claude", says("2.1.118"))
    found = cli_binary.find(None, f"{tmp_path}/a:{tmp_path}/b", home)
    assert found.path == tmp_path / "b/claude"


def test_non_executable_candidates_are_skipped(home: Path, tmp_path: Path) -> None:
    install(tmp_path / "a/claude", says("2.2.0")).chmod(0o644)
    (tmp_path / "b/claude").mkdir(parents=True)
    garbage = tmp_path / "c/claude"
    garbage.parent.mkdir()
    garbage.write_bytes(b"\x7fELF garbage")
    garbage.chmod(0o755)
    assert cli_binary.installations(f"{tmp_path}/a:{tmp_path}/b:{tmp_path}/c", home) == []


def test_a_candidate_that_hangs_is_killed_with_its_children(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli_binary, "VERSION_TIMEOUT", 0.3)
    # The child holds the pipe open; waiting for its end would take ten minutes.
    install(tmp_path / "a/claude", "/bin/sleep 600 &\nwait\n")
    began = time.monotonic()
    assert cli_binary.installations(str(tmp_path / "a"), home) == []
    assert time.monotonic() - began < PATIENCE


def test_candidates_do_not_see_our_environment(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPCODE_PASSWORD", "hunter22")
    install(tmp_path / "a/claude", 'test -z "$OPCODE_PASSWORD" || exit 1\n' + says("2.2.0"))
    assert len(cli_binary.installations(str(tmp_path / "a"), home)) == 1


def test_a_cli_that_is_too_old_is_refused_with_its_version(home: Path, tmp_path: Path) -> None:
    install(tmp_path / "a/claude", says("2.1.117"))
    with pytest.raises(
        cli_binary.BinaryTooOld, match=r"is version 2\.1\.117, and 2\.1\.118 or newer"
    ):
        cli_binary.find(None, str(tmp_path / "a"), home)


def test_claude_path_is_used_even_if_a_newer_one_is_installed(home: Path, tmp_path: Path) -> None:
    install(tmp_path / "a/claude", says("2.9.0"))
    named = install(tmp_path / "named", says("2.1.118"))
    found = cli_binary.find(named, str(tmp_path / "a"), home)
    assert found == cli_binary.Binary(named, (2, 1, 118))


def test_broken_claude_path_is_an_error_without_a_search(home: Path, tmp_path: Path) -> None:
    install(tmp_path / "a/claude", says("2.9.0"))
    with pytest.raises(cli_binary.BinaryNotFound, match="CLAUDE_PATH names"):
        cli_binary.find(tmp_path / "missing", str(tmp_path / "a"), home)


def test_a_claude_path_that_is_too_old_is_refused(home: Path, tmp_path: Path) -> None:
    named = install(tmp_path / "named", says("1.0.0"))
    with pytest.raises(cli_binary.BinaryTooOld):
        cli_binary.find(named, "", home)


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("echo '{\"loggedIn\": true}'\n", True),
        ("echo '{\"loggedIn\": false}'\nexit 1\n", False),
        ("echo '{\"loggedIn\": true}'\nexit 1\n", False),
    ],
)
def test_the_login_is_read_from_json_and_exit_status(
    tmp_path: Path, script: str, expected: bool
) -> None:
    cli = cli_binary.Binary(install(tmp_path / "claude", script), (2, 2, 0))
    assert cli_binary.logged_in(cli, {}) is expected


@pytest.mark.parametrize(
    ("change", "remembered"),
    [
        ({}, True),
        ({"PATH": "/bin", "LANG": "C"}, True),
        ({"ANTHROPIC_API_KEY": "another"}, True),
        ({"ANTHROPIC_BASE_URL": "http://127.0.0.1:9"}, False),
        ({"CLAUDE_CONFIG_DIR": "/elsewhere"}, False),
    ],
)
def test_a_login_is_remembered_for_one_cli_in_one_environment(
    tmp_path: Path, change: dict[str, str], remembered: bool
) -> None:
    cli = cli_binary.Binary(
        install(tmp_path / "claude", "echo '{\"loggedIn\": true}'\n"), (2, 2, 0)
    )
    environ = {"HOME": str(tmp_path), "ANTHROPIC_API_KEY": "sk-secret"}
    login = KnownLogin(tmp_path, cli, environ)
    assert not login.is_remembered()
    assert login.ask()
    assert KnownLogin(tmp_path, cli, environ | change).is_remembered() is remembered
    other = cli_binary.Binary(tmp_path / "other", (2, 2, 0))
    assert not KnownLogin(tmp_path, other, environ).is_remembered()
    assert not KnownLogin(tmp_path, cli, {"HOME": str(tmp_path)}).is_remembered()
    assert "secret" not in (tmp_path / "known_login").read_text()
    assert (tmp_path / "known_login").stat().st_mode & 0o777 == 0o600


def test_who_is_not_logged_in_is_asked_every_time(tmp_path: Path) -> None:
    script = install(tmp_path / "claude", "echo '{\"loggedIn\": true}'\n")
    login = KnownLogin(tmp_path, cli_binary.Binary(script, (2, 2, 0)), {})
    assert login.ask()
    install(script, "echo '{\"loggedIn\": false}'\nexit 1\n")
    assert not login.ask()
    assert not login.is_remembered()


@pytest.mark.parametrize("script", ["echo crash >&2\nexit 2\n", "echo '[]'\n", "echo '{}'\n"])
def test_cli_without_a_login_status_is_an_error(tmp_path: Path, script: str) -> None:
    cli = cli_binary.Binary(install(tmp_path / "claude", script), (2, 2, 0))
    with pytest.raises(cli_binary.BinaryError, match="did not say whether it is logged in"):
        cli_binary.logged_in(cli, {})


@pytest.fixture
def real_cli(integration: None, tmp_path: Path) -> cli_binary.Binary:
    return cli_binary.find(None, os.defpath, tmp_path)


def clean_environment(home: Path, **more: str) -> dict[str, str]:
    return {
        "HOME": str(home),
        "CLAUDE_CONFIG_DIR": str(home / "config"),
        "PATH": os.defpath,
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "DISABLE_AUTOUPDATER": "1",
        **more,
    }


def test_the_real_cli_is_found_and_new_enough(real_cli: cli_binary.Binary) -> None:
    assert real_cli.version >= cli_binary.MINIMUM_VERSION


def test_real_cli_reports_a_missing_login(real_cli: cli_binary.Binary, tmp_path: Path) -> None:
    assert cli_binary.logged_in(real_cli, clean_environment(tmp_path)) is False


def test_the_real_cli_with_a_key_counts_as_logged_in(
    real_cli: cli_binary.Binary, tmp_path: Path
) -> None:
    environment = clean_environment(tmp_path, ANTHROPIC_API_KEY="dummy")
    assert cli_binary.logged_in(real_cli, environment) is True


@pytest.mark.parametrize("patch", ["", "from gevent import monkey; monkey.patch_all();"])
def test_search_works_with_and_without_gevent(home: Path, tmp_path: Path, patch: str) -> None:
    install(tmp_path / "a/claude", "/bin/sleep 60 &\nwait\n")
    install(tmp_path / "b/claude", says("2.2.0"))
    code = f"""{patch}
from pathlib import Path
from opcode_htmx.engines.claude.install import cli_binary
cli_binary.VERSION_TIMEOUT, cli_binary.WHEEL = 0.5, "no_such_wheel"
print(cli_binary.find(None, "{tmp_path}/a:{tmp_path}/b", Path("{home}")).path)
"""
    spec = importlib.util.find_spec("opcode_htmx")
    assert spec is not None and spec.origin is not None
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=Path(spec.origin).parent.parent,
        env={"PATH": os.defpath},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (result.stdout, result.stderr) == (f"{tmp_path}/b/claude\n", "")
