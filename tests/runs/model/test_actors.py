"""The actors of a run, in a file of their own."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opcode_htmx.lib.files.disk_space import DiskFull
from opcode_htmx.lib.identity import SYSTEM, UNKNOWN, owner
from opcode_htmx.runs.model import actors
from opcode_htmx.runs.model.actors import Act, Actor
from tests.support.cli.supervision import BY
from tests.support.fuzzing import changed, examples

ME = Actor(BY, 1.5)
OTHER = Actor(owner("another"), 2.5)


def test_actor_round_trips(tmp_path: Path) -> None:
    assert actors.read(tmp_path) == {}
    actors.note(tmp_path, Act.START, "", ME)
    actors.note(tmp_path, Act.PROMPT, "p1", OTHER)
    actors.note(tmp_path, Act.STOP, actors.stop_key(1.25), Actor(SYSTEM, 3.5))
    assert actors.read(tmp_path) == {
        (Act.START, ""): ME,
        (Act.PROMPT, "p1"): OTHER,
        (Act.STOP, "1.25"): Actor(SYSTEM, 3.5),
    }
    assert (tmp_path / "actors.ndjson").stat().st_mode & 0o777 == 0o600


def test_last_of_several_actors_of_one_action_counts(tmp_path: Path) -> None:
    for actor in (ME, OTHER):
        actors.note(tmp_path, Act.PROMPT, "p1", actor)
    assert actors.read(tmp_path) == {(Act.PROMPT, "p1"): OTHER}


def test_truncated_line_of_a_killed_writer_affects_no_other(tmp_path: Path) -> None:
    actors.note(tmp_path, Act.PROMPT, "p1", ME)
    with (tmp_path / "actors.ndjson").open("ab") as file:
        file.write(b'{"act": "prompt", "abo')
    actors.note(tmp_path, Act.PROMPT, "p2", OTHER)
    assert actors.read(tmp_path) == {(Act.PROMPT, "p1"): ME, (Act.PROMPT, "p2"): OTHER}


def test_full_disk_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    with monkeypatch.context() as patched:
        patched.setattr(os, "write", lambda file, data: write(file, data[:7]))
        with pytest.raises(DiskFull):
            actors.note(tmp_path, Act.PROMPT, "p1", ME)
    actors.note(tmp_path, Act.PROMPT, "p1", OTHER)
    assert actors.read(tmp_path) == {(Act.PROMPT, "p1"): OTHER}


def test_an_actor_without_a_user_is_unknown(tmp_path: Path) -> None:
    (tmp_path / "actors.ndjson").write_text('{"act": "prompt", "about": "p1", "by": 7}\n')
    assert actors.read(tmp_path) == {(Act.PROMPT, "p1"): Actor(UNKNOWN, 0.0)}


def _lines() -> list[bytes]:
    value = '{"act": "prompt", "about": "p1", "at": 1.5, "by": '
    by = '{"user": "opcode", "login": "1f", "roles": ["owner"]}}'
    return [(value + by).encode()]


@given(lines=st.lists(changed(_lines()), max_size=5))
@examples(60)
def test_fuzz_any_file_content_can_be_read(tmp_path: Path, lines: list[bytes]) -> None:
    (tmp_path / "actors.ndjson").write_bytes(b"\n".join(lines))
    for actor in actors.read(tmp_path).values():
        assert isinstance(actor.by.user, str)
        assert isinstance(actor.at, float)
