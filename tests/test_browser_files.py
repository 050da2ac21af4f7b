"""Browser files: only what matches its pinned hash is put in place."""

import hashlib
import io
import tarfile
from pathlib import Path

import pytest

from scripts import browser_files

CONTENTS = {name: f"// {name}\n".encode() for name in browser_files.FILES}


@pytest.fixture(autouse=True)
def pins(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pin the contents of this file instead of the real ones."""
    pinned = {name: hashlib.sha256(content).hexdigest() for name, content in CONTENTS.items()}
    monkeypatch.setattr(browser_files, "FILES", pinned)


def tarball(folder: Path, contents: dict[str, bytes]) -> Path:
    path = folder / "package.tgz"
    with tarfile.open(path, "w:gz") as archive:
        for name, content in contents.items():
            member = tarfile.TarInfo(f"package/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def test_the_right_files_are_put_in_place(tmp_path: Path) -> None:
    vendor = tmp_path / "static" / "vendor"
    assert not browser_files.in_place(vendor)
    browser_files.install(browser_files.unpack(tarball(tmp_path, CONTENTS)), vendor)
    assert browser_files.in_place(vendor)
    assert len(list(vendor.iterdir())) == len(CONTENTS)


@pytest.mark.parametrize("name", CONTENTS)
def test_a_file_with_another_hash_is_refused(tmp_path: Path, name: str) -> None:
    changed = CONTENTS | {name: CONTENTS[name] + b"evil()"}
    with pytest.raises(browser_files.FetchError, match="not the file that was pinned"):
        browser_files.unpack(tarball(tmp_path, changed))


@pytest.mark.parametrize("name", CONTENTS)
def test_a_package_without_a_file_is_refused(tmp_path: Path, name: str) -> None:
    lacking = {other: content for other, content in CONTENTS.items() if other != name}
    with pytest.raises(browser_files.FetchError, match="does not hold"):
        browser_files.unpack(tarball(tmp_path, lacking))


def test_a_file_that_was_changed_in_place_is_noticed(tmp_path: Path) -> None:
    browser_files.install(browser_files.unpack(tarball(tmp_path, CONTENTS)), tmp_path)
    (tmp_path / "htmx.min.js").write_text("changed")
    assert not browser_files.in_place(tmp_path)
