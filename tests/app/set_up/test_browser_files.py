"""Browser files: only what matches its pinned hash is put in place."""

import hashlib
import io
import tarfile
from pathlib import Path

import pytest

from scripts import browser_files

CONTENTS = {name: f"// {name}\n".encode() for name in browser_files.HTMX.files}


@pytest.fixture
def package(tmp_path: Path) -> browser_files.Package:
    """A package whose pins are of the contents of this file."""
    pins = {name: hashlib.sha256(content).hexdigest() for name, content in CONTENTS.items()}
    return browser_files.Package("some@1", 1, pins, tmp_path / "static" / "vendor")


def tarball(folder: Path, contents: dict[str, bytes]) -> Path:
    path = folder / "package.tgz"
    with tarfile.open(path, "w:gz") as archive:
        for name, content in contents.items():
            member = tarfile.TarInfo(f"package/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def test_the_right_files_are_put_in_place(package: browser_files.Package, tmp_path: Path) -> None:
    assert not package.is_installed()
    contents = browser_files.unpack(tarball(tmp_path, CONTENTS), package)
    browser_files.install(contents, package.folder)
    assert package.is_installed()
    assert len(list(package.folder.iterdir())) == len(CONTENTS)


@pytest.mark.parametrize("name", CONTENTS)
def test_a_file_with_another_hash_is_refused(
    package: browser_files.Package, tmp_path: Path, name: str
) -> None:
    changed = CONTENTS | {name: CONTENTS[name] + b"evil()"}
    with pytest.raises(browser_files.FetchError, match="not the file that was pinned"):
        browser_files.unpack(tarball(tmp_path, changed), package)


@pytest.mark.parametrize("name", CONTENTS)
def test_a_package_without_a_file_is_refused(
    package: browser_files.Package, tmp_path: Path, name: str
) -> None:
    lacking = {other: content for other, content in CONTENTS.items() if other != name}
    with pytest.raises(browser_files.FetchError, match="does not hold"):
        browser_files.unpack(tarball(tmp_path, lacking), package)


def test_a_file_that_was_changed_in_place_is_noticed(
    package: browser_files.Package, tmp_path: Path
) -> None:
    contents = browser_files.unpack(tarball(tmp_path, CONTENTS), package)
    browser_files.install(contents, package.folder)
    (package.folder / "htmx.min.js").write_text("changed")
    assert not package.is_installed()
