"""A session with a draft, and what works in its project: agents, schedules, a terminal."""

from __future__ import annotations

import base64
import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from opcode_htmx.engines.claude.files.history import project_id
from opcode_htmx.features.agents.model import Agent
from opcode_htmx.features.agents.running.records import AgentRun, AgentRuns, Metrics, Status
from opcode_htmx.features.agents.store import NUMBERS, AgentStore, Numbers
from opcode_htmx.features.saved_prompts.service import PromptLibrary
from opcode_htmx.lib.identity import owner
from opcode_htmx.lib.pty import segments
from opcode_htmx.lib.pty.segments import SegmentWriter
from opcode_htmx.runs.options.profiles import Profile, SessionProfiles
from opcode_htmx.sessions.schedules.model import OPEN, Occurrence, Schedule, State, Work
from opcode_htmx.sessions.schedules.store import ScheduleStore
from opcode_htmx.sessions.schedules.timing import Kind, Timing, checked
from opcode_htmx.sessions.storage.drafts import Drafts, draft_name
from opcode_htmx.sessions.terminals import settings as terminal_settings
from opcode_htmx.sessions.terminals.model import SCHEMA, Program, TerminalRecord
from opcode_htmx.sessions.terminals.store import RECORD
from tests.support.clients import api
from tests.support.environment import USER, Sandbox, state_dir
from tests.support.population.names import (
    ANSWER,
    ICON,
    LONG_WORD,
    PROMPT,
    SCHEDULE,
    SESSION,
    TERMINAL,
)


def history_of(project: Path) -> Iterator[str]:
    image = {"media_type": "image/png", "data": base64.b64encode(ICON.read_bytes()).decode()}
    pdf = {"media_type": "application/pdf", "data": base64.b64encode(b"%PDF-1.4\n").decode()}
    prompt = [
        {"type": "text", "text": f"Prune the trees {LONG_WORD}"},
        {"type": "image", "source": {"type": "base64", **image}},
        {"type": "document", "source": {"type": "base64", **pdf}},
    ]
    answer = [{"type": "text", "text": f"## Done\n\nThe *trees* are pruned. `{LONG_WORD}`"}]
    common = {"cwd": str(project), "sessionId": SESSION, "timestamp": api.stamp(api.NOON)}
    message: dict[str, object] = {"role": "user", "content": prompt}
    yield api.line(
        {**common, "type": "user", "uuid": PROMPT, "parentUuid": None, "message": message}
    )
    message = {"id": ANSWER, "role": "assistant", "content": answer}
    yield api.line(
        {**common, "type": "assistant", "uuid": ANSWER, "parentUuid": PROMPT, "message": message}
    )


def put_agent(sandbox: Sandbox, project: Path) -> None:
    """An agent with long texts, and a run of it, which is the session."""
    state = state_dir(sandbox.state)
    numbers = Numbers(state.folder(NUMBERS))
    store = AgentStore(state.folder("agents"), state.folder("agent_versions"), numbers)
    agent = Agent(
        LONG_WORD[:80],
        system_prompt=f"Prune the trees {LONG_WORD}",
        default_task=f"Prune {LONG_WORD}",
        denied_tools=(f"Bash({LONG_WORD}:*)",),
        closed_paths=(LONG_WORD,),
        hooks={"Stop": [{"hooks": [{"type": "command", "command": LONG_WORD}]}]},
        may_write_files=False,
    )
    store.add(agent)
    folder = str(project)
    record = AgentRun(
        0, 1, agent.name, "bot", LONG_WORD, LONG_WORD[:80], folder, folder, SESSION, api.NOON,
        Status.COMPLETED, api.NOON + 60, Metrics(1, 0.1, 2, 3, 4, 5), USER,
    )  # fmt: skip
    AgentRuns(state.folder("agent_runs"), numbers).add(record)
    profile = Profile({True: "{}", False: "{}"}, label=agent.name)
    SessionProfiles(state.folder("profiles")).set(SESSION, profile)


def put_terminal(sandbox: Sandbox, project: Path) -> None:
    """A terminal that has ended, with the last lines of its output."""
    folder = state_dir(sandbox.state).folder(terminal_settings.FOLDER.name) / TERMINAL
    folder.mkdir(parents=True)
    record = TerminalRecord(TERMINAL, Program.SHELL, str(project), api.NOON, owner(USER))
    SCHEMA.write(folder / RECORD, record.as_json())
    writer = SegmentWriter(folder / segments.FOLDER, 80, 24)
    writer.data(b"pruned 7 trees\r\n")
    writer.end(1, api.NOON)


def put_schedules(sandbox: Sandbox, project: Path) -> None:
    """A schedule with long texts and each outcome, and one for the session; both are paused."""
    state = state_dir(sandbox.state)
    store = ScheduleStore(state.folder("schedules"), state.folder("schedule_runs"))
    timing = checked(Timing(Kind.CRON, "Europe/Berlin", expression="0 7 * * MON-FRI"))
    work = Work(str(project), f"Prune the trees {LONG_WORD}", model=LONG_WORD[:60])
    first = Schedule(SCHEDULE, work, timing, LONG_WORD[:80], paused=True, budget_usd=2.5)
    store.add(first, time.time())
    for number, each in enumerate(State):
        if each not in OPEN:
            at = api.NOON + 60 * number
            found = Occurrence(at, each, at, SESSION, str(number), "", LONG_WORD, 0.5)
            store.note(SCHEDULE, found)
    once = replace(work, session_id=SESSION)
    store.add(replace(first, id="4" * 32, work=once), time.time())


def put_saved_prompt(sandbox: Sandbox, project: Path) -> str:
    """The id of a prompt that is saved for the project; another one is for all projects."""
    library = PromptLibrary(state_dir(sandbox.state).folder("saved_prompts"))
    library.add(USER, f"Prune the trees {LONG_WORD}", LONG_WORD[:80])
    return library.add(USER, f"Water the trees {LONG_WORD}", folder=str(project)).id


def put_draft(sandbox: Sandbox, project: Path) -> str:
    """The token of a file that lies in every draft."""
    root = state_dir(sandbox.state).folder("drafts")
    drafts, name = Drafts(root), draft_name("")
    drafts.save_text(name, f"Water them, too {LONG_WORD}", folder=str(project))
    file = drafts.add_file(name, f"{LONG_WORD}.png", ICON.read_bytes(), "image/png")
    for other in (SESSION, draft_name(project_id(project))):
        shutil.copytree(root / name, root / other)
    return file.token
