"""The locked requirements: exact, hashed, free of hosts, and up to date with pyproject.toml."""

from __future__ import annotations

import re
import tomllib
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from scripts import claude_cli
from tests.support.environment import ROOT

RUNTIME, DEVELOPMENT, BUILD = "requirements.txt", "requirements-dev.txt", "requirements-build.txt"
ALL = (RUNTIME, DEVELOPMENT, BUILD)
BUILDS = {"include-group": "build"}
HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}")


def entries(name: str) -> list[str]:
    """The requirements of a file, each with its options, in one line."""
    text = (ROOT / name).read_text(encoding="utf-8").replace("\\\n", " ")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def pins(name: str) -> dict[str, str]:
    """Version by canonical name. Fails unless each requirement is one version."""
    found: dict[str, str] = {}
    for entry in entries(name):
        requirement = Requirement(entry.partition(" --hash")[0])
        (specifier,) = requirement.specifier
        assert specifier.operator == "==", entry
        found[canonicalize_name(requirement.name)] = specifier.version
    return found


def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", ALL)
def test_every_requirement_is_one_version_with_hashes(name: str) -> None:
    assert pins(name)
    assert [entry for entry in entries(name) if not HASH.search(entry)] == []


@pytest.mark.parametrize("name", ALL)
def test_a_lock_names_no_host_and_no_index(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    assert re.findall(r"://|--(?:extra-)?index|--find-links|--trusted-host", text) == []


def test_development_lock_contains_the_runtime_lock() -> None:
    assert pins(RUNTIME).items() <= pins(DEVELOPMENT).items()


def test_the_wheel_is_built_with_what_the_tests_use() -> None:
    assert pins(BUILD).items() <= pins(DEVELOPMENT).items()
    (backend,) = project()["build-system"]["requires"]
    assert project()["dependency-groups"]["build"] == [backend]


def test_the_extra_with_claude_begins_at_the_cli_of_the_tests() -> None:
    (extra,) = project()["project"]["optional-dependencies"]["claude"]
    assert extra.startswith(f"{claude_cli.WHEEL}>={claude_cli.PIN},")


@pytest.mark.parametrize("name", [RUNTIME, DEVELOPMENT])
def test_lock_satisfies_the_project_requirements(name: str) -> None:
    wanted = project()["project"]["dependencies"]
    if name == DEVELOPMENT:
        groups = project()["dependency-groups"]
        wanted = [*wanted, *groups["build"], *(each for each in groups["dev"] if each != BUILDS)]
    locked = pins(name)
    unmet = [
        text
        for text in wanted
        for requirement in [Requirement(text)]
        if not requirement.specifier.contains(locked[canonicalize_name(requirement.name)])
    ]
    assert unmet == [], "run `make lock`"
