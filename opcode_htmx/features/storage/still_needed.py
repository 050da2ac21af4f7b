"""Why an old session is still needed, so that a clean-up keeps it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from opcode_htmx.engines.claude.files.process_registry import live_sessions
from opcode_htmx.lib.concurrency.cooperative import TimeSlicer
from opcode_htmx.lib.files.state_folders import StateDir
from opcode_htmx.runs.model.lifecycle import Phase
from opcode_htmx.runs.supervisor import Supervisor
from opcode_htmx.sessions.attention import AttentionList
from opcode_htmx.sessions.storage.drafts import NAME, Drafts
from opcode_htmx.sessions.storage.session_flags import SessionFlags

VIEWED_SECONDS = 3600.0
"""A session that was open in a page so shortly ago is in use."""

RUNS = "Claude is running"
WAITS = "Claude waits for your answer, or for its turn"
PINNED = "Pinned"
ATTENTION = "Needs you"
DRAFT = "Has something that you have not sent"
UNREAD = "Has a message that Claude has not read"
ELSEWHERE = "Open in another program"
VIEWED = "Open here within the last hour"


class StillNeeded:
    """Finds the sessions that are still needed."""

    def __init__(
        self,
        config_dir: Path,
        state: StateDir,
        runs: Supervisor,
        attention: AttentionList,
        flags: SessionFlags,
        drafts: Drafts,
    ) -> None:
        self._config_dir = config_dir
        self._state = state
        self._runs = runs
        self._attention = attention
        self._flags = flags
        self._drafts = drafts

    def reasons(self, session_ids: Iterable[str]) -> Mapping[str, str]:
        """The first reason for each of these sessions that is still needed, by id."""
        asked = list(session_ids)
        slicer, found = TimeSlicer(), dict[str, str]()
        finders: tuple[Callable[[set[str]], Mapping[str, str]], ...] = (
            self._live,
            self._attended,
            self._pinned,
            self._elsewhere,
            self._drafted,
            self._unread,
            self._viewed,
        )
        for finder in finders:
            slicer.step()
            found |= finder({each for each in asked if each not in found})
        return found

    def _live(self, ids: set[str]) -> Mapping[str, str]:
        waiting = (Phase.WAITING, Phase.QUEUED)
        return {
            run.record.session_id: WAITS if run.phase in waiting else RUNS
            for run in (*self._runs.unused(), *self._runs.live())
            if run.record.session_id in ids
        }

    def _attended(self, ids: set[str]) -> Mapping[str, str]:
        items = (each.run.record.session_id for each in self._attention.all())
        return dict.fromkeys(ids.intersection(items), ATTENTION)

    def _pinned(self, ids: set[str]) -> Mapping[str, str]:
        pinned = (key for key, flags in self._flags.all().items() if flags.pinned)
        return dict.fromkeys(ids.intersection(pinned), PINNED)

    def _elsewhere(self, ids: set[str]) -> Mapping[str, str]:
        found = (each.session_id for each in live_sessions(self._config_dir))
        return dict.fromkeys(ids.intersection(found), ELSEWHERE)

    def _drafted(self, ids: set[str]) -> Mapping[str, str]:
        names = filter(NAME.fullmatch, _names(self._state.folder("drafts")))
        drafts = ((each, self._drafts.get(each)) for each in ids.intersection(names))
        return {each: DRAFT for each, draft in drafts if draft.text.strip() or draft.files}

    def _viewed(self, ids: set[str]) -> Mapping[str, str]:
        since = time.time() - VIEWED_SECONDS
        opened = ids.intersection(_names(self._state.folder("viewing")))
        return {each: VIEWED for each in opened if self._runs.viewers.last_seen(each) > since}

    def _unread(self, ids: set[str]) -> Mapping[str, str]:
        """Those with prompts that a run has ended without; see sessions/storage/retention.py."""
        found, slicer = dict[str, str](), TimeSlicer()
        for run in self._runs.ended():
            slicer.step()
            if run.record.session_id in ids:
                run.fold_new_lines(last=True)
                if run.state.waiting:
                    found[run.record.session_id] = UNREAD
        return found


def _names(folder: Path) -> list[str]:
    try:
        return [each.name for each in folder.iterdir()]
    except OSError:
        return []
