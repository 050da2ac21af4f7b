"""A capability is one folder: that of CONTRIBUTING.md, made from the document in a copy of this.

The checks of every page, route, setting and state folder find it without an edit of any test.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.app.test_architecture import wrong_imports
from tests.security.access.doors import ONLY
from tests.support.environment import ROOT

pytestmark = [
    pytest.mark.browser,
    pytest.mark.usefixtures("integration"),
    pytest.mark.timeout(300),
]

GUIDE = ROOT / "CONTRIBUTING.md"
FILES = {
    *(f"opcode_htmx/features/hello/{name}" for name in ("__init__.py", "routes.py", "service.py")),
    "opcode_htmx/features/hello/templates/hello/hello.html",
    "tests/features/hello/__init__.py",
    "tests/features/hello/test_hello.py",
}
"""The files of the example."""
REGISTRY = "opcode_htmx/app/registry.py"
WRITTEN = {
    "docs/configuration.md",
    "docs/state.md",
    "tests/golden/data/openapi.json",
    "tests/golden/data/url_map.json",
}
"""The files that the commands of the guide write."""
NOT_COPIED = (".git", ".venv", ".cache", ".*_cache", ".hypothesis", "screenshots")
LEFT_OUT = (*NOT_COPIED, "__pycache__")
PAGE = "tests/app/pages/test_every_page.py::test_every_address_answers_and_every_page_is_well_made"
DOORS = "tests/security/access/every_door/test_every_door.py"
ARCHITECTURE = "tests/app/test_architecture.py"
DOCUMENTS = (
    "tests/app/test_documents.py::test_what_features_declare_stands_in_the_documents",
    "tests/app/test_documents.py::test_every_declared_part_of_the_state_folder_has_a_row_with_its_version",
    "tests/app/test_documents.py::test_every_row_is_about_something_that_is_declared",
)
GETS = "tests/security/access/test_get_only_shows.py"
GOLDEN = ("tests/golden/test_url_map.py", "tests/golden/test_openapi.py")
"""The tests that write the capability down."""
CHECKS = (
    "tests/features/hello",
    f"{ARCHITECTURE}::test_every_module_is_in_a_layer_or_is_an_entry_point",
    f"{ARCHITECTURE}::test_every_feature_is_registered",
    "tests/app/test_template_rules.py::test_a_template_has_no_script_no_style_and_escapes_all",
    *DOCUMENTS,
    "tests/config/test_settings.py",
    f"{PAGE}[/hello]",
    f"{PAGE}[/api/hello]",
    f"{DOORS}::test_no_endpoint_admits_without_a_login",
    f"{DOORS}::test_no_change_is_made_without_the_token_of_the_login",
    f"{GETS}::test_a_get_changes_nothing_unless_its_view_is_marked_and_leads_nowhere_outside",
    "tests/api/rest/test_description.py::test_every_route_of_the_api_is_described_and_nothing_else",
)
"""What must pass with the capability in place.

