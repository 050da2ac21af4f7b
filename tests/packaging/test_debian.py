"""The recipe of the Debian package: complete, pinned by hash, and of one mind about its place."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.support.environment import ROOT

RECIPE = ROOT / "deploy/debian"
DEBIAN = RECIPE / "debian"
PLACE = "/usr/lib/opcode-htmx"


def fields(paragraph: str) -> dict[str, str]:
    """The fields of a paragraph of debian/control, each in one line."""
    lines = re.sub(r"\n[ \t]+", " ", paragraph.strip()).splitlines()
    return {name: text.strip() for name, _, text in (line.partition(":") for line in lines)}


def read(name: str) -> str:
    return (DEBIAN / name).read_text(encoding="utf-8")


def test_package_depends_on_the_python_that_it_was_built_for() -> None:
    source, package = map(fields, read("control").split("\n\n"))
    assert source["Source"] == package["Package"] == "opcode-htmx"
    assert package["Architecture"] == "any", "some Python packages are machine code"
    depends = package["Depends"].split(", ")
    assert depends[:2] == ["python3 (>= ${python3:Version})", "python3 (<< ${python3:Next})"]
    assert {"${shlibs:Depends}", "${misc:Depends}"} <= set(depends)
    assert "-Vpython3:Version=" in read("rules")
    assert "-Vpython3:Next=" in read("rules")


def test_everything_that_is_installed_is_pinned_by_hash_or_is_the_wheel() -> None:
    installs = [line for line in read("rules").splitlines() if "$(PIP) install" in line]
    assert len(installs) == 2
    assert "--require-hashes --requirement requirements.txt" in installs[0]
    assert "--no-deps --no-index opcode_htmx-*.whl" in installs[1]


def test_every_script_means_the_same_place() -> None:
    assert f"\nPLACE = {PLACE}\n" in read("rules")
    for name, command in (("postinst", "py3compile"), ("prerm", "py3clean")):
        assert f"{command} -p opcode-htmx" in read(name)
    assert PLACE in read("postinst")
    assert f"{PLACE}/bin/python3" in read("opcode-htmx.lintian-overrides")


@pytest.mark.parametrize("name", ["postinst", "prerm"])
def test_maintainer_scripts_stop_at_an_error_and_leave_room_for_debhelper(name: str) -> None:
    lines = read(name).splitlines()
    assert lines[:2] == ["#!/bin/sh", "set -e"]
    assert lines[-1] == "#DEBHELPER#"


@pytest.mark.parametrize("path", [RECIPE / "build.sh", DEBIAN / "postinst", DEBIAN / "prerm"])
def test_scripts_are_shell(path: Path) -> None:
    subprocess.run(["sh", "-n", str(path)], check=True, timeout=20)  # noqa: S607


@pytest.mark.parametrize("path", [RECIPE / "build.sh", DEBIAN / "rules"])
def test_what_is_run_can_be_executed(path: Path) -> None:
    assert path.stat().st_mode & 0o111 == 0o111


def test_files_that_the_recipe_names_exist() -> None:
    named = [f"deploy/debian/{line}" for line in read("opcode-htmx.manpages").split()]
    copied = re.search(r"^cp (requirements\.txt.*) \"", (RECIPE / "build.sh").read_text(), re.M)
    assert copied is not None
    named += copied[1].split()
    assert [each for each in named if not (ROOT / each).is_file()] == []
    docs = read("opcode-htmx.docs").split()
    assert set(docs) <= {Path(each).name for each in named}
