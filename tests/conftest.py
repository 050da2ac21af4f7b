"""Fixtures that several test files share."""

from __future__ import annotations

import gc
import os
import shutil
import tempfile
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import Phase, settings
from playwright.sync_api import Browser

from opcode_htmx.engines.claude.demo.messages_api import MessagesApi
from tests.support.apps.in_process import client_of
from tests.support.apps.local_server import files_alone
from tests.support.cli.idle_sessions import IdleSessions
from tests.support.cli.supervision import Supervision
from tests.support.environment import Sandbox, find_claude, missing, write_stand_in
from tests.support.pages.browser import CALM, MOVING, Phone, launched
from tests.support.server import Server
from tests.support.suite import cheap_keys, leftovers, shared_fixtures
from tests.support.suite.shared import FOLDER, import_share, one_at_a_time
from tests.support.suite.start_guard import INTEGRATION, guard

# Hypothesis's examples are the same each time, so that the suite cannot fail by chance. With
# FUZZ it is something else each time; see fuzzing.py.
PHASES = (Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink)
settings.register_profile("suite", derandomize=True, deadline=None, database=None, phases=PHASES)
settings.register_profile("deep", deadline=None, print_blob=True, phases=PHASES)
settings.load_profile("deep" if "FUZZ" in os.environ else "suite")


LONG = 350
"""Seconds; a test with a higher limit than that is one of those that take longest."""


def pytest_configure(config: pytest.Config) -> None:
    if FOLDER not in os.environ:  # in the process that starts the others
        os.environ[FOLDER] = folder = tempfile.mkdtemp(prefix="captures-")
        config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))
    config.pluginmanager.register(leftovers)
    guard.watch_processes(find_claude)
    cheap_keys.use()
    gc.disable()  # of what is imported and collected, nothing is garbage


def pytest_sessionstart(session: pytest.Session) -> None:
    if session.config.args == session.config.getini("testpaths"):
        import_share(getattr(session.config, "workerinput", {}))


def pytest_collection_finish() -> None:
    """Keep the garbage collector from visiting modules and test items again and again."""
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)
    gc.enable()


# Around the others, so that `-m unit` finds the marks. One process at a time, for Hypothesis reads
# the sources of all modules then, and keeps what it found for the other processes.
@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> Generator[None]:
    once_more = config.getoption("max_suite_reruns", None) is not None
    for item in items:
        if INTEGRATION not in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.unit)
        elif once_more:
            item.add_marker(pytest.mark.flaky(reruns=1))  # see docs/decisions/0088
    # What may take longest begins first: at the end one process would run it alone.
    items.sort(key=_time_limit, reverse=True)
    with one_at_a_time("collected"):
        return (yield)


def _time_limit(item: pytest.Item) -> float:
    """The seconds that a test is given, if they are more than LONG."""
    limit = item.get_closest_marker("timeout")
    return limit.args[0] if limit and limit.args[0] > LONG else 0


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    guard.active = item.get_closest_marker("unit") is not None
    try:
        return (yield)
    finally:
        guard.active = False


def _checked() -> Generator[None, object, object]:
    result = yield
    guard.check()
    return result


pytest_runtest_call = pytest_runtest_teardown = pytest.hookimpl(wrapper=True)(_checked)


@pytest.fixture(scope="session")
def integration() -> None:
    """Requested by each fixture that starts a server, a browser or the CLI; see start_guard.py."""


@pytest.fixture(scope="session")
def claude(integration: None) -> Path:
    """The real Claude CLI."""
    found = find_claude()
    if found is None:
        missing("The Claude CLI", "run `make test`, which installs the wheel that carries it.")
        raise AssertionError
    return found


@pytest.fixture
def sandbox(tmp_path: Path) -> Sandbox:
    return Sandbox(tmp_path / "home").make()


@pytest.fixture
def stand_in(tmp_path: Path) -> Path:
    """A script in place of the CLI, for behaviour that the real one does not show."""
    return write_stand_in(tmp_path / "claude")


@pytest.fixture
def supervision(integration: None, sandbox: Sandbox, stand_in: Path) -> Iterator[Supervision]:
    """Runs of the stand-in, supervised in this process. Modules override it for other settings."""
    with closing(Supervision(sandbox, stand_in)) as supervision:
        yield supervision