A test that reads every source would read all others again: it is asked about these alone."""


def files_of_guide(text: str) -> dict[str, str]:
    """The files that the guide prints, by their paths: a path in backquotes before each block."""
    return dict(re.findall(r"^`([^`\n]+)`:\n\n```\w+\n(.*?)^```$", text, re.MULTILINE | re.DOTALL))


def with_diffs(source: str, guide: str) -> str:
    """A source with the added lines of all diffs that the guide prints."""
    for diff in re.findall(r"^```diff\n(.*?)^```$", guide, re.MULTILINE | re.DOTALL):
        lines = diff.splitlines(keepends=True)
        before = "".join(line[1:] for line in lines if line[0] == " ")
        assert source.count(before) == 1, f"the guide's diff fits nowhere, or twice:\n{diff}"
        source = source.replace(before, "".join(line[1:] for line in lines))
    return source


class Copy:
    """A copy of the checkout, without its history.

    Compiled modules are copied and written as well: its commands start a dozen processes."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "copy"
        self._home = folder / "home"
        self._home.mkdir()
        names = [each.name for each in ROOT.iterdir()]
        ignored = shutil.ignore_patterns(*NOT_COPIED)(str(ROOT), names)
        self.root.mkdir()
        copied = [str(ROOT / name) for name in names if name not in ignored]
        subprocess.run(["cp", "-a", *copied, str(self.root)], check=True)  # noqa: S607
        (self.root / ".venv").symlink_to(ROOT / ".venv")

    def run(self, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        """Python in the copy, with a home of its own."""
        kept = {name: os.environ[name] for name in ("PATH", "CI") if name in os.environ}
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=self.root,
            env={**kept, "HOME": str(self._home), **environ},
            capture_output=True,
            text=True,
            timeout=240,
        )

    def test(self, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        return self.run("-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments, **environ)

    def differences(self) -> set[str]:
        """The files that are not as in the checkout, or not in both."""
        here, there = contents(ROOT), contents(self.root)
        return {path for path in here | there if here.get(path) != there.get(path)}


def contents(root: Path) -> dict[str, bytes]:
    ignored = shutil.ignore_patterns(*LEFT_OUT)
    found = {}
    for folder, names, files in os.walk(root):
        names[:] = set(names) - ignored(folder, names)
        for name in set(files) - ignored(folder, files):
            path = Path(folder, name)
            found[str(path.relative_to(root))] = path.read_bytes()
    return found


def test_the_capability_of_the_guide_is_found_by_every_check(tmp_path: Path) -> None:
    guide = GUIDE.read_text(encoding="utf-8")
    printed = files_of_guide(guide)
    assert printed.keys() == FILES
    copy = Copy(tmp_path)
    for path, text in printed.items():
        (copy.root / path).parent.mkdir(parents=True, exist_ok=True)
        (copy.root / path).write_text(text, encoding="utf-8")
    registry = copy.root / REGISTRY
    registry.write_text(with_diffs(registry.read_text(encoding="utf-8"), guide), encoding="utf-8")
    before = (ROOT / REGISTRY).read_text(encoding="utf-8").splitlines()
    assert len(registry.read_text(encoding="utf-8").splitlines()) == len(before) + 1

    assert copy.run("scripts/reference.py").returncode == 0
    assert "OPCODE_HELLO_GREETING" in (copy.root / "docs/configuration.md").read_text()
    sources = sorted(path for path in (*FILES, REGISTRY) if path.endswith(".py"))
    for path in (path for path in sources if path.startswith("opcode_htmx/")):
        name = path.removeprefix("opcode_htmx/").removesuffix(".py").replace("/", ".")
        assert wrong_imports((copy.root / path).read_text(encoding="utf-8"), name) == set()
    style = copy.run("-m", "ruff", "check", "--no-cache", *sources)
    assert style.returncode == 0, style.stdout
    formatted = copy.run("-m", "ruff", "format", "--no-cache", "--check", *sources)
    assert formatted.returncode == 0, formatted.stdout
    # one run of pytest for all: its start takes as long as most of the checks
    rules = {ONLY: "/hello /api/hello /logout"}  # this tries all others
    checks = copy.test(*GOLDEN, *CHECKS, GOLDEN="write", CI="", **rules)
    assert checks.returncode == 0, checks.stdout[-5000:]
    assert "skipped" not in checks.stdout
    assert copy.differences() == {*FILES, REGISTRY, *WRITTEN}
    assert [line for line in removed(copy) if line.strip(" ,}]")] == []


def removed(copy: Copy) -> list[str]:
    """The lines of golden files that are no longer there."""
    gone: list[str] = []
    for path in WRITTEN:
        if path.startswith("tests/golden"):
            now = (copy.root / path).read_text(encoding="utf-8").splitlines()
            gone += set((ROOT / path).read_text(encoding="utf-8").splitlines()) - set(now)
    return gone


def test_a_diff_that_no_longer_fits_is_an_error() -> None:
    with pytest.raises(AssertionError, match="fits nowhere"):
        with_diffs("a\nb\n", "```diff\n a\n+x\n c\n```\n")
    assert with_diffs("a\nb\n", "```diff\n a\n+x\n b\n```\n") == "a\nx\nb\n"
