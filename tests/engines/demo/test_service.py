"""The demo's service process: shared, outlives servers, and is replaced when it hangs."""

from __future__ import annotations

import http.client
import json
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, cast

import psutil
import pytest

from opcode_htmx.engines.claude.demo import scenarios
from opcode_htmx.engines.claude.demo.messages_api import MessagesApi, Scene, Text
from opcode_htmx.engines.claude.demo.record import Record
from opcode_htmx.engines.claude.demo.scenarios import Suggestion
from opcode_htmx.engines.claude.demo.service import (
    DemoEnvironment,
    DemoUnavailableError,
    ensure_running,
)
from tests.engines.demo.conversation import (
    PATH,
    Conversation,
    Talk,
    ask,
    asking,
    eventually,
)
from tests.support.environment import ROOT, has_ended

ENVIRONMENT = {"PATH": PATH}


@pytest.fixture
def demo_dir(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "state" / "demo"
    yield folder
    if record := Record.load(folder / "api.json"):
        record.end_process()


def recorded(demo_dir: Path) -> Record:
    record = Record.load(demo_dir / "api.json")
    assert record is not None
    return record


@pytest.fixture(scope="module")
def shared_demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DemoEnvironment]:
    """One that runs, for tests that leave it as it is."""
    folder = tmp_path_factory.mktemp("state") / "demo"
    yield ensure_running(folder, ENVIRONMENT)
    recorded(folder).end_process()


def test_the_service_is_reused_while_it_is_alive(shared_demo: DemoEnvironment) -> None:
    demo_dir = shared_demo.config_dir.parent
    assert ensure_running(demo_dir, ENVIRONMENT).base_url == shared_demo.base_url
    assert recorded(demo_dir).answers()


