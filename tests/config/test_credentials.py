"""The password and the signing key: made once, kept private, refused when damaged."""

import math
import multiprocessing
import os
import stat
from pathlib import Path

import pytest

from opcode_htmx.config import credentials
from opcode_htmx.config.settings import Settings
from opcode_htmx.lib.files.state_dir import StateError, ensure_state_dir


def settings_for(home: Path, **environ: str) -> Settings:
    return Settings.from_env({"HOME": str(home), **environ})


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_for(tmp_path)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def make_both(home: Path) -> tuple[str, bytes]:
    settings = settings_for(home)
    return credentials.password(settings), credentials.secret_key(settings)


def test_a_given_password_is_taken_and_not_kept(tmp_path: Path) -> None:
    settings = settings_for(tmp_path, OPCODE_PASSWORD=" with spaces ")
    assert credentials.password(settings) == " with spaces "
    assert not settings.state_dir.exists()


def test_a_made_password_stays_the_same(settings: Settings) -> None:
    assert credentials.password(settings) == credentials.password(settings)


def test_a_made_password_is_strong_and_easy_to_type(settings: Settings) -> None:
    password = credentials.password(settings)
    groups = password.split("-")
    assert [len(group) for group in groups] == [5, 5, 5, 5]
    assert set("".join(groups)) <= set(credentials._LETTERS)
    assert 20 * math.log2(len(credentials._LETTERS)) >= 80


def test_two_state_folders_have_different_secrets(tmp_path: Path) -> None:
    one, other = make_both(tmp_path / "a"), make_both(tmp_path / "b")
    assert one[0] != other[0]
    assert one[1] != other[1]


def test_the_key_has_32_bytes_and_stays_the_same(settings: Settings) -> None:
    key = credentials.secret_key(settings)
    assert len(key) == 32
    assert credentials.secret_key(settings) == key


def test_secrets_are_private_whatever_the_umask(settings: Settings) -> None:
    old = os.umask(0)
    try:
        credentials.password(settings)
        credentials.secret_key(settings)
    finally:
        os.umask(old)
    assert mode(settings.state_dir) == 0o700
    assert mode(settings.state_dir / "password") == 0o600
    assert mode(settings.state_dir / "secret_key") == 0o600


def test_a_secret_that_others_could_read_is_made_private_again(settings: Settings) -> None:
    credentials.password(settings)
    path = settings.state_dir / "password"
    path.chmod(0o644)
    credentials.password(settings)
    assert mode(path) == 0o600


def test_nothing_but_the_secrets_is_left_behind(settings: Settings) -> None:
    credentials.password(settings)
    credentials.secret_key(settings)
    names = {path.name for path in settings.state_dir.iterdir()}
    assert names == {"password", "secret_key"}


def test_starters_at_once_agree_on_the_secrets(tmp_path: Path) -> None:
    homes = [tmp_path / f"{number}" for number in range(8)]
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        made = pool.map(make_both, [each for each in homes for _ in range(3)], chunksize=1)
    assert len(set(made)) == len(homes)
    assert [made.count(each) for each in made] == [3] * len(made)


@pytest.mark.parametrize("content", [b"", b"\n", b"\xff\xfe"])
def test_a_damaged_password_is_refused(settings: Settings, content: bytes) -> None:
    ensure_state_dir(settings.state_dir)
    (settings.state_dir / "password").write_bytes(content)
    with pytest.raises(StateError, match="delete it and start again"):
        credentials.password(settings)


def test_a_damaged_key_is_refused(settings: Settings) -> None:
    ensure_state_dir(settings.state_dir)
    (settings.state_dir / "secret_key").write_bytes(b"short")
    with pytest.raises(StateError, match="delete it and start again"):
        credentials.secret_key(settings)


def test_a_password_behind_a_link_is_refused(settings: Settings, tmp_path: Path) -> None:
    ensure_state_dir(settings.state_dir)
    (tmp_path / "elsewhere").write_text("known")
    (settings.state_dir / "password").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StateError):
        credentials.password(settings)


def test_a_state_folder_that_cannot_be_made_is_refused_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    settings = settings_for(tmp_path, OPCODE_STATE_DIR=str(tmp_path / "file" / "state"))
    with pytest.raises(StateError, match=r"^The state folder .* cannot be written to .*\.$"):
        credentials.password(settings)


def test_a_state_folder_that_others_can_write_to_is_refused(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    with pytest.raises(StateError, match="Other users can write"):
        ensure_state_dir(shared)
    assert mode(shared) == 0o777
