"""Clones that are held, and the names in a folder of them."""

from __future__ import annotations

import threading
from pathlib import Path

import gevent

from tests.features.repositories.conftest import Shed
from tests.support.environment import until


def held(shed: Shed) -> None:
    """Begin a clone that stops in its middle."""
    shed.server.repository("o/n", files=40)
    shed.server.hold = threading.Event()
    answer = shed.client.post("/mgmt/repos/clone", json={"repo": "o/n"})
    assert answer.get_json()["data"]["transfer"]["state"] == "running"
    until(shed.server.held.is_set, "it is sent", sleep=lambda: gevent.sleep(0.02))


def names_in(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir())
