"""gevent's search for plugins: the same ones are found, by reading the packages once."""

from __future__ import annotations

from importlib import metadata
from typing import Any

import pytest

from opcode_htmx.web.server.worker import plugins_read_once

GROUPS = ("gevent.plugins.monkey.will_patch_all", "console_scripts", "nobody.declares.this")


def test_the_same_plugins_are_found() -> None:
    expected = [set(metadata.entry_points(group=group)) for group in GROUPS]
    with plugins_read_once():
        assert [set(metadata.entry_points(group=group)) for group in GROUPS] == expected
    assert expected[0]
    assert not expected[-1]


def test_packages_are_read_once_and_afterwards_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    def counted(**wanted: str) -> Any:
        asked.append(wanted)
        return original(**wanted)

    original, asked = metadata.entry_points, list[dict[str, str]]()
    monkeypatch.setattr(metadata, "entry_points", counted)
    with pytest.raises(ZeroDivisionError), plugins_read_once():
        for group in GROUPS * 3:
            metadata.entry_points(group=group)
        raise ZeroDivisionError
    assert asked == [{}]
    assert metadata.entry_points is counted
