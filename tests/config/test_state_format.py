"""A state folder is used by its own version and the next one, and refused by an older one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from opcode_htmx.config import state_format
from opcode_htmx.lib.files import atomic_files
from opcode_htmx.lib.files.disk_space import DiskFull
from opcode_htmx.lib.files.state_dir import StateError
from opcode_htmx.lib.version import __version__


def noted(folder: Path) -> object:
    return json.loads((folder / "format.json").read_bytes())


def note(folder: Path, number: object, program: object = "9.9.0") -> str:
    text = json.dumps({"version": 1, "format": number, "program": program})
    (folder / "format.json").write_text(text)
    return text


def test_a_new_folder_gets_the_format_of_the_program(tmp_path: Path) -> None:
    state_format.claim(tmp_path)
    expected = {"version": 1, "format": state_format.FORMAT, "program": __version__}
    assert noted(tmp_path) == expected
    assert (tmp_path / "format.json").stat().st_mode & 0o777 == 0o600


def test_a_folder_of_the_format_before_is_used_and_noted_as_the_new_one(tmp_path: Path) -> None:
    state_format.claim(tmp_path, own=2)  # without the file it is of format 1
    note(tmp_path, 6)
    state_format.claim(tmp_path, own=7)
    assert noted(tmp_path) == {"version": 1, "format": 7, "program": __version__}


def test_a_folder_of_a_newer_format_is_refused_in_one_sentence_and_stays(tmp_path: Path) -> None:
    text = note(tmp_path, state_format.FORMAT + 1, "9.9.0")
    with pytest.raises(StateError) as refusal:
        state_format.claim(tmp_path)
    assert str(refusal.value) == (
        f"The state folder {tmp_path} was used by opcode-htmx 9.9.0, and this is the older "
        f"{__version__}, which cannot read it; install 9.9.0 or newer again, or name another "
        "folder in OPCODE_STATE_DIR."
    )
    assert (tmp_path / "format.json").read_text() == text


def test_a_folder_that_is_two_formats_older_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StateError, match="start a version between them once"):
        state_format.claim(tmp_path, own=3)
    assert not (tmp_path / "format.json").exists()


def test_another_version_of_the_same_format_is_noted(tmp_path: Path) -> None:
    note(tmp_path, state_format.FORMAT, "0.2.9")
    state_format.claim(tmp_path)
    assert noted(tmp_path) == {
        "version": 1,
        "format": state_format.FORMAT,
        "program": __version__,
    }


def test_a_folder_that_is_noted_already_is_not_written_to(tmp_path: Path) -> None:
    state_format.claim(tmp_path)
    before = (tmp_path / "format.json").stat()
    state_format.claim(tmp_path)
    after = (tmp_path / "format.json").stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


@pytest.mark.parametrize(
    "content",
    ["", "[]", "null", "{}", '{"format": 1}', '{"format": "2", "program": "0.2.0"}']
    + ['{"format": true, "program": "0.2.0"}', '{"format": 0, "program": "0.2.0"}']
    + ['{"format": 2, "program": "\\u001b[31m"}', "\x00" * 40],
)
def test_a_damaged_file_is_refused_with_the_remedy(tmp_path: Path, content: str) -> None:
    (tmp_path / "format.json").write_text(content)
    with pytest.raises(StateError, match=r"is damaged; .* delete it and start again\.$"):
        state_format.claim(tmp_path)
    assert (tmp_path / "format.json").read_text() == content


def test_a_later_form_of_the_file_itself_still_tells_the_format(tmp_path: Path) -> None:
    content = {"version": 9, "format": 9, "program": "3.0.0", "since": "then"}
    (tmp_path / "format.json").write_text(json.dumps(content))
    with pytest.raises(StateError, match=r"opcode-htmx 3\.0\.0"):
        state_format.claim(tmp_path)


def test_a_full_disk_does_not_keep_the_server_from_starting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: object, **__: object) -> None:
        raise DiskFull

    monkeypatch.setattr(atomic_files, "write", full)
    state_format.claim(tmp_path)
    assert "could not note the format of the state folder" in caplog.text
