"""The golden files themselves: a mismatch fails with a diff, and CI writes none."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.golden import golden


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A golden file of its own."""
    monkeypatch.delenv("GOLDEN", raising=False)
    monkeypatch.delenv("CI", raising=False)
    path = tmp_path / "fruit.json"
    path.write_text(golden.text_of({"plums": 3}))
    return path


def test_a_difference_fails_and_shows_both_sides(kept: Path) -> None:
    golden.check("fruit", {"plums": 3}, kept.parent)
    with pytest.raises(pytest.fail.Exception) as caught:
        golden.check("fruit", {"plums": 4}, kept.parent)
    assert '- "plums": 3\n+ "plums": 4' in str(caught.value)
    assert "GOLDEN=write" in str(caught.value)


def test_a_missing_golden_file_fails(kept: Path) -> None:
    with pytest.raises(pytest.fail.Exception):
        golden.check("vegetables", {}, kept.parent)


def test_golden_files_are_written_on_request_and_never_in_ci(
    kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOLDEN", "write")
    golden.check("fruit", {"plums": 4}, kept.parent)
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="not written in CI"):
        golden.check("fruit", {"plums": 5}, kept.parent)
    assert kept.read_text() == golden.text_of({"plums": 4})
