"""Set-up says what it fetches, how large it is and how far it is, and what to do if it fails."""

import io
import sys

import pytest

from scripts import claude_cli, download

WRITES = """
import os, pathlib, time
file = pathlib.Path(os.environ["TMPDIR"], "some.whl")
for part in range(1, 5):
    file.write_bytes(bytes(250_000 * part))
    time.sleep(0.3)
"""
"""Downloads one megabyte in four parts."""


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def fetch(code: str, out: io.StringIO, timeout: float | None = None) -> str:
    download.run("the trees", 1, [sys.executable, "-c", code], timeout=timeout, out=out)
    return out.getvalue()


def test_a_terminal_counts_up_on_one_line() -> None:
    shown = fetch(WRITES, Terminal())
    assert shown.startswith("Fetching the trees (about 1 MB) …")
    assert "\rFetching the trees (about 1 MB) … 50 %" in shown
    assert shown.count("\n") == 1
    assert "100 %" not in shown, "the size is a rough one"
    last = shown.rpartition("\r")[2]
    assert last.startswith("Fetching the trees (about 1 MB) … done, ")
    assert len(last.rstrip("\n")) >= len("Fetching the trees (about 1 MB) … 99 %")


def test_a_log_gets_a_few_whole_lines() -> None:
    shown = fetch(WRITES, io.StringIO())
    assert "\r" not in shown
    first, *quarters, last = shown.splitlines()
    assert first == "Fetching the trees (about 1 MB)."
    assert quarters
    assert set(quarters) <= {f"Fetching the trees: {percent} %" for percent in (25, 50, 75)}
    assert last.startswith("Fetched the trees in ")


@pytest.mark.parametrize(
    ("output", "reason"),
    [
        ("ERROR: attempt\nERROR: No matching distribution\n", "ERROR: No matching distribution"),
        ("npm error code E404\nnpm error 404 Not Found\n", "npm error code E404"),
        ("odd\nwords\n\n", "words"),
        ("", "exit status 3"),
    ],
)
def test_the_reason_of_a_failure_is_one_line_of_the_program(output: str, reason: str) -> None:
    out = Terminal()
    with pytest.raises(download.DownloadError) as failed:
        fetch(f"import sys; sys.stderr.write({output!r}); sys.exit(3)", out)
    assert str(failed.value) == reason
    assert out.getvalue().endswith("failed      \n")


def test_a_program_that_is_missing_or_takes_too_long_is_a_failure() -> None:
    with pytest.raises(download.DownloadError, match="No such file"):
        download.run("the trees", 1, ["/nowhere/npm"], out=io.StringIO())
    with pytest.raises(download.DownloadError, match="longer than 1 seconds"):
        fetch("import time; time.sleep(60)", io.StringIO(), timeout=1)


def test_a_failure_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise download.DownloadError("ERROR: no network")

    monkeypatch.setattr(download, "run", fail)
    assert (claude_cli.install(), download.main(["requirements.txt"])) == (1, 1)
    said = capsys.readouterr().err
    assert said.count("ERROR: no network\nCheck the network") == 2
    assert "CLAUDE_PATH" in said
