"""What Claude offers in each project, its models and commands, before any run there has told.

What is not known is found out in the background, one project at a time, and kept on disk. Nobody
waits for it unless they say so.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import gevent

from .. import whole_files
from ..claude.capabilities import Command, Model, commands_of, models_of
from ..claude.messages import Json
from .inquiry import NoOffer
from .notify import Broadcast

log = logging.getLogger(__name__)

FRESH_SECONDS = 24 * 3600.0
"""What is older is still good, and is asked for anew."""
RETRY_SECONDS = 300.0
"""How long nobody asks again where there was no answer."""
WAITING = 8
"""Projects that wait to be asked in; of more, the rest is for another time."""
KEPT = 100
"""Files."""
NOWHERE = "nowhere"
"""The empty folder in which Claude is asked instead of in one where it has not worked yet."""


@dataclass(frozen=True, slots=True)
class Offer:
    """`at` is when Claude said so, in seconds since the epoch."""

    models: tuple[Model, ...]
    commands: tuple[Command, ...]
    at: float


class Offers:
    def __init__(
        self,
        root: Path,
        ask: Callable[[Path], Json] | None,
        worked_in: Callable[[Path], bool],
        said_by: str,
    ) -> None:
        """`ask` asks in a folder, and raises NoOffer; None: never ask.

        `worked_in` is whether Claude has worked in a folder, so that its settings may do there
        what they do in any run. `said_by` names the Claude that is asked: its version, its login.
        """
        self._root = root
        self._ask = ask
        self._worked_in = worked_in
        self._said_by = said_by
        self._read: dict[Path, Offer] = {}
        self._newest: Offer | None = None
        self._rest_until: dict[Path, float] = {}
        self._waiting: dict[Path, list[Callable[[], None]]] = {}
        self._worker: gevent.Greenlet[..., None] | None = None
        self._answered = Broadcast()

    @property
    def models(self) -> tuple[Model, ...]:
        """As Claude named them last, wherever that was."""
        if self._newest is None:
            self._newest = self._load(self._nowhere)
        return self._newest.models if self._newest else ()

    @property
    def asks(self) -> bool:
        """Whether Claude is ever asked."""
        return self._ask is not None

    def known(self, project: Path) -> Offer | None:
        """What is known of a project, or else what is offered anywhere."""
        return self._load(project) or self._load(self._nowhere)

    def want(self, project: Path, then: Callable[[], None] | None = None) -> None:
        """See to it that there is an offer for a project soon; `then` is called when it has come.

        Comes back at once, and does nothing where there is one or where Claude would not say.
        """
        place = self._place(project)
        known = self._load(place)
        if (
            self._ask is None
            or (known and time.time() - known.at < FRESH_SECONDS)
            or self._rest_until.get(place, 0.0) > time.monotonic()
            or (place not in self._waiting and len(self._waiting) >= WAITING)
        ):
            return
        callbacks = self._waiting.setdefault(place, [])
        if then:
            callbacks.append(then)
        if self._worker is None:
            self._worker = gevent.spawn(self._work, self._ask)

    def wait(self, project: Path, seconds: float) -> Offer | None:
        """What is known of a project, after at most so long if it is just being asked for."""
        place, until = self._place(project), time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0 and not self._load(place):
            seen = self._answered.version
            if place not in self._waiting:
                break
            self._answered.wait(seen, left)
        return self.known(project)

    def close(self) -> None:
        """Ask no more; what is being asked is ended."""
        if self._worker:
            self._worker.kill()

    def _work(self, ask: Callable[[Path], Json]) -> None:
        try:
            while self._waiting:
                place = next(iter(self._waiting))
                self._learn(place, ask)
                callbacks = self._waiting.pop(place)
                self._answered.notify()
                for callback in callbacks:
                    callback()
        finally:
            self._worker = None

    def _learn(self, place: Path, ask: Callable[[Path], Json]) -> None:
        try:
            self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
            if place == self._nowhere:
                place.mkdir(mode=0o700, exist_ok=True)
            answer = ask(place)
            kept = {name: answer.get(name) for name in ("models", "commands")}
            offer = _offer(kept, time.time())
            if not offer.models:
                raise NoOffer("it named no models")
            self._read[place] = self._newest = offer
            self._rest_until.pop(place, None)
            self._store(place, {**kept, "at": offer.at})
        except (NoOffer, OSError) as error:
            self._rest_until[place] = time.monotonic() + RETRY_SECONDS
            log.warning(
                "Claude did not say what it offers in %s: %s. It is asked again in %d minutes or "
                "later; until then its lists come with its first run.",
                place,
                error,
                RETRY_SECONDS / 60,
            )

    @property
    def _nowhere(self) -> Path:
        return self._root / NOWHERE

    def _place(self, project: Path) -> Path:
        """Where to ask: a folder's own settings may start programs, so only where Claude has
        worked already."""
        return project if project.is_dir() and self._worked_in(project) else self._nowhere

    def _file(self, place: Path) -> Path:
        name = hashlib.sha256(os.fsencode(f"{self._said_by}\0{place}")).hexdigest()[:32]
        return self._root / f"{name}.json"

    def _load(self, place: Path) -> Offer | None:
        if place not in self._read:
            try:
                data = json.loads(self._file(place).read_bytes())
                self._read[place] = _offer(data, float(data["at"]))
            except (OSError, ValueError, KeyError, TypeError):
                return None
        return self._read[place]

    def _store(self, place: Path, data: Json) -> None:
        files = sorted(self._root.glob("*.json"), key=_touched, reverse=True)
        for file in files[KEPT - 1 :]:
            file.unlink(missing_ok=True)
        whole_files.write(self._file(place), json.dumps(data).encode(), durable=False)


def _offer(answer: Json, at: float) -> Offer:
    return Offer(models_of(answer), commands_of(answer), at)


def _touched(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
