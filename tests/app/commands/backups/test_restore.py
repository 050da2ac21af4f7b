"""`opcode-htmx restore`: whole or not at all, and nothing replaced without a request."""

from __future__ import annotations

import contextlib
import io
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from opcode_htmx.app import state_folders
from opcode_htmx.app.operation import backups
from opcode_htmx.app.registry import FEATURES
from opcode_htmx.config import state_format, state_use
from opcode_htmx.lib.backup.unpack import BadBackup
from opcode_htmx.lib.files import atomic_files
from opcode_htmx.lib.files.state_dir import StateError
from tests.app.commands.backups.commands import Command

pytestmark = pytest.mark.usefixtures("integration")


FOLDERS = state_folders.of(FEATURES)


def backup_of(state: Path) -> io.BytesIO:
    out = io.BytesIO()
    backups.make(state, FOLDERS, out)
    out.seek(0)
    return out


def test_a_folder_that_holds_something_is_replaced_only_on_request_and_kept(
    command: Command, state: Path, tmp_path: Path
) -> None:
    backup = tmp_path / "b"
    assert command("backup", backup).returncode == 0
    (state / "marks.json").write_text('{"newer": 1}')
    refused = command("restore", backup)
    assert (refused.returncode, "is not empty" in refused.stderr) == (1, True)
    done = command("restore", backup, "--replace")
    assert done.returncode == 0, done.stderr
    assert (state / "marks.json").read_text() == "{}"
    assert (state / "password").read_text() == "very-secret-words\n", "it is kept"
    assert (state / "logins" / "a.json").exists()
    (kept,) = state.parent.glob("state.before-*")
    assert str(kept) in done.stdout
    assert (kept / "marks.json").read_text() == '{"newer": 1}'


@pytest.mark.parametrize("can_exchange", [True, False])
@pytest.mark.parametrize("number", range(1, 5))
def test_a_restore_that_is_killed_leaves_a_whole_folder_or_is_told_by_the_next_start(
    state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, can_exchange: bool, number: int
) -> None:
    """At each of its steps with names of folders."""

    class Killed(BaseException):
        pass

    calls = 0
    steps = {"rename": Path.rename, "exchange": atomic_files.exchange}

    def killed_at(name: str) -> Callable[..., object]:
        def call(*arguments: Any, **named: Any) -> object:
            nonlocal calls
            if name == "exchange" and not can_exchange:
                return False
            calls += 1
            if calls == number:
                raise Killed
            return steps[name](*arguments, **named)

        return call

    backup = backup_of(state)
    (state / "marks.json").write_text('{"newer": 1}')
    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", killed_at("rename"))
        patch.setattr(atomic_files, "exchange", killed_at("exchange"))
        patch.setattr(shutil, "rmtree", lambda *_, **__: None)  # a killed process cleans up nothing
        with contextlib.suppress(Killed):
            backups.restore(backup, state, FOLDERS, replace=True)
    contents = {path.parent: path.read_text() for path in state.parent.glob("*state*/marks.json")}
    if calls:
        assert '{"newer": 1}' in contents.values(), "what was there is kept"
        assert "{}" in contents.values(), "what was restored is whole"
    if state.exists():
        state_use.check_restored(state)
        assert contents[state] in ("{}", '{"newer": 1}')
        backup.seek(0)
        done = backups.restore(backup, state, FOLDERS, replace=True)
        assert [*done.left] == state_use.left_by_restores(state)
    else:
        assert not can_exchange
        with pytest.raises(StateError, match="A restore was ended before its last step") as refusal:
            state_use.check_restored(state)
        (place,) = state_use.left_by_restores(state)
        assert str(place) in str(refusal.value)
        assert contents[place] == "{}"


def test_no_start_offers_what_a_restore_has_not_completed(tmp_path: Path) -> None:
    """The person has removed the folder since, to begin with a new one."""
    folder = tmp_path / "state"
    begun = state_use.place_to_restore(folder)
    begun.mkdir()
    state_use.check_restored(folder)
    assert state_use.left_by_restores(folder) == [begun]


def test_a_backup_of_a_newer_state_folder_is_refused_in_one_sentence(
    state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as newer:
        newer.setattr(state_format, "FORMAT", 3)
        newer.setattr(backups, "__version__", "0.9.0")
        backup = backup_of(state)
    with pytest.raises(BadBackup) as refused:
        backups.restore(backup, tmp_path / "new", FOLDERS)
    assert re.fullmatch(
        r"This backup was made by opcode-htmx 0\.9\.0, and this is the older \S+, which cannot "
        r"read it; install 0\.9\.0 or newer to restore it\.",
        str(refused.value),
    )
    assert list((tmp_path / "new").iterdir()) == [tmp_path / "new" / "in_use.lock"]


def test_a_folder_above_that_cannot_be_written_is_named(
    state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise PermissionError(13, "Permission denied")

    (tmp_path / "new").mkdir(mode=0o700)
    monkeypatch.setattr(backups, "ensure_state_dir", lambda path: path)
    monkeypatch.setattr(Path, "mkdir", refuse)  # root may write anywhere
    with pytest.raises(StateError, match=f"make {tmp_path} writable"):
        backups.restore(backup_of(state), tmp_path / "new", FOLDERS)


def test_nothing_is_left_of_a_restore_that_was_refused(state: Path, tmp_path: Path) -> None:
    cut = io.BytesIO(backup_of(state).getvalue()[:-100])
    before = sorted(path.name for path in state.rglob("*"))
    with pytest.raises(BadBackup):
        backups.restore(cut, state, FOLDERS, replace=True)
    assert {path.name for path in state.rglob("*")} - {"in_use.lock"} == set(before)
    assert [path.name for path in state.parent.glob("*state*")] == ["state"]
