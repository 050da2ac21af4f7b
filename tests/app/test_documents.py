"""The documents list what the code declares: settings, state folders, layers, modules, tests."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterator

from opcode_htmx.app import state_folders
from opcode_htmx.app.registry import FEATURES
from opcode_htmx.features.feature import Feature
from scripts import reference
from tests.app.test_architecture import LAYERS
from tests.golden.golden import DATA

LOCKS = {"in_use.lock", "marks.lock", "starting.lock"}
"""Locks that are not named after what they lock."""


def test_what_features_declare_stands_in_the_documents() -> None:
    for path, text in reference.documents().items():
        assert path.read_text(encoding="utf-8") == text, (
            f"docs/{path.name} does not list what the features declare: run `make reference`"
        )


def rows() -> Iterator[tuple[set[str], str]]:
    """The names in the state folder that a row of the document is about, and its version."""
    for line in reference.STATE.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if len(cells) == 5 and cells[0].startswith(("`", "*")):
            paths = re.findall(r"`([^`]+)`", cells[0])
            beside = "/" in paths[0]  # names that follow stand in the same folder
            tops = {path.partition("/")[0] for path in paths if "/" in path or not beside}
            yield tops, cells[3]


def test_every_declared_part_of_the_state_folder_has_a_row_with_its_version() -> None:
    versions: dict[str, set[str]] = {}
    for names, version in rows():
        for name in names:
            versions.setdefault(name, set()).add(re.split(r"[; ]", version)[0])
    wrong = {
        declared.name: versions.get(declared.name, "no row")
        for declared in state_folders.of(FEATURES)
        if str("" if declared.version is None else declared.version)
        not in versions.get(declared.name, ())
    }
    assert wrong == {}, "docs/state.md has other versions"


def test_every_row_is_about_something_that_is_declared() -> None:
    names = set().union(*(names for names, _ in rows()))
    assert names - {each.name for each in state_folders.of(FEATURES)} == {"*.lock"}


def test_every_name_that_real_use_leaves_in_the_state_folder_is_declared() -> None:
    """What the golden tests have found there."""
    used = {path.partition("/")[0] for path in golden("state_folder")}
    new = {path.split("/")[1] for path in golden("new_state_folder") if "/" in path}
    declared = {each.name for each in state_folders.of(FEATURES)}
    allowed = declared | {f"{name}.lock" for name in declared} | LOCKS
    assert (used | new) - allowed == set()
    assert used
    assert new


def golden(name: str) -> list[str]:
    return list(json.loads((DATA / f"{name}.json").read_bytes()))


def test_the_modules_that_the_architecture_names_exist() -> None:
    text = (reference.ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    named = set(re.findall(r"(?<![/\w])(?:[a-z_]+/)+[a-z_]+\.py\b", text))
    assert len(named) > 30
    places = (reference.ROOT / "opcode_htmx", reference.ROOT)
    assert [path for path in named if not any((place / path).is_file() for place in places)] == []


def test_the_architecture_lists_the_layers_and_the_fields_of_a_feature() -> None:
    text = (reference.ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    assert " < ".join(LAYERS) in text
    for layer in LAYERS:
        assert f"| `{layer}/` |" in text
    for field in dataclasses.fields(Feature):
        assert field.name == "name" or f"`{field.name}`" in text, field.name


def test_the_tests_that_documents_name_exist() -> None:
    documents = [*(reference.ROOT / "docs").rglob("*.md"), reference.ROOT / "CONTRIBUTING.md"]
    named = {
        (document.name, path)
        for document in documents
        for path in re.findall(r"(?<![/\w.])(?:\w+/)+test_\w+\.py\b", document.read_text("utf-8"))
    }
    assert len(named) > 50
    places = (reference.ROOT / "tests", reference.ROOT)
    missing = {each for each in named if not any((place / each[1]).is_file() for place in places)}
    assert missing - {("CONTRIBUTING.md", "tests/features/hello/test_hello.py")} == set()
