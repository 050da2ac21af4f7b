"""Compare a value with its golden file; `GOLDEN=write` writes the files anew."""

from __future__ import annotations

import difflib
import json
import os
from pathlib import Path

import pytest

DATA = Path(__file__).parent / "data"


def check(name: str, value: object, data: Path = DATA) -> None:
    """Fail with a diff unless `value`, as sorted JSON, is what the golden file holds."""
    path, found = data / f"{name}.json", text_of(value)
    if os.environ.get("GOLDEN") == "write":
        if os.environ.get("CI") == "true":
            pytest.fail("Golden files are not written in CI.")
        path.write_text(found, encoding="utf-8")
        return
    expected = path.read_text(encoding="utf-8") if path.exists() else ""
    if found != expected:
        pytest.fail(f"{explain(path, expected, found)}", pytrace=False)


def text_of(value: object) -> str:
    return json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def explain(path: Path, expected: str, found: str) -> str:
    """A sentence, and the lines that differ."""
    diff = difflib.unified_diff(
        expected.splitlines(), found.splitlines(), path.name, "found", lineterm="", n=6
    )
    return "\n".join(
        (
            f"{path.name} no longer holds. If the change is meant, write the golden files anew"
            " with `GOLDEN=write pytest tests/golden` and describe it in CHANGELOG.md.",
            *diff,
        )
    )
