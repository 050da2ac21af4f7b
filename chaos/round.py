"""Play a plan: users prompt, faults are injected, all ends, and the invariants are checked."""

from __future__ import annotations

import random
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from chaos import invariants
from chaos.counts import Counts
from chaos.invariants import Scene
from chaos.plan import Blow, Plan
from chaos.server import model
from chaos.server.environment import ServerUnderTest
from chaos.server.folders import Runs
from chaos.users import browsers
from chaos.users.browsers import BrowserPage
from chaos.users.person import Person
from chaos.users.received import ReceivedLines
from tests.support.environment import find_claude, write_script

STAND_IN = Path(__file__).parent / "server" / "stand_in.py"
BLOW_SECONDS = 120
"""How long a server fault waits at most for the lines after which it is due."""


@dataclass(slots=True)
class Result:
    """The result of a round. `faults` are sentences."""

    counts: Counts
    faults: list[str]
    folder: Path
    peak_mb: float


def play(plan: Plan, folder: Path, *, workers: int = 1) -> Result:
    """Play a plan on a server of its own in `folder`."""
    if not plan.real:
        claude = write_script(STAND_IN, folder / "claude")
        return _play(plan, ServerUnderTest(folder, claude, "http://127.0.0.1:9", workers))
    found = find_claude()
    assert found, "the Claude CLI was not found: `make setup` installs it"
    with model.speaking() as api:
        return _play(plan, ServerUnderTest(folder, found, api.url, workers))


def _play(plan: Plan, server: ServerUnderTest) -> Result:
    counts = Counts(rounds=1)
    faults: list[str] = []
    total = ReceivedLines()
    runs = Runs(server.sandbox.state, server.journal)
    persons = [
        Person(server, session, plan.seed * 1000 + session.number * 10, total, runs)
        for session in plan.sessions
    ]
    if plan.browser and browsers.is_there():
        persons[0].browser = BrowserPage(server, persons[0].path)
    server.start()
    try:
        server.get("/")  # the resources of a first page are kept from then on
        before = server.holdings()
        over = threading.Event()
        striker = ThreadPoolExecutor(1)
        striking = striker.submit(_strike, server, plan.blows, total, over, plan.seed, counts)
        with ThreadPoolExecutor(len(persons)) as pool:
            list(pool.map(Person.play, persons))
            over.set()
            total.wake()
            striking.result()
            list(pool.map(Person.end_all, persons))
        striker.shutdown()
        scene = Scene(server, persons, runs.all(), before, plan.real)
        for check in invariants.WHILE_OPEN:
            faults += [f"{_title(check)}: {found}" for found in check(scene)]
        counts.pages += sum(1 for person in persons if person.page)
        for person in persons:
            person.finish()
        for check in invariants.WHEN_LEFT:
            faults += [f"{_title(check)}: {found}" for found in check(scene)]
        for person in persons:
            counts += person.counts
        counts.runs += len(scene.runs)
        counts.runs_real += len(scene.runs) if plan.real else 0
        counts.lines += sum(len(run.output()) + len(run.errors()) for run in scene.runs)
        counts.lines_heard += sum(p.heard.count + p.polled.count for p in persons)
        counts.checks += scene.checks
    finally:
        server.close()
    counts.faults += len(faults)
    return Result(counts, faults, server.sandbox.home, server.peak_mb)


def _title(check: object) -> str:
    return str(getattr(check, "__name__", check)).replace("_", " ")


def _strike(
    server: ServerUnderTest,
    blows: Sequence[Blow],
    total: ReceivedLines,
    over: threading.Event,
    seed: int,
    counts: Counts,
) -> None:
    """Inject each server fault when its lines have been received, or when all is over."""
    dice = random.Random(seed)  # noqa: S311 - no secret
    for blow in blows:
        total.wait(lambda b=blow: over.is_set() or total.count >= b.after, BLOW_SECONDS)  # type: ignore[misc]
        server.strike(blow.what, dice)
        match blow.what:
            case "kill":
                counts.kills += 1
            case "worker":
                counts.workers_killed += 1
            case _:
                counts.terminations += 1
