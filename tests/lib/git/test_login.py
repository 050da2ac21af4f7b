"""Logins for remotes: for whom they are, and how git gets them."""

from __future__ import annotations

import os
from pathlib import Path

import gevent
import pytest

from opcode_htmx.lib.git import process
from opcode_htmx.lib.git.login import InvalidLogin, Login, is_forbidden, origin_of, refusal, wanted


@pytest.mark.parametrize(
    ("address", "origin"),
    [
        ("https://GitHub.com/a/b.git", "https://github.com"),
        ("http://ann@localhost:8080/a", "http://localhost:8080"),
        ("https://[::1]:8443/a", "https://[::1]:8443"),
        ("https://my_host.example./a", "https://my_host.example."),
        ("https://bücher.example/a", "https://bücher.example"),
        ("https://evil.example\\@github.com/a", "https://github.com"),
    ],
)
def test_a_login_is_for_scheme_host_and_port(address: str, origin: str) -> None:
    assert origin_of(address) == origin


@pytest.mark.parametrize(
    "host",
    ["github.com.helper=!sh", "*", "*.example", "a b.example", "a%2fb", "x'y", "a..b", "", "a$b"],
)
def test_no_login_is_for_a_host_that_would_be_another_setting_or_any_host(host: str) -> None:
    """It stands in the name of a setting, where `=` would begin a value: a program to run."""
    address = f"https://{host}/a/b.git"
    assert origin_of(address) == ""
    assert wanted(f"fatal: could not read Username for '{address}': prompts are off") is None


def test_a_login_for_no_host_is_refused() -> None:
    """Git would read its setting as one for all hosts."""
    with pytest.raises(InvalidLogin, match="addresses of http"):
        Login.typed(origin_of("git@github.com:a/b.git"), "ann", "word")


def test_an_error_on_the_way_to_git_does_not_print_the_login(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> None:
        raise ArithmeticError("odd")

    monkeypatch.setattr(process, "_feed", fail)
    process.run(["version"], tmp_path, dict(os.environ), secret=b"ann\nsecret word\n")
    printed = "".join(capfd.readouterr())
    assert ("odd" in printed, "secret word" in printed) == (True, False)


def test_a_program_that_reads_a_login_without_end_does_not_hold_up_the_server() -> None:
    seen: list[str] = []

    class NeverFull:
        def write(self, content: bytes) -> int:
            seen.append("written")
            if len(seen) > 100:
                raise BrokenPipeError
            return len(content)

    other = gevent.spawn(seen.append, "another one")
    process._feed(NeverFull(), b"ann\nword\n")  # type: ignore[arg-type]
    other.join()
    assert seen.index("another one") < 3


def test_only_the_status_403_is_a_refusal_of_what_a_login_may_do() -> None:
    origin = "http://127.0.0.1:40309"
    lacking = f"fatal: could not read Username for '{origin}': terminal prompts disabled"
    forbidden = f"fatal: unable to access '{origin}/a/': The requested URL returned error: 403"
    assert not is_forbidden(lacking)
    assert "did not accept" in refusal(origin, lacking)
    assert is_forbidden(forbidden)
    assert "does not let this login do that" in refusal(origin, forbidden)
