"""A server with two ports for previews, and a session that has started a dev server."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import sys
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
import requests

from tests.support.environment import PASSWORD, PATIENCE, USER, free_port, processes_of, until
from tests.support.server import Server

DEV_SERVER = str(Path(__file__).with_name("dev_server.py"))


@dataclass
class Dev:
    """A session with a dev server, and a browser's cookies."""

    server: Server
    ports: tuple[int, int]
    """Those of the app for previews."""
    port: int
    page: str
    """The path of the session's page."""
    folder: Path
    client: requests.Session

    @property
    def session_id(self) -> str:
        return self.page.rpartition("/")[2]

    def listed(self) -> str:
        return self.client.get(f"{self.server.url}{self.page}/preview", timeout=PATIENCE).text

    def open(self, *, sandbox: bool = False, path: str = "/") -> str:
        """Press the button; the address of the path in the preview."""
        text = until(lambda: self.find(), "the dev server is listed")
        form = {
            "csrf_token": found(r'name="csrf_token" value="([^"]+)"', text),
            "port": str(self.port),
            "mark": found(rf'value="{self.port}"><input [^>]*name="mark" value="([^"]+)"', text),
            "sandbox": "1" if sandbox else "",
            "path": path,
        }
        address = f"{self.server.url}{self.page}/preview/open"
        answer = self.client.post(address, form, allow_redirects=False, timeout=PATIENCE)
        assert answer.status_code == 303, answer.text
        return answer.headers["Location"]

    def close(self) -> int:
        text = self.listed()
        mark = found(rf'value="{self.port}"><input [^>]*name="mark" value="([^"]+)"', text)
        token = found(r'name="csrf_token" value="([^"]+)"', text)
        form = {"csrf_token": token, "port": str(self.port), "mark": mark}
        address = f"{self.server.url}{self.page}/preview/close"
        return self.client.post(address, form, timeout=PATIENCE).status_code

    def end_login(self) -> None:
        """End that of the browser, as another worker does."""
        (cookie,) = (each for each in self.client.cookies if each.name.startswith("opcode"))
        login = str(cookie.value).partition(".")[0]
        (self.server.sandbox.state / "logins" / f"{login}.json").unlink()

    def end(self) -> None:
        """End what the session has started, and all else that serves its files."""
        for process in processes_of(self.server.sandbox.state):
            with contextlib.suppress(psutil.NoSuchProcess):
                if {DEV_SERVER, str(self.folder)} <= {*process.cmdline()}:
                    process.kill()

    def find(self) -> str:
        text = self.listed()
        return text if f'id="port-{self.port}"' in text else ""


def found(pattern: str, text: str) -> str:
    match = re.search(pattern, text)
    assert match, f"{pattern} is not in {text}"
    return match[1]


def logged_in(server: Server) -> requests.Session:
    client = requests.Session()
    form = {"user": USER, "password": PASSWORD}
    answer = client.post(f"{server.url}/login", form, allow_redirects=False, timeout=PATIENCE)
    assert answer.status_code == 303
    return client


def answers(port: int, address: str = "127.0.0.1") -> bool:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as visitor:
        return visitor.connect_ex((address, port)) == 0


@pytest.fixture(scope="module")
def preview_ports() -> tuple[int, int]:
    return free_port(), free_port()


@pytest.fixture(scope="module")
def shared_settings(preview_ports: tuple[int, int]) -> dict[str, str]:
    return {"OPCODE_PREVIEW_PORTS": ",".join(map(str, preview_ports))}


@pytest.fixture
def start_dev(
    shared_server: Server, preview_ports: tuple[int, int], tmp_path: Path
) -> Iterator[Callable[..., Dev]]:
    """Starts sessions whose Claude starts a dev server, and ends those servers."""
    started: list[Dev] = []

    def start(address: str = "127.0.0.1") -> Dev:
        started.append(begun(shared_server, preview_ports, tmp_path, address))
        return started[-1]

    yield start
    for dev in started:
        dev.end()


@pytest.fixture
def dev(start_dev: Callable[..., Dev]) -> Dev:
    return start_dev()


@pytest.fixture(scope="module")
def _module_dev(
    shared_server: Server, preview_ports: tuple[int, int], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Dev]:
    dev = begun(shared_server, preview_ports, tmp_path_factory.mktemp("dev"))
    yield dev
    dev.end()


@pytest.fixture
def kept_dev(_module_dev: Dev) -> Iterator[Dev]:
    """One for all tests of a module that leave it and its session as they are."""
    yield _module_dev
    _module_dev.close()


def begun(server: Server, ports: tuple[int, int], folder: Path, address: str = "127.0.0.1") -> Dev:
    """A session whose Claude has started a dev server."""
    port = free_port()
    command = ["start", sys.executable, DEV_SERVER, address, str(port), str(folder)]
    form = {
        "folder": str(server.sandbox.project),
        "prompt": json.dumps([command, ["text", "started"]]),
        "session_id": str(uuid.uuid4()),
        "prompt_id": str(uuid.uuid4()),
    }
    answer = server.post("/sessions", form)
    assert answer.status_code == 303, answer.text
    page = answer.headers["Location"].partition("#")[0].partition("?")[0]
    until(lambda: answers(port, address), "the dev server listens")
    return Dev(server, ports, port, page, folder, logged_in(server))