def test_many_starters_at_once_start_one_service(demo_dir: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        demos = list(pool.map(ensure_running, [demo_dir] * 8, [ENVIRONMENT] * 8))
    assert len({demo.base_url for demo in demos}) == 1
    assert (demo_dir / "api.log").read_text().count("listens on") == 1


def test_the_record_is_for_its_owner_only(shared_demo: DemoEnvironment) -> None:
    demo_dir = shared_demo.config_dir.parent
    assert stat.S_IMODE((demo_dir / "api.json").stat().st_mode) == 0o600
    assert stat.S_IMODE(demo_dir.stat().st_mode) == 0o700


STARTER = """
import os
import sys
from pathlib import Path
{patch}
from opcode_htmx.engines.claude.demo.service import ensure_running
demo = ensure_running(Path(sys.argv[1]), os.environ, float(sys.argv[2]))
print(demo.base_url, flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize(
    "patch", ["", "from gevent import monkey; monkey.patch_all()"], ids=["plain", "gevent"]
)
def test_the_service_outlives_a_killed_server(demo_dir: Path, patch: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", STARTER.format(patch=patch), str(demo_dir), "60"],
        cwd=ROOT,
        env={"PATH": PATH},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    ) as server:
        url = cast(IO[bytes], server.stdout).readline().decode().strip()
        os.killpg(server.pid, signal.SIGKILL)
    assert recorded(demo_dir).answers()
    assert ensure_running(demo_dir, ENVIRONMENT).base_url == url


def test_the_service_ends_when_the_last_server_is_gone(demo_dir: Path) -> None:
    first, second = (
        ensure_running(demo_dir, ENVIRONMENT, 0.4),
        ensure_running(demo_dir, ENVIRONMENT, 0.4),
    )
    record = recorded(demo_dir)
    process = psutil.Process(record.pid)
    first.release()
    waited = time.monotonic() + 1.2
    eventually(lambda: time.monotonic() > waited, "three times the idle time has passed")
    assert record.answers()
    second.release()
    eventually(lambda: has_ended(process), "the process ends")
    assert "ending" in (demo_dir / "api.log").read_text()


def test_the_service_waits_for_an_answer_in_progress(demo_dir: Path) -> None:
    demo = ensure_running(demo_dir, ENVIRONMENT, 0.4)
    record = recorded(demo_dir)
    process = psutil.Process(record.pid)
    connection = http.client.HTTPConnection("127.0.0.1", record.port, timeout=10)
    body = asking(scenarios.TOUR.prompt_text, stream=True)
    connection.request("POST", "/v1/messages", json.dumps(body))
    response = connection.getresponse()
    demo.release()
    started = time.monotonic()
    while time.monotonic() < started + 1.5:
        assert response.readline()
    response.close()
    connection.close()
    eventually(lambda: has_ended(process), "the process ends after the answer")


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_after_a_crash_the_port_is_the_same(demo_dir: Path, how: signal.Signals) -> None:
    before = ensure_running(demo_dir, ENVIRONMENT)
    crashed = recorded(demo_dir)
    process = psutil.Process(crashed.pid)
    process.send_signal(how)
    eventually(lambda: has_ended(process), "the process ends")
    after = ensure_running(demo_dir, ENVIRONMENT)
    assert after.base_url == before.base_url
    assert recorded(demo_dir).pid != crashed.pid


def test_a_service_that_hangs_is_replaced_on_its_port(demo_dir: Path) -> None:
    before = ensure_running(demo_dir, ENVIRONMENT)
    hanging = recorded(demo_dir)
    process = psutil.Process(hanging.pid)
    process.suspend()
    after = ensure_running(demo_dir, ENVIRONMENT)
    assert has_ended(process)
    assert after.base_url == before.base_url


def test_unrelated_process_on_the_old_port_is_not_killed(demo_dir: Path) -> None:
    demo_dir.mkdir(parents=True)
    with MessagesApi([Scene("s", "", [Text("mine")])], nonce="another") as stranger:
        Record(stranger.port, os.getpid(), 0.0, "the demo's").save(demo_dir / "api.json")
        demo = ensure_running(demo_dir, ENVIRONMENT)
        assert demo.base_url != stranger.url
        assert ask(stranger.url, asking("x"))[1]["content"][0]["text"] == "mine"
    assert recorded(demo_dir).answers()


def test_a_reused_process_id_is_not_killed(demo_dir: Path) -> None:
    demo_dir.mkdir(parents=True)
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as innocent:
        Record(1, innocent.pid, time.time() - 3600, "n").save(demo_dir / "api.json")
        ensure_running(demo_dir, ENVIRONMENT)
        assert innocent.poll() is None


def test_uncreatable_folder_is_reported_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DemoUnavailableError, match="The demo cannot be set up in"):
        ensure_running(tmp_path / "file" / "demo", ENVIRONMENT)


def test_environment_excludes_variables_that_redirect_claude(
    shared_demo: DemoEnvironment,
) -> None:
    changes = shared_demo.changes
    assert changes["ANTHROPIC_AUTH_TOKEN"] is None
    assert changes["CLAUDE_CODE_USE_BEDROCK"] is None
    assert changes["ANTHROPIC_BASE_URL"] == shared_demo.base_url
    assert changes["CLAUDE_CONFIG_DIR"] == str(shared_demo.config_dir)


def test_a_claude_goes_on_after_the_service_was_killed(demo_dir: Path, talk: Talk) -> None:
    demo = ensure_running(demo_dir, ENVIRONMENT)
    claude = talk(demo.base_url, demo.sample_project, {**demo.changes})
    assert answers(claude, scenarios.RUN_TOOL, demo)
    recorded(demo_dir).end_process()
    again = ensure_running(demo_dir, ENVIRONMENT)
    assert answers(claude, scenarios.RUN_TOOL, again)
    assert list(demo.config_dir.glob("projects/*/*.jsonl"))


def answers(claude: Conversation, suggestion: Suggestion, demo: DemoEnvironment) -> bool:
    claude.prompt(suggestion.prompt_text)
    claude.allow(claude.asked("Bash"))
    claude.turn()
    report = demo.sample_project / "report.txt"
    made = report.exists()
    report.unlink()
    return made
