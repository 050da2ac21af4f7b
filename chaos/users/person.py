"""A simulated user of one session, who uses every interface through all faults.

A request that fails is repeated with the same id, as forms and programs do.
"""

from __future__ import annotations

import contextlib
import json
import random
import time
import traceback
import uuid
from concurrent.futures import Future, ThreadPoolExecutor

from chaos.counts import Counts
from chaos.plan import Session, Turn
from chaos.server.environment import ServerUnderTest
from chaos.server.folders import RunOnDisk, Runs
from chaos.users.browsers import BrowserPage
from chaos.users.clients import BREATH, LOST, RESTART_SECONDS, Client
from chaos.users.interfaces import Interfaces, sent_id
from chaos.users.pages import Page
from chaos.users.programs import Listener, Poller
from chaos.users.received import Line, ReceivedLines
from chaos.users.waiting import comes_true

TURN_SECONDS = 150
PATIENCE_SECONDS = 1.0
"""How long a planned stop waits for a silent run."""
TRY_SECONDS = 2.0
STOP_SECONDS = 60
"""Time limit for an accepted stop to end its run, even if the server is killed meanwhile."""


class GaveUp(Exception):
    """An action that keeps failing although the server is up."""


class Person:
    """Plays one session of the plan."""

    def __init__(
        self, server: ServerUnderTest, session: Session, seed: int, total: ReceivedLines, runs: Runs
    ) -> None:
        self.server = server
        self.session = session
        self.counts = Counts(sessions=1)
        self.complaints: list[str] = []
        self.id = str(uuid.UUID(int=random.Random(seed).getrandbits(128), version=4))  # noqa: S311
        self.heard, self.polled = ReceivedLines(total), ReceivedLines()
        self.accepted: list[str] = []
        """The ids of the prompts that the server has accepted."""
        self._runs = runs
        self._dice = random.Random(seed + 1)  # noqa: S311 - no secret
        self._interfaces = Interfaces(server, self.id)
        self._answering = ThreadPoolExecutor(8)
        self._asked: set[str] = set()
        self._replies: list[Future[None]] = []
        self._seed = seed
        self.listener: Listener | None = None
        self.poller: Poller | None = None
        self.page: Page | None = None
        self.browser: BrowserPage | None = None
        """Set to follow the session with a browser as well."""

    @property
    def clients(self) -> list[Client]:
        return [each for each in (self.listener, self.poller, self.page) if each]

    @property
    def path(self) -> str:
        """The address of the session's page."""
        return self._interfaces.path

    @property
    def runs(self) -> list[RunOnDisk]:
        return self._runs.of(self.id)

    def play(self) -> None:
        """Play all turns, one after the other or at once; then wait for the open ones."""
        try:
            open_turns: list[Turn] = []
            for turn in self.session.turns:
                self._send(turn)
                open_turns.append(turn)
                if turn.at_once and not turn.stop:
                    continue
                for each in open_turns:
                    self._see_through(each)
                open_turns.clear()
        except Exception as error:
            self._complain(error)

    def _see_through(self, turn: Turn) -> None:
        """Wait for the end of a turn, stop it if planned, and resend unread prompts."""
        for attempt in range(4):
            if turn.stop:
                self._stop_when_due(turn, again=attempt > 0)
            if not comes_true(lambda: self._is_over(turn), TURN_SECONDS):
                raise GaveUp(f"the turn of prompt {turn.prompt_id} does not end: {turn}")
            if self._was_taken(turn):
                return
            self._send(turn)
        raise GaveUp(f"prompt {turn.prompt_id} was left {attempt + 1} times")

    # --- prompts ----------------------------------------------------------------------------

    def _send(self, turn: Turn) -> None:
        """Send a prompt as often as planned, at once, and each until it is accepted."""
        self.counts.prompts += 1
        with ThreadPoolExecutor(turn.times) as pool:
            for sending in [pool.submit(self._until_accepted, turn) for _ in range(turn.times)]:
                sending.result()
        self.accepted.append(sent_id(turn))
        self._begin_to_follow()

    def _until_accepted(self, turn: Turn) -> None:
        refusal = ""
        for _ in range(200):
            self._await_server()
            with contextlib.suppress(*LOST):
                self.counts.prompts_sent += 1
                refusal = self._interfaces.send(turn, has_begun=bool(self.runs))
                if not refusal:
                    return
            time.sleep(BREATH)  # there is no signal to wait for
        raise GaveUp(f"prompt {turn.prompt_id} is not accepted: {refusal}")

    def _await_server(self) -> None:
        if not self.server.up.wait(RESTART_SECONDS):
            raise GaveUp("the server does not come back")

    # --- the end of a turn ------------------------------------------------------------------

    def _is_over(self, turn: Turn) -> bool:
        """Whether Claude has finished the turn, or its run has ended."""
        prompt_id = sent_id(turn)
        holders = [run for run in self.runs if run.was_sent(prompt_id)]
        return any(run.has_done(prompt_id) for run in holders) or (
            bool(holders) and all(run.id in self.heard.ends for run in holders)
        )

    def _was_taken(self, turn: Turn) -> bool:
        prompt_id = sent_id(turn)
        return any(run.times_taken(prompt_id) for run in self.runs)

    def _stop_when_due(self, turn: Turn, *, again: bool) -> None:
        """Stop the run; where a prompt was sent `again`, not before Claude has begun with it."""
        assert turn.stop
        if again:
            comes_true(lambda: self._was_taken(turn) or self._is_over(turn), TURN_SECONDS)
        begun = self.heard.count
        due = turn.stop.after
        self.heard.wait_quiet(lambda: self.heard.count - begun >= due, PATIENCE_SECONDS)
        if not self._is_over(turn):
            self.stop(turn.stop.way)

    def stop(self, way: str) -> None:
        """Stop the newest run through one of the interfaces, until accepted or unnecessary.

        An accepted stop has to be carried out, also by the next server.
        """
        self.counts.stops += 1
        for _ in range(200):
            self._await_server()
            live = [run for run in self.runs if not run.end]
            if not live:
                return
            with contextlib.suppress(*LOST):
                if self._interfaces.stop(way, live[-1].id):
                    if comes_true(lambda run=live[-1]: run.end, STOP_SECONDS):  # type: ignore[misc]
                        return
                    words = f"run {live[-1].id} goes on, although Stop by {way} was accepted"
                    self.complaints.append(f"session {self.id}: {words}")
            time.sleep(BREATH)  # there is no signal to wait for
        raise GaveUp(f"run {live[-1].id} cannot be stopped by {way}")

    # --- questions --------------------------------------------------------------------------

    def _begin_to_follow(self) -> None:
        if self.listener:
            return
        server, plan, seed = self.server, self.session, self._seed
        self.heard.on_line = self._look_for_question
        self.listener = Listener(server, self.id, plan.socket, seed + 2, self.heard)
        self.poller = Poller(server, self.id, plan.poller, seed + 3, self.polled)
        self.page = Page(server, self.id, plan.page, seed + 4, self.path)
        for client in self.clients:
            client.start()
        if self.browser:
            self.browser.start()

    def _look_for_question(self, line: Line) -> None:
        if line.stream != "stdout" or '"can_use_tool"' not in line.content:
            return
        with contextlib.suppress(ValueError, KeyError, TypeError):
            request_id = json.loads(line.content)["request_id"]
            if request_id not in self._asked:
                self._asked.add(request_id)
                for way in self.session.answers:
                    reply = self._answering.submit(self._answer, way, line.run_id, request_id)
                    self._replies.append(reply)

    def _answer(self, way: str, run_id: str, request_id: str) -> None:
        """Answer until some answer is known to have arrived, or the run has ended."""
        run = self._runs.get(run_id)
        for _ in range(50):
            if not self.server.up.wait(RESTART_SECONDS):
                return
            with contextlib.suppress(*LOST):
                self.counts.answers += 1
                self._interfaces.answer(way, run_id, request_id)
            if comes_true(lambda: run.was_answered(request_id) or run.end, TRY_SECONDS):
                return
        self.complaints.append(f"session {self.id}: the answer to {request_id} does not arrive")

    # --- the end ----------------------------------------------------------------------------

    def end_all(self) -> None:
        """Stop the live runs; wait until their ends are recorded and received."""
        try:
            self.stop(self._dice.choice(("rest", "socket", "page")))
            if not comes_true(lambda: all(run.end for run in self.runs), 30):
                live = [run.id for run in self.runs if not run.end]
                raise GaveUp(f"runs do not end: {', '.join(live)}")
        except Exception as error:
            self._complain(error)

    def _complain(self, error: Exception) -> None:
        reason = str(error) if isinstance(error, GaveUp) else traceback.format_exc(limit=-4)
        self.complaints.append(f"session {self.id}: {reason}")

    def finish(self) -> None:
        for client in self.clients:
            client.finish()
            self.counts += client.counts
            self.complaints += client.complaints
        self._answering.shutdown()  # a slow client receives the question late
        for reply in self._replies:
            if error := reply.exception():
                self.complaints.append(f"session {self.id}: an answer failed: {error!r}")
        if self.page:
            self.page.close()
        if self.browser:
            self.counts += self.browser.counts
            self.complaints += self.browser.complaints
