"""What the processes of one run of the tests share."""

from __future__ import annotations

import importlib
from collections import Counter
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.support.environment import Sandbox
from tests.support.pages.browser import PHONE, Phone
from tests.support.server import Server
from tests.support.suite import shared


def test_processes_import_all_modules_of_tests_once_between_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    imported: Counter[str] = Counter()

    def import_module(name: str) -> None:
        imported[name] += 1
        raise ImportError  # which is said when the module is collected

    monkeypatch.setattr(importlib, "import_module", import_module)
    shared.import_share({})
    assert not imported, "one process alone collects at once"
    for number in range(3):
        shared.import_share({"workercount": 3, "workerid": f"gw{number}"})
    files = Path(shared.__file__).parents[2].rglob("test_*.py")
    assert imported.keys() >= {__name__, "tests.app.pages.test_every_page"}
    assert (len(imported), imported.total()) == (len(list(files)),) * 2


@pytest.mark.browser
def test_a_phone_that_is_handed_on_reports_its_complaints_once_and_is_as_at_first(
    browser: Browser, sandbox: Sandbox, stand_in: Path
) -> None:
    phone = Phone(browser, Server(sandbox, stand_in, ""), logged_in=False)
    phone.forgiven.append("expected")
    phone.page.evaluate("console.error('expected')")
    phone.page.set_viewport_size({"width": 1280, "height": 800})
    phone.hand_on()
    assert phone.page.viewport_size == PHONE
    phone.page.evaluate("console.error('expected')")
    with pytest.raises(AssertionError, match="expected"):
        phone.hand_on()
    phone.close()
