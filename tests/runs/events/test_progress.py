"""The stored progress of the events of a run."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given

from opcode_htmx.runs.events import progress
from opcode_htmx.runs.events.progress import Progress
from tests.support.fuzzing import changed, examples

FULL = Progress(
    input=12,
    output=34,
    started=True,
    journal="2.56",
    asks={"r1": "Bash"},
    early={"r2": [(7, True, 1.5), (9, False, None)]},
    model="m",
    cost_usd=0.25,
    warned={"output": 2},
    warnings=["output"],
)


@pytest.mark.parametrize("each", [FULL, Progress()], ids=["full", "empty"])
def test_progress_round_trips(tmp_path: Path, each: Progress) -> None:
    assert progress.load(tmp_path) is None
    progress.store(tmp_path, each.dump())
    data = progress.load(tmp_path)
    assert data is not None
    assert Progress.parse(data) == each
    progress.remove(tmp_path)
    progress.remove(tmp_path)
    assert progress.load(tmp_path) is None


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"{}", b'{"version": 2}'])
def test_progress_of_an_unknown_version_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError):
        Progress.parse(data)


@given(data=changed([FULL.dump()]))
@examples(100)
def test_fuzz_a_file_holds_progress_or_is_refused(data: bytes) -> None:
    try:
        found = Progress.parse(data)
    except (ValueError, TypeError):
        return
    assert Progress.parse(found.dump()) == found
