"""Listings are kept within bounds, and read again after what happens meanwhile."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from opcode_htmx.features.changes import bases, listings, rows
from opcode_htmx.features.changes.bases import Base
from opcode_htmx.features.changes.listings import Listings, Seen
from opcode_htmx.features.changes.places import Places
from opcode_htmx.lib.git.changes import reading
from opcode_htmx.runs.supervisor import Supervisor


def test_the_oldest_listings_go_where_all_hold_many_changes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(listings, "MOST_KEPT", 10)
    found = Listings(cast(Places, None), cast(Supervisor, None))
    for name, count in (("a", 4), ("b", 4), ("c", 4), ("d", 40)):
        found._keep((name, "", Base.COMMIT), cast(Seen, SimpleNamespace(ordered=(None,) * count)))
        assert next(reversed(found._kept))[0] == name, "the newest is always kept"
        assert len(found._kept) == {"a": 1, "b": 2, "c": 2, "d": 1}[name]


def test_what_claude_writes_while_git_reads_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = [1.0]
    run = SimpleNamespace(live=True, folder=SimpleNamespace(last_output=lambda: written[0]))
    runs = SimpleNamespace(of_session=lambda _: [run])
    git = SimpleNamespace(repository=SimpleNamespace(git_dir=tmp_path))
    place = SimpleNamespace(git=git, top=tmp_path, inside=None, session_id="s")
    read = Listings(cast(Places, None), cast(Supervisor, runs))

    def listed(*_: object) -> Any:
        written[0] += while_reading
        return SimpleNamespace(changes=())

    monkeypatch.setattr(bases, "chosen", lambda *_: SimpleNamespace(commit=""))
    monkeypatch.setattr(reading, "listed", listed)
    monkeypatch.setattr(rows, "with_new_lines", lambda _, listing: listing)
    monkeypatch.setattr(rows, "ordered", lambda listing: listing.changes)
    monkeypatch.setattr(rows, "totals", lambda _: None)
    for while_reading in (0.0, 1.0):
        seen = read._read(cast(Any, place), Base.SESSION, 0)
        assert read.is_behind(seen) == bool(while_reading)
