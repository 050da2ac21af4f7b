"""What is recorded once for all tests here, also for those of other test processes."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.golden.parts import real_use, socket_use
from tests.support.environment import write_stand_in

Recorded = dict[str, Any]


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that the processes of one run of the tests share."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "golden"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def real(integration: None, shared_folder: Path, claude: Path) -> Recorded:
    """What `real_use` has seen."""
    return once(shared_folder / "real", lambda folder: real_use.record(folder, claude))


@pytest.fixture(scope="session")
def talk(integration: None, shared_folder: Path) -> Recorded:
    """What `socket_use` has heard."""

    def record(folder: Path) -> Recorded:
        return socket_use.record(folder, write_stand_in(folder / "claude"))

    return once(shared_folder / "talk", record)


def once(folder: Path, record: Callable[[Path], Recorded]) -> Recorded:
    """What `record` gives; the first of several processes makes it, in `folder`."""
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        kept = folder.with_suffix(".json")
        if not kept.exists():
            folder.mkdir()
            kept.write_text(json.dumps(record(folder)), encoding="utf-8")
        found: Recorded = json.loads(kept.read_bytes())
        return found
