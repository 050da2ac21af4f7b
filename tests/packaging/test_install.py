"""`make install` makes releases that stand alone, one after the other."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import time
import tomllib
import venv
from pathlib import Path

import pytest

from opcode_htmx.lib.version import __version__
from scripts import install
from tests.support.environment import ROOT


def prepare(release: Path) -> None:
    """A virtual environment with the packages of this one, in place of a download."""
    venv.create(release / ".venv", symlinks=True)
    found = sysconfig.get_path("purelib", vars={"base": str(release / ".venv")})
    Path(found, "packages.pth").write_text(sysconfig.get_path("purelib"))


def releases(folder: Path) -> set[str]:
    return {path.name for path in (folder / "releases").iterdir()}


@pytest.fixture
def moments(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each release is made in another second."""
    seconds = iter(range(10))
    monkeypatch.setattr(time, "strftime", lambda *_: f"2026T{next(seconds)}")


def test_a_release_has_all_that_a_wheel_has() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert {*wheel["packages"], *wheel["force-include"]} <= set(install.PARTS)


@pytest.mark.usefixtures("integration", "moments")
def test_the_command_runs_the_release_from_any_folder(tmp_path: Path) -> None:
    release = install.install(tmp_path / "data", tmp_path / "bin", prepare)
    (tmp_path / "opcode_htmx").mkdir()  # what lies in the current folder is not imported
    (tmp_path / "opcode_htmx" / "__init__.py").write_text("raise SystemExit('the wrong one')")
    program = "import json, sys, opcode_htmx.app.pairing.terminal as t; from opcode_htmx.app."
    program += "service.installation import Installation as I; from pathlib import Path; "
    program += "i = I(Path('/h'), Path('/h/c')); print(json.dumps([t.program(), i.command[0], "
    program += "str(i.working_folder)]))"
    environ = {"PATH": os.defpath, "HOME": str(tmp_path)}
    done = subprocess.run(
        [tmp_path / "bin" / "opcode-htmx", "--version"],
        cwd=tmp_path,
        env=environ,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == f"opcode-htmx {__version__}\n"
    python = tmp_path / "data" / "current" / install.PYTHON
    done = subprocess.run(
        [python, "-P", "-c", program],
        cwd=tmp_path,
        env=environ,
        capture_output=True,
        text=True,
        check=True,
    )
    # a service names the release itself, so that the next one does not change it under its server
    expected = ["opcode-htmx pair", str(release / install.PYTHON), str(release)]
    assert json.loads(done.stdout) == expected
    assert (release / "static" / "vendor" / "htmx.min.js").is_file()


@pytest.mark.usefixtures("integration", "moments")
def test_the_release_before_is_kept_and_older_ones_go(tmp_path: Path) -> None:
    folder, commands = tmp_path / "data", tmp_path / "bin"

    def fail(release: Path) -> None:
        raise install.InstallError("no network")

    def make(release: Path) -> None:
        python = release / install.PYTHON
        python.parent.mkdir(parents=True)
        python.symlink_to(sys.executable)

    def skip(release: Path) -> None:
        """Writes into no virtual environment: here it is the one of the tests."""

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(install, "_make_importable", skip)
        made = [install.install(folder, commands, make) for _ in range(3)]
        assert releases(folder) == {path.name for path in made[1:]}
        with pytest.raises(install.InstallError):
            install.install(folder, commands, fail)
    assert (folder / "current").resolve() == made[-1]
    assert releases(folder) == {path.name for path in made[1:]}


@pytest.mark.usefixtures("moments")
def test_a_command_of_somebody_else_stays(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = tmp_path / "opcode-htmx"
    command.write_text("#!/bin/sh\necho mine\n")
    install._write_command(tmp_path, tmp_path / "python")
    assert command.read_text() == "#!/bin/sh\necho mine\n"
    assert "is left as it is" in capsys.readouterr().out
