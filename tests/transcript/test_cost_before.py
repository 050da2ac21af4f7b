"""What a history file notes last of its session's cost, read from a place in it backwards."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from opcode_htmx.transcript.conversation import history_scan
from opcode_htmx.transcript.conversation.history_scan import cost_before


def noted(total: object) -> str:
    return json.dumps({"type": "cost-state", "totalCostUSD": total}) + "\n"


def said(text: str) -> str:
    message = {"id": "m", "role": "assistant", "content": [{"type": "text", "text": text}]}
    return json.dumps({"type": "assistant", "uuid": "u", "message": message}) + "\n"


@pytest.mark.parametrize("piece", [64, 256 * 1024])
def test_the_last_cost_before_a_place_is_found_in_pieces_of_any_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, piece: int
) -> None:
    monkeypatch.setattr(history_scan, "PIECE", piece)
    lines = [
        said("Hello."),
        noted(0.25),
        said("a long answer " * 40),
        noted(1.5),
        # a cost that is none, and words about one
        noted(None),
        said(noted(7.0)),
        said("The end."),
    ]
    path = tmp_path / "history.jsonl"
    path.write_text("".join(lines))
    ends = [sum(map(len, lines[:number])) for number in range(len(lines) + 1)]
    found = [cost_before(path, end) for end in ends]
    assert found == [0.0, 0.0, 0.25, 0.25, 1.5, 1.5, 1.5, 1.5]
    assert cost_before(path, ends[4] - 5) == 0.25, "a line that is cut off is none"


def test_without_a_file_nothing_is_known(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="history"):
        cost_before(tmp_path / "history.jsonl", 10)
