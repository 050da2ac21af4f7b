"""The locked requirements: exact, hashed, free of hosts, and up to date with pyproject.toml."""

from __future__ import annotations

import re
import tomllib
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.support.environment import ROOT

RUNTIME, DEVELOPMENT = "requirements.txt", "requirements-dev.txt"
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


@pytest.mark.parametrize("name", [RUNTIME, DEVELOPMENT])
def test_every_requirement_is_one_version_with_hashes(name: str) -> None:
    assert pins(name)
    assert [entry for entry in entries(name) if not HASH.search(entry)] == []


@pytest.mark.parametrize("name", [RUNTIME, DEVELOPMENT])
def test_a_lock_names_no_host_and_no_index(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    assert re.findall(r"://|--(?:extra-)?index|--find-links|--trusted-host", text) == []


def test_development_lock_contains_the_runtime_lock() -> None:
    assert pins(RUNTIME).items() <= pins(DEVELOPMENT).items()


@pytest.mark.parametrize("name", [RUNTIME, DEVELOPMENT])
def test_lock_satisfies_the_project_requirements(name: str) -> None:
    wanted = project()["project"]["dependencies"]
    if name == DEVELOPMENT:
        wanted = wanted + project()["dependency-groups"]["dev"]
    locked = pins(name)
    unmet = [
        text
        for text in wanted
        for requirement in [Requirement(text)]
        if not requirement.specifier.contains(locked[canonicalize_name(requirement.name)])
    ]
    assert unmet == [], "run `make lock`"
