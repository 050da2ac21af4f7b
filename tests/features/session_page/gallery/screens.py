"""The sheets of docs/screens.md: each page on six screens, in one picture."""

from __future__ import annotations

import base64
import json
import time
import uuid
from dataclasses import dataclass
from typing import Literal

from playwright.sync_api import Page

from opcode_htmx.engines.claude.files.history import project_id
from opcode_htmx.features.agents.model import Agent
from opcode_htmx.features.agents.running.records import AgentRun, AgentRuns, Metrics, Status
from opcode_htmx.features.agents.store import NUMBERS, AgentStore, Numbers
from opcode_htmx.sessions.schedules.model import Occurrence, Schedule, State, Work
from opcode_htmx.sessions.schedules.store import ScheduleStore
from opcode_htmx.sessions.schedules.timing import Kind, Timing, Unit
from tests.features.session_page.gallery.claude_screens import claude_addresses, plant_configuration
from tests.features.session_page.gallery.gallery import Gallery
from tests.support.environment import Sandbox, state_dir
from tests.support.pages import screenshots
from tests.support.pages.browser import Phone

RTL = "5e5510a0-0000-4000-8000-000000000002"
RTL_LINES: list[tuple[str, str]] = [
    ("user", "كم عدد الأشجار في البستان؟"),
    (
        "assistant",
        "في البستان **24 شجرة**، كما في `app.py`:\n\n"
        "| الشجرة | العدد |\n|---|--:|\n| تفاح | 12 |\n| إجاص | 7 |\n| خوخ | 5 |\n\n"
        "- شغّل `python3 app.py`\n- راجع https://example.org/trees\n",
    ),
    ("user", "שלום, and now in two directions: (app.py)"),
    ("assistant", "הקובץ app.py מכיל 24 עצים.\n\n```python\nprint(sum(TREES.values()))\n```"),
]


@dataclass(frozen=True)
class Screen:
    """A viewport with its settings; `letters` is the browser's text size in pixels."""

    name: str
    width: int
    height: int
    theme: Literal["light", "dark"] = "light"
    letters: int = 16


SCREENS = (
    Screen("360×740", 360, 740),
    Screen("390×844", 390, 844),
    Screen("dark", 390, 844, "dark"),
    Screen("text at 200 %", 390, 844, letters=32),
    Screen("with a keyboard: 390×420", 390, 420),
    Screen("844×390", 844, 390),
)
ASKED = {
    "ask-edit": "Expect more of each tree",
    "ask-question": "What do you need to know?",
    "ask-form": "Plan the harvest",
    "ask-page": "Connect the orchard",
}
"""The prompts of sessions with an open request."""
WIDTH = 850
STYLE = """
body { display: flex; flex-wrap: wrap; gap: 14px; margin: 14px; background: #d8d8d4;
  font: 11px sans-serif }
figure { margin: 0 }
img { display: block; margin-bottom: 3px }
"""


def plant_rtl(gallery: Gallery) -> str:
    """Write a session in Arabic and Hebrew into the history; the address of its page."""
    project = gallery.sandbox.project
    folder = gallery.sandbox.config_dir / "projects" / project_id(project)
    lines = [
        {
            "type": kind,
            "uuid": f"rtl-{number}",
            "cwd": str(project),
            "timestamp": f"2026-03-01T09:0{number}:00.000Z",
            "message": {"id": f"rtl-{number}", "role": kind, "content": text}
            if kind == "user"
            else {"id": f"rtl-{number}", "role": kind, "content": [{"type": "text", "text": text}]},
        }
        for number, (kind, text) in enumerate(RTL_LINES)
    ]
    (folder / f"{RTL}.jsonl").write_text("".join(f"{json.dumps(each)}\n" for each in lines))
    return f"{gallery.project}/sessions/{RTL}"


def plant_agents(sandbox: Sandbox) -> None:
    """Write two agents and a run of one."""
    state = state_dir(sandbox.state)
    numbers = Numbers(state.folder(NUMBERS))
    store = AgentStore(state.folder("agents"), state.folder("agent_versions"), numbers)
    keeper = Agent(
        "Test keeper",
        icon="shield",
        system_prompt="You look after the tests of this project. Never change code.",
        default_task="Run the tests and say what is red",
        may_write_files=False,
        closed_paths=(".env", "~/.ssh"),
    )
    store.add(keeper)
    store.add(Agent("Pruner", icon="git-branch", system_prompt="Prune.", model="opus"))
    folder = str(sandbox.project)
    task, metrics = "Prune what nobody calls", Metrics(48_210, 0.41, 14, 3, 12, 57)
    run = AgentRun(
        0, 2, "Pruner", "git-branch", task, "opus", folder, folder, RTL, 1_772_355_600.0,
        Status.COMPLETED, 1_772_355_800.0, metrics,
    )  # fmt: skip
    AgentRuns(state.folder("agent_runs"), numbers).add(run)


