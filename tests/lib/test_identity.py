"""The identity of an actor, as stored and as logged."""

from __future__ import annotations

import json
import logging

import pytest

from opcode_htmx.lib.audit_log import LOGGER, log_act
from opcode_htmx.lib.identity import (
    ENGINE,
    SYSTEM,
    UNKNOWN,
    Identity,
    owner,
)

LOGIN = "1f3a9c02" + "0" * 24
PERSON = owner("opcode", LOGIN)


@pytest.mark.parametrize("by", [PERSON, owner("opcode"), SYSTEM, ENGINE, UNKNOWN, Identity("")])
def test_identity_round_trips_through_json(by: Identity) -> None:
    assert Identity.from_json(json.loads(json.dumps(by.as_json()))) == by


def test_the_one_user_is_an_owner() -> None:
    assert (PERSON.user, PERSON.login, PERSON.roles) == ("opcode", LOGIN, ("owner",))


@pytest.mark.parametrize(
    "value", [{}, {"user": 7, "login": None, "roles": "owner"}, {"roles": [None, {}]}]
)
def test_invalid_fields_of_a_stored_identity_are_empty(value: dict[str, object]) -> None:
    assert Identity.from_json(value) == Identity("")


@pytest.mark.parametrize(
    ("by", "word"),
    [
        (PERSON, "opcode/1f3a9c02"),
        (owner("opcode"), "opcode/basic"),
        (owner("system"), "system/basic"),
        (owner("a b\nactor=x/"), "a%20b%0Aactor%3Dx%2F/basic"),
        (owner("\ud800"), "%3F/basic"),
        (SYSTEM, "system"),
        (ENGINE, "engine"),
        (UNKNOWN, "unknown"),
    ],
)
def test_an_identity_is_one_word_in_the_log(by: Identity, word: str) -> None:
    assert str(by) == word


def test_an_act_is_one_line_of_one_format(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, LOGGER):
        log_act(PERSON, "prompt.send", session="s1", run="r1", prompt="p1", characters=12)
        log_act(SYSTEM, "run.stop", cause="no %s\nactor=other")
    assert [(each.name, each.levelname, each.getMessage()) for each in caplog.records] == [
        (
            LOGGER,
            "INFO",
            "actor=opcode/1f3a9c02 action=prompt.send session=s1 run=r1 prompt=p1 characters=12",
        ),
        (
            LOGGER,
            "INFO",
            "actor=system action=run.stop session=- run=- cause=no%20%25s%0Aactor%3Dother",
        ),
    ]
