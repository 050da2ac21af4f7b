"""The files of a project: listing, order of search results, and speed."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest

from opcode_htmx.lib.tree import search as files_module
from opcode_htmx.lib.tree.search import FileListing, ProjectFiles
from tests.support.cli.supervision import until
from tests.support.environment import SYSTEM_PATH, Sandbox


@pytest.fixture
def files(sandbox: Sandbox) -> ProjectFiles:
    return ProjectFiles({"PATH": SYSTEM_PATH, "HOME": str(sandbox.home), "GIT_DIR": "/nowhere"})


def write(project: Path, *paths: str) -> None:
    for path in paths:
        (project / path).parent.mkdir(parents=True, exist_ok=True)
        (project / path).write_text("x")


def git(sandbox: Sandbox, *arguments: str) -> None:
    environment = {"PATH": SYSTEM_PATH, "HOME": str(sandbox.home)}
    command = ["git", *arguments]
    subprocess.run(command, cwd=sandbox.project, env=environment, check=True)


def test_project_files_are_listed_by_git(sandbox: Sandbox, files: ProjectFiles) -> None:
    git(sandbox, "init", "--quiet")
    write(sandbox.project, "app.py", "new.py", "ignored/big.bin", ".github/ci.yml", "ünïcode.txt")
    (sandbox.project / ".gitignore").write_text("ignored/\n")
    git(sandbox, "add", "app.py")
    found = set(files.matching(sandbox.project, "", 50))
    assert found == {".gitignore", ".github/ci.yml", "app.py", "new.py", "ünïcode.txt"}


def test_a_folder_inside_a_repository_shows_its_own_files_only(
    sandbox: Sandbox, files: ProjectFiles
) -> None:
    git(sandbox, "init", "--quiet")
    write(sandbox.project, "outside.py", "inner/inside.py")
    assert files.matching(sandbox.project / "inner", "", 50) == ["inside.py"]


def test_a_repository_cannot_have_a_program_started(sandbox: Sandbox, files: ProjectFiles) -> None:
    git(sandbox, "init", "--quiet")
    trap = sandbox.home / "trap.sh"
    trap.write_text(f"#!/bin/sh\ntouch {sandbox.home}/sprung\n")
    trap.chmod(0o755)
    git(sandbox, "config", "core.fsmonitor", str(trap))
    write(sandbox.project, "app.py")
    assert files.matching(sandbox.project, "", 50) == ["app.py"]
    assert not (sandbox.home / "sprung").exists()


def test_listing_without_git_omits_hidden_and_built_files_and_links(
    sandbox: Sandbox, files: ProjectFiles
) -> None:
    write(sandbox.home, "secret/key")
    write(
        sandbox.project, "app.py", "src/a.py", ".env", ".cache/x", "node_modules/m.js", "build/o.o"
    )
    (sandbox.project / "way-out").symlink_to(sandbox.home / "secret")
    assert files.matching(sandbox.project, "", 50) == ["app.py", "src/a.py"]


def test_listing_is_cached_and_renewed_when_old(
    sandbox: Sandbox, files: ProjectFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(sandbox.project, "one.py")
    assert files.matching(sandbox.project, "py", 50) == ["one.py"]
    write(sandbox.project, "two.py")
    assert files.matching(sandbox.project, "py", 50) == ["one.py"]
    monkeypatch.setattr(files_module, "FRESH_SECONDS", 0.0)
    until(
        lambda: files.matching(sandbox.project, "py", 50) == ["one.py", "two.py"],
        "the new file is listed",
    )


def test_a_project_that_is_gone_has_no_files(tmp_path: Path, files: ProjectFiles) -> None:
    assert files.matching(tmp_path / "gone", "x", 50) == []


PATHS = [
    "README.md",
    "app.py",
    "docs/app-notes.md",
    "lib/mapper.py",
    "src/session/view.py",
    "src/shop/session_page.py",
    "tests/test_app.py",
]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("app", ["app.py", "docs/app-notes.md", "tests/test_app.py", "lib/mapper.py"]),
        ("APP.PY", ["app.py", "tests/test_app.py"]),
        ("session", ["src/shop/session_page.py", "src/session/view.py"]),
        ("src/se", ["src/session/view.py"]),
        ("sesspy", ["src/session/view.py", "src/shop/session_page.py"]),
        ("spage", ["src/shop/session_page.py"]),
        ("zebra", []),
        (".*", []),
        ("a\nb", []),
    ],
)
def test_names_come_before_folders_and_whole_words_before_letters(
    query: str, found: list[str]
) -> None:
    assert set(FileListing(PATHS).matching(query, 50)[: len(found)]) == set(found)
    assert FileListing(PATHS).matching(query, 50)[:1] == found[:1]


def test_extended_query_equals_a_fresh_query() -> None:
    listing = FileListing(PATHS)
    for query in ("s", "sv", "svi", "sviw", "s", "sp"):
        assert listing.matching(query, 50) == FileListing(PATHS).matching(query, 50)


def test_results_are_limited() -> None:
    assert len(FileListing(f"src/file{n}.py" for n in range(1000)).matching("file", 50)) == 50


def test_a_hundred_thousand_files_answer_a_keystroke_at_once() -> None:
    words = ["session", "orchard", "model", "view", "handler", "config", "button", "stream"]
    listing = FileListing(
        f"{words[n % 8]}/{words[n // 8 % 8]}_{n % 97}/{words[n // 64 % 8]}{n}.py"
        for n in range(100_000)
    )
    for query in ("s", "ses", "session", "sessview", "ordmod99"):
        listing.matching(query, 50)
        began = time.thread_time()
        assert listing.matching(query, 50)
        # a few ms of work; what this guards against is a walk over all in Python
        assert time.thread_time() - began < 0.15