@pytest.fixture
def start_server(integration: None) -> Iterator[Callable[..., Server]]:
    """Starts servers, and ends them and their runs."""
    with ExitStack() as stack:

        def start(sandbox: Sandbox, claude: Path, api_url: str = "", **settings: str) -> Server:
            server = Server(sandbox, claude, api_url or "http://127.0.0.1:9", **settings)
            stack.callback(server.close)
            return server.start()

        yield start


@pytest.fixture
def no_word_of_the_cli() -> Iterator[None]:
    """For a test of files, whose pages need not say what Claude makes of them; see files_alone."""
    with files_alone():
        yield


@pytest.fixture
def server_settings() -> dict[str, str]:
    """More settings of `real_server`, for a module to choose."""
    return {}


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """One of the module's own `app`, logged in."""
    return client_of(app)


@pytest.fixture
def real_server(
    sandbox: Sandbox,
    claude: Path,
    api: MessagesApi,
    start_server: Callable[..., Server],
    server_settings: dict[str, str],
) -> Server:
    """A server with the real CLI, and behind that the model that a module scripts: its `api`."""
    return start_server(sandbox, claude, api.url, **server_settings)


@pytest.fixture(scope="module")
def shared_settings() -> dict[str, str]:
    """The settings of `shared_server`, for a module to choose."""
    return {}


@pytest.fixture(scope="module")
def shared_jobs() -> bool:
    """Whether the background jobs of `shared_app` run, for a module to choose."""
    return False


# The sandbox of `shared_server`, and that of the others.
shared_sandbox = pytest.fixture(scope="module")(shared_fixtures.home)
shared_home = pytest.fixture(scope="module")(shared_fixtures.home)
shared_server = pytest.fixture(scope="module")(shared_fixtures.server)
shared_real_server = pytest.fixture(scope="module")(shared_fixtures.real_server)
idle_sessions = pytest.fixture(scope="module")(shared_fixtures.idle_sessions)
shared_app = pytest.fixture(scope="module")(shared_fixtures.app)
shared_phone = pytest.fixture(scope="module")(shared_fixtures.phone)
shared_real_phone = pytest.fixture(scope="module")(shared_fixtures.real_phone)


@pytest.fixture
def server(shared_server: Server) -> Server:
    """The shared one, for a module that has none of its own."""
    return shared_server


@pytest.fixture(scope="session")
def browser(integration: None) -> Iterator[Browser]:
    with launched() as browser:
        yield browser


def _motion(request: pytest.FixtureRequest) -> Mapping[str, str]:
    return MOVING if request.node.get_closest_marker("moving") else {}


@pytest.fixture
def open_phone(request: pytest.FixtureRequest, browser: Browser) -> Iterator[Callable[..., Phone]]:
    """Opens phones on a server; at the end none may have complained in its console."""
    phones: list[Phone] = []

    def open_(server: Server, **options: object) -> Phone:
        phones.append(Phone(browser, server, **{**_motion(request), **options}))
        return phones[-1]

    yield open_
    for phone in phones:
        phone.close()


@pytest.fixture
def phone(server: Server, open_phone: Callable[..., Phone]) -> Phone:
    """One on the module's own `server`."""
    return open_phone(server)


@pytest.fixture
def kept_phone(request: pytest.FixtureRequest, shared_phone: Phone) -> Iterator[Phone]:
    """One on `shared_server` for all tests that share that.

    For tests that change no more of it than its page, the size of its screen, its network and the
    routes of its requests."""
    shared_phone.page.emulate_media(**{**CALM, **_motion(request)})  # type: ignore[arg-type]
    yield shared_phone
    shared_phone.hand_on()


@pytest.fixture
def kept_real_phone(shared_real_phone: Phone) -> Iterator[Phone]:
    """The same on `shared_real_server`."""
    yield shared_real_phone
    shared_real_phone.hand_on()


@pytest.fixture
def idle_phone(
    open_phone: Callable[..., Phone], shared_real_server: Server, idle_sessions: IdleSessions
) -> Phone:
    """One at a session of the real CLI that waits for a prompt; see idle_sessions.py."""
    phone = open_phone(shared_real_server)
    phone.open_session(idle_sessions.take())
    return phone
