"""Listings are kept within bounds."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import pytest

from opcode_htmx.features.changes import listings
from opcode_htmx.features.changes.bases import Base
from opcode_htmx.features.changes.listings import Listings, Seen
from opcode_htmx.features.changes.places import Places
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
