"""The sockets: the messages of each dialect, who is let in, and the codes at the end."""

from __future__ import annotations

from typing import Any

import pytest

from tests.golden import golden

Recorded = dict[str, Any]


@pytest.mark.parametrize("dialect", ["commands", "refused_commands", "tasks", "chat", "page"])
def test_the_messages_of_a_socket_stay(talk: Recorded, dialect: str) -> None:
    golden.check(f"socket_{dialect}", talk[dialect])


def test_the_messages_of_a_chat_with_the_real_cli_stay(real: Recorded) -> None:
    golden.check("socket_real_chat", real["chat"])


def test_the_close_codes_and_their_reasons_stay(talk: Recorded) -> None:
    golden.check("socket_endings", talk["endings"])


def test_the_statuses_of_refused_handshakes_stay(talk: Recorded) -> None:
    golden.check("socket_refusals", talk["refused"])


def test_a_cursor_is_a_byte_offset(talk: Recorded) -> None:
    """An old client's cursor means the same to a new server."""
    cursors = talk["cursors"]
    assert cursors["sent"] == cursors["in the file"]
    assert len(cursors["sent"]) > 2
    assert cursors["page"] == cursors["its file"]
