"""axe-core finds no violation in a session with every kind of content.

The other pages are checked in tests/app/test_every_page.py.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.features.session_page.test_look import (
    EVERYTHING,
    play,
    wait_for_content,
)
from tests.support.browser import Phone
from tests.support.environment import Sandbox, Server
from tests.support.page_checks import open_every_card, violations

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]


@pytest.fixture
def server(
    sandbox: Sandbox, stand_in: Path, start_server: Callable[[Sandbox, Path], Server]
) -> Server:
    return start_server(sandbox, stand_in)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_no_violation_in_a_session_that_shows_everything(
    server: Server, sandbox: Sandbox, open_phone: Callable[..., Phone], theme: str
) -> None:
    phone = open_phone(server, color_scheme=theme)
    play(phone, sandbox, *EVERYTHING, ["wait", "/nowhere"])
    wait_for_content(phone)
    assert violations(phone.page) == []
    open_every_card(phone.page)
    assert violations(phone.page) == []