def plant_schedules(gallery: Gallery) -> str:
    """Keep some schedules, the first with outcomes; its id."""
    state, project = state_dir(gallery.sandbox.state), str(gallery.sandbox.project)
    store = ScheduleStore(state.folder("schedules"), state.folder("schedule_runs"))
    zone, now = "Europe/Berlin", time.time()
    morning = Timing(Kind.CRON, zone, expression="0 7 * * MON-FRI")
    often = Timing(Kind.EVERY, zone, at="2026-03-01T03:00", every=2, unit=Unit.DAYS)
    planned = [
        ("Count the ripe apples, and say which trees need water.", "Morning round", morning),
        ("Update the dependencies and run the tests", "", often),
    ]
    ids = []
    for prompt, name, timing in planned:
        work = Work(project, prompt, permission_mode="plan")
        schedule = Schedule(uuid.uuid4().hex, work, timing, name, budget_usd=2.5, created_at=now)
        store.add(schedule, now)
        ids.append(schedule.id)
    for days, state_, sentence in (
        (1, State.DONE, ""),
        (2, State.MISSED, "Due once while no server ran."),
        (3, State.SKIPPED, "The run before was still at work."),
    ):
        at = now - 86400 * days
        cost = 0.42 if state_ is State.DONE else None
        store.note(ids[0], Occurrence(at, state_, at, sentence=sentence, cost_usd=cost))
    return ids[0]


def addresses(gallery: Gallery) -> dict[str, str]:
    """The address of each page by the name of its sheet."""
    rtl = plant_rtl(gallery)
    for name, prompt in ASKED.items():
        gallery.begin(name, prompt)
        gallery.shows(name, 'data-state="open"')
    plant_agents(gallery.sandbox)
    project = gallery.project
    return {
        "home": "/",
        "search": "/search?q=app",
        "projects": "/projects",
        "project": project,
        "new": f"{project}/new",
        "folders": "/folders",
        "running": "/runs",
        "server": "/server",
        "usage": "/usage?range=all",
        "storage": "/storage",
        "health": "/health",
        "logs": "/logs",
        "backup": "/backup",
        "previews": "/preview",
        "terminals": "/terminal",
        "prompts": "/prompts",
        "agents": "/agents",
        "agent": "/agents/1",
        "schedules": "/schedules",
        "schedule": f"/schedules/{plant_schedules(gallery)}",
        "schedule-form": "/schedules/new",
        "budgets": "/budgets",
        "devices": "/devices",
        "logins": "/logins",
        "appearance": "/appearance",
        "session": f"{gallery.address['files']}#end",
        "request": f"{gallery.address['ask-edit']}#end",
        "question": f"{gallery.address['ask-question']}#end",
        "mcp-form": f"{gallery.address['ask-form']}#end",
        "mcp-page": f"{gallery.address['ask-page']}#end",
        "rtl": f"{rtl}#end",
        "error": "/nowhere",
    }


def take_sheets(phone: Phone, stranger: Phone, gallery: Gallery) -> None:
    """Take the sheet of every page."""
    phone.forgiven.append("404")
    for name, address in addresses(gallery).items():
        take_sheet(phone.page, name, address, gallery)
    plant_configuration(gallery)
    for name, address in claude_addresses(gallery).items():
        take_sheet(phone.page, name, address, gallery)
    take_terminal(phone.page, gallery)
    for name in ("login", "pair"):
        take_sheet(stranger.page, name, f"/{name}", gallery)


def take_terminal(page: Page, gallery: Gallery) -> None:
    """Take the sheet of a terminal, and end it."""
    page.goto("/terminal")
    page.fill("#terminal-folder", str(gallery.sandbox.project))
    page.get_by_role("button", name="Open a terminal").click()
    page.locator("#terminal .xterm-screen").wait_for()
    address = page.url
    take_sheet(page, "terminal", address, gallery)
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(address)
    page.get_by_role("button", name="Terminal menu").click()
    page.get_by_role("button", name="End terminal").click()


def take_sheet(page: Page, name: str, address: str, gallery: Gallery) -> None:
    settings = page.context.new_cdp_session(page)
    figures = []
    for screen in SCREENS:
        page.set_viewport_size({"width": screen.width, "height": screen.height})
        page.emulate_media(color_scheme=screen.theme)
        sizes = {"standard": screen.letters, "fixed": screen.letters}
        settings.send("Page.setFontSizes", {"fontSizes": sizes})
        page.goto("about:blank")
        page.goto(address)
        if page.locator("#transcript").count():
            page.locator("body[data-link=online]").wait_for()
        screenshots.hide_names(page, gallery.sandbox)
        picture = base64.b64encode(page.screenshot(animations="disabled")).decode()
        figures.append(
            f'<figure><img src="data:image/png;base64,{picture}" width="{screen.width / 2}">'
            f"<figcaption>{screen.name}</figcaption></figure>"
        )
    settings.send("Page.setFontSizes", {"fontSizes": {"standard": 16, "fixed": 13}})
    settings.detach()
    browser = page.context.browser
    assert browser is not None
    viewport = {"width": WIDTH, "height": 700}
    context = browser.new_context(viewport=viewport, device_scale_factor=1.25)  # type: ignore[arg-type]
    sheet = context.new_page()
    sheet.set_content(f"<style>{STYLE}</style>{''.join(figures)}")
    height = sheet.evaluate("Math.ceil(document.body.getBoundingClientRect().bottom + 14)")
    sheet.set_viewport_size({"width": WIDTH, "height": height})
    screenshots.save(sheet, f"screens-{name}")
    context.close()
