"""Commands that may take long: they go on beside the request that began them.

What became of each stands in a file, so that any worker can show it, also to a phone that was
away. A file that asks for its end cancels it, in whichever worker it runs.
"""

from __future__ import annotations

import logging
import re
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import asdict, field, replace
from pathlib import Path
from typing import Any

import gevent

from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.files import atomic_files
from opcode_htmx.lib.files.json_files import JsonFileSchema
from opcode_htmx.lib.git.commands import words
from opcode_htmx.lib.git.commands.words import GitRefused, LoginNeeded
from opcode_htmx.lib.git.login import Login
from opcode_htmx.lib.git.process import GitFailed
from opcode_htmx.lib.late.patterns import late_pattern

PATIENCE = 3.0
"""Seconds for which the request waits for the outcome itself."""
HEARTBEAT, SILENCE = 2.0, 15.0
"""Seconds after which a running act writes its file again, and after which it counts as dead."""
LOOK_SECONDS = 0.25
KEPT_SECONDS = 3600.0
MOST_PROGRESS = 2000
VERSION = 1
MOST_USERS = 100
_NOT_WRITTEN = "asks_user"
_ID = late_pattern(r"[0-9a-f]{32}", re.ASCII)

log = logging.getLogger(__name__)


class NoAct(Exception):
    """There is no such act; the text says so."""


@dataclass(frozen=True, slots=True)
class Act:
    """An act on a repository; `back` is the page to go on from, `output` what git wrote."""

    id: str
    project_id: str
    title: str
    back: str
    state: str = "running"
    message: str = ""
    output: str = ""
    progress: str = ""
    result: str = ""
    beat: float = 0.0
    again: Mapping[str, str] = field(default_factory=dict)
    """The form that began it, for an act on a remote; of a login only whether it may be kept."""
    asks: str = ""
    """The host whose login it needs, such as `https://github.com`; empty for none."""
    asks_user: str = ""
    """The user whose password that is: of the address, or of the login that was refused.

    In no file, as some type a token as the name: only the worker that did the act knows it.
    """

    @property
    def is_running(self) -> bool:
        return self.state == "running" and time.time() < self.beat + SILENCE

    @property
    def is_done(self) -> bool:
        return self.state == "done"

    @property
    def outcome(self) -> str:
        """A sentence on what became of it."""
        return self.message or "It was interrupted. Look whether it took effect, and try again."


def _parse(content: Mapping[str, Any]) -> Act:
    known = (name for name in Act.__slots__ if name in content and name != _NOT_WRITTEN)
    return Act(**{name: content[name] for name in known})


SCHEMA = JsonFileSchema(VERSION, _parse)


class Progress:
    """What git has reported so far, as its last lines."""

    def __init__(self) -> None:
        self._text = ""
        self.login: Login | None = None
        """What is left out if the remote repeats it."""

    def __call__(self, piece: bytes) -> None:
        self._text = (self._text + piece.decode("utf-8", "replace"))[-4 * MOST_PROGRESS :]

    @property
    def text(self) -> str:
        lines = (line.rpartition("\r")[2] for line in self._text.rstrip("\r\n").split("\n"))
        text = "\n".join(lines)
        shown = self.login.without(text) if self.login else text
        return words.redacted(shown[-MOST_PROGRESS:])


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an act says at its end: a sentence, what git wrote, and a text for the next page."""

    message: str
    output: str = ""
    result: str = ""


Work = Callable[[Progress], Outcome]


class Acts:
    """The acts of all projects."""

    def __init__(self, store: Path, sentences: tuple[type[Exception], ...]) -> None:
        """`sentences` are exceptions whose text is for the person."""
        self._store = store
        self._sentences = sentences
        self._users = dict[str, str]()
        """`asks_user` of acts by their ids, in memory only."""

    def begin(
        self,
        project_id: str,
        title: str,
        back: str,
        work: Work,
        again: Mapping[str, str] | None = None,
    ) -> Act:
        """Begin one, and give it as it is after at most PATIENCE seconds."""
        atomic_files.make_folder(self._store)
        old = (*self._store.glob("*.json"), *self._store.glob("*.cancel"))
        atomic_files.remove_old(old, KEPT_SECONDS)
        act = Act(uuid.uuid4().hex, project_id, title, back, beat=time.time(), again=again or {})
        self._write(act)
        gevent.spawn(self._run, act, work).join(PATIENCE)
        return self.get(project_id, act.id)

    def get(self, project_id: str, act_id: str) -> Act:
        """Raises NoAct for one that is not known any more, or of another project."""
        found = SCHEMA.read(self._path(act_id)) if _ID.fullmatch(act_id) else None
        if found is None or found.project_id != project_id:
            raise NoAct("What became of this is not known any more.")
        return replace(found, asks_user=self._users.get(act_id, ""))

    def cancel(self, project_id: str, act_id: str) -> None:
        """Ask for the end of an act, which ends soon. Raises NoAct."""
        self.get(project_id, act_id)
        self._cancel_path(act_id).touch()

    def _run(self, act: Act, work: Work) -> None:
        progress = Progress()
        working = gevent.spawn(self._outcome, act, work, progress)
        written = time.monotonic()
        shown = ""
        while not working.ready():
            working.join(LOOK_SECONDS)
            if self._cancel_path(act.id).exists():
                working.kill()
            now = time.monotonic()
            is_new = progress.text != shown and now - written > 2 * LOOK_SECONDS
            if not working.ready() and (is_new or now - written > HEARTBEAT):
                written, shown = now, progress.text
                self._write(replace(act, progress=shown, beat=time.time()))
        if not isinstance(working.value, Act):  # it was killed
            end = replace(act, state="failed", message="It was cancelled.", output=progress.text)
            self._write(end)
        else:
            self._write(replace(working.value, progress=progress.text))
        self._cancel_path(act.id).unlink(missing_ok=True)

    def _outcome(self, act: Act, work: Work, progress: Progress) -> Act:
        try:
            done = work(progress)
        except GitFailed as error:
            refused = words.refusal(error, ran_hooks=True)
            return replace(act, state="failed", message=str(refused), output=refused.output)
        except LoginNeeded as error:
            asks, user = error.wanted.origin, error.wanted.user
            end = replace(act, state="failed", message=str(error), output=error.output)
            return replace(end, asks=asks, asks_user=user)
        except GitRefused as error:
            return replace(act, state="failed", message=str(error), output=error.output)
        except self._sentences as error:
            return replace(act, state="failed", message=str(error))
        except Exception:
            log.exception("git act %s failed", act.id)
            return replace(act, state="failed", message="It failed; the log says why.")
        return replace(
            act, state="done", message=done.message, output=done.output, result=done.result
        )

    def _write(self, act: Act) -> None:
        if act.asks_user:
            self._users[act.id] = act.asks_user
            while len(self._users) > MOST_USERS:
                self._users.pop(next(iter(self._users)))
        content = asdict(act)
        del content[_NOT_WRITTEN]
        SCHEMA.write(self._path(act.id), content, durable=False)

    def _path(self, act_id: str) -> Path:
        return self._store / f"{act_id}.json"

    def _cancel_path(self, act_id: str) -> Path:
        return self._store / f"{act_id}.cancel"
