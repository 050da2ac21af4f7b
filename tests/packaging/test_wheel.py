"""The wheel: its contents, and that it serves from any folder once installed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import sysconfig
import venv
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
import requests

import opcode_htmx
from opcode_htmx.app import feature_settings
from opcode_htmx.config.settings import declared_variables
from opcode_htmx.engines.claude.demo.daemon import RECORD_NAME
from opcode_htmx.engines.claude.demo.record import Record
from scripts import browser_files, claude_cli
from tests.support.environment import ROOT, free_port, until

ASSETS = "opcode_htmx/_assets"
PATIENCE = 60.0  # seconds


@pytest.fixture(scope="module")
def wheel(integration: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=PATIENCE)
    (built,) = folder.iterdir()
    return built


@dataclass(frozen=True)
class Installed:
    """The wheel in a virtual environment, a home folder and a folder that is neither's."""

    venv: Path
    elsewhere: Path
    environ: dict[str, str]

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [str(self.venv / "bin" / "opcode-htmx"), *arguments],
            cwd=self.elsewhere,
            env=self.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str) -> tuple[int, str, str]:
        """Exit status, stdout and stderr of a command that ends by itself."""
        with self.start(*arguments) as process:
            output, errors = process.communicate(timeout=PATIENCE)
        return process.returncode, output, errors


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with the wheel; its dependencies come from that of the tests."""
    folder = tmp_path_factory.mktemp("installed") / "venv"
    venv.create(folder, symlinks=True, with_pip=False)
    pip = [sys.executable, "-m", "pip", "--python", str(folder), "--disable-pip-version-check"]
    # Python compiles what is imported: to compile all takes longer than to start a server
    install = [*pip, "install", "--quiet", "--no-deps", "--no-index", "--no-compile", str(wheel)]
    subprocess.run(install, check=True, capture_output=True, timeout=PATIENCE)
    (packages,) = folder.glob("lib/python*/site-packages")
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder


@pytest.fixture
def installed(environment: Path, tmp_path: Path) -> Installed:
    home, elsewhere = tmp_path / "home", tmp_path / "elsewhere"
    home.mkdir()
    elsewhere.mkdir()
    environ = {
        "HOME": str(home),
        "CLAUDE_CONFIG_DIR": str(home / "config"),
        "PATH": os.defpath,
        "HOST": "127.0.0.1",
        "OPCODE_STATE_DIR": "state",
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "DISABLE_AUTOUPDATER": "1",
    }
    return Installed(environment, elsewhere, environ)


@pytest.fixture
def url(installed: Installed) -> Iterator[str]:
    """The address of a server that was started in a folder of somebody else's modules."""
    for name in ("app", "flask", "gevent", "gunicorn", "opcode_htmx"):
        (installed.elsewhere / f"{name}.py").write_text("raise SystemExit('the wrong module')\n")
    installed.environ["PORT"] = port = str(free_port())
    address = f"http://127.0.0.1:{port}"
    process = installed.start()
    try:
        until(lambda: process.poll() is not None or answers(address), "it answers")
        assert process.poll() is None, process.communicate()
        yield address
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=PATIENCE)
        end_demo(installed.elsewhere / "state" / "demo")
    assert process.returncode == 0


def answers(address: str) -> bool:
    try:
        return requests.get(f"{address}/healthz", timeout=5).status_code == 200
    except (requests.ConnectionError, requests.Timeout):
        return False


def end_demo(folder: Path) -> None:
    record = Record.load(folder / RECORD_NAME)
    if record is not None:
        psutil.Process(record.pid).terminate()


def files_in(folder: Path) -> Iterator[str]:
    """Their paths within the folder, without what Python compiles."""
    for path in folder.rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            yield str(path.relative_to(folder))


def test_wheel_contains_the_app_and_its_assets(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    package = {f"opcode_htmx/{name}" for name in files_in(ROOT / "opcode_htmx")}
    served = {f"templates/{name}" for name in files_in(ROOT / "templates")}
    served |= {f"static/{name}" for name in files_in(ROOT / "static")}
    vendored = [Path(name).name for each in browser_files.SERVED for name in each.files]
    served |= {f"static/vendor/{name}" for name in vendored}
    assets = {f"{ASSETS}/{name}" for name in {*served, "app.py", "gunicorn.conf.py"}}
    assert (package | assets) - names == set()


def test_wheel_contains_no_tests_and_no_claude(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    rooms = {name.partition("/")[0] for name in archive.namelist()}
    assert rooms == {"opcode_htmx", f"opcode_htmx-{opcode_htmx.__version__}.dist-info"}
    assert sum(info.file_size for info in archive.infolist()) < 8_000_000


def test_wheel_offers_the_claude_cli_as_an_extra(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
    metadata = archive.read(name).decode()
    assert "\nProvides-Extra: claude\n" in metadata
    assert f"\nRequires-Dist: {claude_cli.WHEEL}" in metadata


def test_wheel_runs_in_a_folder_with_unrelated_modules(installed: Installed, url: str) -> None:
    login = requests.get(f"{url}/login", timeout=PATIENCE)
    assert login.status_code == 200
    assert "Log in" in login.text
    credentials = ("opcode", (installed.elsewhere / "state" / "password").read_text().strip())
    address = f"{url}/static/vendor/htmx.min.js"
    script = requests.get(address, auth=credentials, timeout=PATIENCE)
    assert script.status_code == 200
    assert script.content == (ROOT / "static" / "vendor" / "htmx.min.js").read_bytes()
    projects = requests.get(f"{url}/", auth=credentials, timeout=PATIENCE)
    assert projects.status_code == 200
    assert "Try the demo" in projects.text


def test_help_lists_every_setting_and_names_the_guide(installed: Installed) -> None:
    status, output, errors = installed.run("--help")
    assert (status, errors) == (0, "")
    names = [each.name for each in declared_variables(feature_settings.load())]
    assert [name for name in names if name not in output] == []
    assert Path(output.rstrip().rpartition(": ")[2]).is_file()


def test_version_is_that_of_the_wheel(installed: Installed, wheel: Path) -> None:
    version = wheel.name.split("-")[1]
    assert installed.run("--version") == (0, f"opcode-htmx {version}\n", "")
