"""A sandbox in which every address of the app leads to something: a project, a session, a draft.

A new route finds its values here by the names of its parts (`project_id`, `session_id`, …). A part
with a new name gets a line in `Populated.known`.
"""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from urllib.parse import quote, urlencode

from opcode_htmx.engines.claude.files.history import project_id
from opcode_htmx.features.agents.model import Agent
from opcode_htmx.features.agents.running.records import AgentRun, AgentRuns, Metrics, Status
from opcode_htmx.features.agents.store import NUMBERS, AgentStore, Numbers
from opcode_htmx.features.changes.review.store import (
    NEW,
    OF_PROJECTS,
    OF_SESSIONS,
    Comment,
    Reviews,
)
from opcode_htmx.features.claude_hooks import document
from opcode_htmx.features.commits import acts as git_acts
from opcode_htmx.features.races.records import Contestant, Race, Races, Stage
from opcode_htmx.features.saved_prompts.service import PromptLibrary
from opcode_htmx.lib.files.versioned_files import Place, VersionedFiles
from opcode_htmx.lib.git.discards import files as discards
from opcode_htmx.lib.git.snapshots import snapshot
from opcode_htmx.lib.git.snapshots.tree import WorkingTree, reference
from opcode_htmx.lib.git.worktrees import PLACE
from opcode_htmx.lib.identity import owner
from opcode_htmx.lib.pty import segments
from opcode_htmx.lib.pty.segments import SegmentWriter
from opcode_htmx.runs.options.profiles import Profile, SessionProfiles
from opcode_htmx.sessions.checkpoints.model import (
    Checkpoint,
    CheckpointKind,
    Record,
    Restored,
)
from opcode_htmx.sessions.checkpoints.store import CheckpointStore
from opcode_htmx.sessions.configuration import acts
from opcode_htmx.sessions.health import check as health_check
from opcode_htmx.sessions.health.check import Finding, Result
from opcode_htmx.sessions.repositories.job_files import JobFiles, Transfer
from opcode_htmx.sessions.repositories.job_files import Kind as Transfers
from opcode_htmx.sessions.repositories.job_files import State as States
from opcode_htmx.sessions.repositories.records import CloneRecord, CloneRecords
from opcode_htmx.sessions.schedules.model import OPEN, Occurrence, Schedule, State, Work
from opcode_htmx.sessions.schedules.store import ScheduleStore
from opcode_htmx.sessions.schedules.timing import Kind, Timing, checked
from opcode_htmx.sessions.storage.drafts import Drafts, draft_name
from opcode_htmx.sessions.terminals import settings as terminal_settings
from opcode_htmx.sessions.terminals.model import SCHEMA, Program, TerminalRecord
from opcode_htmx.sessions.terminals.store import RECORD
from opcode_htmx.sessions.worktrees.copies import copy_id
from opcode_htmx.sessions.worktrees.files import CopyFiles
from opcode_htmx.sessions.worktrees.kept_copies import KeptCopy
from opcode_htmx.sessions.worktrees.project_setup import ProjectSetup
from opcode_htmx.sessions.worktrees.records import CopyState, SessionWorktree, Setup
from opcode_htmx.web.origin.cors import API_FOLDERS
from tests.lib.git.commands.repo import Repo
from tests.security.access.doors import Door
from tests.security.projects.hostile_git import Trap
from tests.support import pdf
from tests.support.clients import api
from tests.support.environment import ROOT, SYSTEM_PATH, USER, Sandbox, state_dir
from tests.support.outside.git_server import GitServer, git

SESSION = "5e551000-0000-4000-8000-000000000001"
PROMPT, ANSWER = "prompt-1", "answer-1"
ICON = ROOT / "static" / "icon-192.png"
PLACES = ("/projects/<project_id>", "/projects/<project_id>/sessions/<session_id>")
LONG_WORD = "Donaudampfschifffahrtsgesellschaftskapitän" * 6
CHANGED = {"path": f"{LONG_WORD[:60]}/{LONG_WORD[:90]}.py"}
ACT = "2" * 32
QUERY = {"before": f"{ANSWER}-0"}
"""Parameters of pages that do not answer without them; each of the others is sent them as well."""
RULE = f"Bash(prune {LONG_WORD[:200]})"
HOOK = {"type": "command", "command": f"true {LONG_WORD}", "timeout": 5}
EVENT, MATCHER = "PostToolUse", "Edit"

CHANGED_FILE = f"{LONG_WORD[:100]}/{LONG_WORD[:100]}.txt"

SIGN_IN = "2" * 32
DELETED, UPLOAD = "5" * 32, "6" * 32
MARKDOWN = f"{LONG_WORD[:60]}/{LONG_WORD[:60]}.md"
"""A file of the project."""
PAPER = f"{LONG_WORD[:60]}/{LONG_WORD[:60]}.pdf"
"""Another one."""
FILES = "/projects/<project_id>/files/{}"
KEPT_COPY, RACE = "5" * 32, "6" * 32
SCHEDULE, TERMINAL = "3" * 32, "7" * 32
COMMENT = "4" * 12
BACKUP = "opcode-20261129-140200.tar.gz"
CLONE = f"{'orchard' * 12}__{'apples-' * 12}1"


@dataclass(frozen=True)
class Populated:
    """`project` is the folder of the session; `token` is that of a file in every draft.

    `saved_id` is the id of a saved prompt, `version_id` that of a version of the user's settings,
    `kept_id` that of discarded changes.
    """

    project: Path
    config_dir: Path
    token: str
    saved_id: str
    version_id: str
    kept_id: str

    @property
    def known(self) -> dict[str, str]:
        """Values for the parts of addresses, by name. Those of runs are well-formed only."""
        return {
            "project_id": project_id(self.project),
            "session_id": SESSION,
            "either_id": SESSION,
            "block_id": PROMPT,
            "token": self.token,
            "saved_id": self.saved_id,
            "filename": "style.css",
            "number": "0",
            "run_id": "1" * 32,
            "verb": "remove",
            "file_name": "settings-user",
            "version_id": self.version_id,
            "setting_name": "language",
            "memory_file": "memory-user",
            "scope": "user",
            "document": LONG_WORD[:60],
            "command_id": "user-prune",
            "subagent_id": f"user-{LONG_WORD[:60]}",
            "server": LONG_WORD[:60],
            "sign_in_id": SIGN_IN,
            "act_id": ACT,
            "kept_id": self.kept_id,
            "backup_name": BACKUP,
            "plugin_id": "greeter@orchard",
            "agent_id": "1",
            "agent_run": "1",
            "schedule_id": SCHEDULE,
            "until": "4000000000",
            "comment_id": COMMENT,
            "deleted_id": DELETED,
            "upload_id": UPLOAD,
            "worktree_id": copy_id(_garden(self.project) / PLACE / "copy"),
            "kept_copy": KEPT_COPY,
            "start_act": "again",
            "race_id": RACE,
            "contestant": "a",
            "repo": CLONE,
            "clone_worktree": f"{CLONE}__{SESSION}",
            "checkpoint": "1",
            "terminal_id": TERMINAL,
        }

    def address(self, door: Door) -> str:
        """The address of a door of the same app, with values that lead to something."""
        path = re.sub(r"<(?:\w+:)?(\w+)>", lambda part: self._value(door, part[1]), door.rule)
        return "?".join(filter(None, (path, self.query(door))))

    def query(self, door: Door) -> str:
        """The query string; the API refuses unknown parameters."""
        own = self.queries.get(door.rule, {})
        return urlencode(own if door.rule.startswith(API_FOLDERS) else {**QUERY, **own})

    @property
    def queries(self) -> dict[str, dict[str, str]]:
        """The parameters of pages that show nothing of their own without them, by their rules."""
        entry = document.Entry(EVENT, MATCHER, dict(HOOK), is_read=True)
        hook = {"scope": "user", "event": EVENT, "id": entry.id}
        rule = {"kind": "allow", "text": RULE, "scope": "user"}
        return {
            "/api/claude-md/read": {"file_path": str(self.config_dir / "CLAUDE.md")},
            "/api/projects/<project_id>/files/content": {"path": MARKDOWN},
            "/api/settings/permissions/rules/matches": rule,
            FILES.format("pdf-page"): {"path": PAPER, "page": "1"},
            **dict.fromkeys(map(FILES.format, ("edit", "open", "raw", "view")), {"path": MARKDOWN}),
            "/projects/<project_id>/sessions/<session_id>/checkpoints/<int:checkpoint>/file": {
                "file": base64.urlsafe_b64encode(b"pruned.txt").decode().rstrip("="),
                "against": "now",
            },
            "/projects/<project_id>/sessions/<session_id>/rewind": {"prompt": PROMPT},
            "/claude/hooks/hook": hook,
            "/claude/hooks/try": hook,
            "/claude/permissions": {"tool": "Bash", "subject": f"prune {LONG_WORD[:200]}"},
            "/claude/permissions/rule": rule,
            "/races/new": {"folder": str(_garden(self.project))},
            "/worktrees/settings": {"folder": str(_garden(self.project))},
            "/claude/trust/project": {"name": str(_trusted(self.project))},
            **{
                f"{place}/changes/{name}": CHANGED for place in PLACES for name in ("file", "lines")
            },
            "/api/projects/<project_id>/changes/diff": {"path": CHANGED["path"]},
            "/projects/<project_id>/git/file": {"path": CHANGED_FILE, "side": "unstaged"},
            "/api/projects/<project_id>/git/programs": {"act": "commit"},
        }

    def _value(self, door: Door, name: str) -> str:
        known = self.known.get(name)
        return door.values[name] if known is None else quote(known)


def populate(sandbox: Sandbox) -> Populated:
    """Write the files, with long texts wherever possible."""
    project = sandbox.project / LONG_WORD[:200]
    project.mkdir(exist_ok=True)
    api.session(sandbox.config_dir, project, "".join(_history(project)), SESSION)
    _documents(sandbox.config_dir)
    _settings(sandbox.config_dir)
    _failed_act(sandbox)
    _schedules(sandbox, project)
    draft, saved_id = _draft(sandbox, project), _saved_prompt(sandbox, project)
    _mcp_servers(sandbox)
    _files(sandbox, project)
    _agent(sandbox, project)
    kept_id = _git_pages(sandbox, project)
    _plant(sandbox, project)
    _copies(sandbox, project)
    _checkpoints(sandbox, project)
    _changes(sandbox, project)
    _trust(sandbox.config_dir, _trusted(project))
    _clones(sandbox)
    _health(sandbox)
    _terminal(sandbox, project)
    _backup(sandbox)
    return Populated(project, sandbox.config_dir, draft, saved_id, _version(sandbox), kept_id)


def _health(sandbox: Sandbox) -> None:
    """A self-check that has found a thing in each state."""
    facts = {LONG_WORD: LONG_WORD, "Version": "1.2.3"}
    results = [
        Result(
            state,
            state.title(),
            Finding(state, f"Found {LONG_WORD}.", "Mend it.", f"rm {LONG_WORD}", facts),
        )
        for state in health_check.State
    ]
    content = {
        "version": 1,
        "at": time.time() - 60,
        "results": [each.as_json() for each in results],
    }
    (sandbox.state / "health.json").write_text(json.dumps(content))


def _history(project: Path) -> Iterator[str]:
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


def _version(sandbox: Sandbox) -> str:
    """The id of an earlier version of the user's settings."""
    files = VersionedFiles(state_dir(sandbox.state).folder("file_versions"))
    place = Place(sandbox.config_dir / "settings.json")
    before = files.read(place)
    first = files.save(place, json.dumps({"language": LONG_WORD, "env": {}}), before.revision)
    files.save(place, before.text or "{}\n", first.revision)
    return files.versions(place)[0].id


def _failed_act(sandbox: Sandbox) -> None:
    folder = state_dir(sandbox.state).folder(acts.FOLDER)
    folder.mkdir(parents=True)
    act = acts.Act(ACT, "Install it", "/claude/plugins", 0.0, "failed", f"No {LONG_WORD}")
    acts.SCHEMA.write(folder / f"{ACT}.json", asdict(act))


def _git_pages(sandbox: Sandbox, project: Path) -> str:
    """Make the project a repository with something on every page; gives the id of what is kept."""
    repo = Repo(project).make()
    lines = [f"{number} {LONG_WORD}\n" for number in range(30)]
    repo.write(CHANGED_FILE, "".join(lines))
    repo.write(".gitignore", f"{LONG_WORD}.log\n")
    repo.commit(f"Prune the trees {LONG_WORD}")
    repo.plain("branch", f"prune/{LONG_WORD[:60]}")
    repo.write(CHANGED_FILE, "stashed")
    repo.plain("stash", "push", "-q", "-m", f"Water {LONG_WORD}")
    repo.write(CHANGED_FILE, f"discarded {LONG_WORD}")
    kept_id = discards.discard_files(repo.git(), repo.state().unstaged, f"Prune {LONG_WORD}")
    repo.write("staged.txt", f"staged {LONG_WORD}\n")
    repo.plain("add", "staged.txt")
    lines[4:6] = [f"new {LONG_WORD}\n"]
    repo.write(CHANGED_FILE, "".join(lines))
    repo.plain("remote", "add", "origin", f"https://github.com/{LONG_WORD[:30]}/orchard.git")
    hook = repo.write(".git/hooks/pre-commit", "#!/bin/sh\n")
    hook.chmod(0o755)
    act = git_acts.Act(
        ACT, project_id(project), "Push", "/", "failed", f"No {LONG_WORD}", LONG_WORD
    )
    folder = state_dir(sandbox.state).folder("git_acts")
    folder.mkdir(parents=True)
    git_acts.SCHEMA.write(folder / f"{ACT}.json", asdict(act))
    return kept_id


def _agent(sandbox: Sandbox, project: Path) -> None:
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


def _backup(sandbox: Sandbox) -> None:
    path = state_dir(sandbox.state).folder("backups") / BACKUP
    path.parent.mkdir(parents=True)
    path.write_bytes(b"a backup")


def _terminal(sandbox: Sandbox, project: Path) -> None:
    """A terminal that has ended, with the last lines of its output."""
    folder = state_dir(sandbox.state).folder(terminal_settings.FOLDER.name) / TERMINAL
    folder.mkdir(parents=True)
    record = TerminalRecord(TERMINAL, Program.SHELL, str(project), api.NOON, owner(USER))
    SCHEMA.write(folder / RECORD, record.as_json())
    writer = SegmentWriter(folder / segments.FOLDER, 80, 24)
    writer.data(b"pruned 7 trees\r\n")
    writer.end(1, api.NOON)


PLANTED = [f"def prune(): # {number}" for number in range(60)]


def _plant(sandbox: Sandbox, project: Path) -> None:
    """A file with a long name in the last commit of the project's repository."""
    repository, path = Trap(sandbox.home, project), CHANGED["path"]
    repository.write(path, "\n".join(PLANTED))
    repository.git("add", "--", path)
    repository.git("commit", "--quiet", "--message", "Plant", "--", path)


def _changes(sandbox: Sandbox, project: Path) -> None:
    """A long line in that file that was changed after the session began, and a comment on it."""
    path, lines = CHANGED["path"], [*PLANTED]
    lines[30] = f"{LONG_WORD} = 1"
    Trap(sandbox.home, project).write(path, "\n".join(lines))
    state = state_dir(sandbox.state)
    reviews = Reviews(state.folder(OF_SESSIONS), state.folder(OF_PROJECTS))
    comment = Comment(COMMENT, quote(path), NEW, 31, 31, lines[30], f"Prune it {LONG_WORD}")
    for session_id in (SESSION, ""):
        reviews.keep(session_id, project, comment)


def _checkpoints(sandbox: Sandbox, project: Path) -> None:
    """A checkpoint before the session's prompt, after which a file was changed; and two others."""
    state = state_dir(sandbox.state)
    store = CheckpointStore(state.folder("checkpoints"), state.folder("checkpoint_projects.json"))
    trees = state.folder("checkpoint_trees")
    trees.mkdir(parents=True, exist_ok=True)
    changed, long_name = project / "pruned.txt", project / f"{LONG_WORD[:60]}.txt"
    changed.write_text(f"{LONG_WORD}\n" * 3)
    tree = WorkingTree.of(project, trees, {"PATH": SYSTEM_PATH, "HOME": str(sandbox.home)})
    taken = snapshot.take(tree, {})
    for number in (1, 2, 3):
        tree.keep(reference(SESSION, number), taken.commit)
    changed.write_text(f"{LONG_WORD}\n")
    long_name.write_text("made later")
    first = Checkpoint(
        1, taken.commit, CheckpointKind.PROMPT, api.NOON, 0.1, str(tree.top), files=1, size=9,
        prompt_id=PROMPT, prompt=f"Prune the trees {LONG_WORD}", late=True, settled=True,
    )  # fmt: skip
    second = replace(
        first, number=2, kind=CheckpointKind.MANUAL, parent=1, changed=2, prompt_id="",
        late=False, description=LONG_WORD[:200], prompt="",
    )  # fmt: skip
    undo = replace(second, number=3, kind=CheckpointKind.UNDO, target=2, description="")
    restored = Restored(api.NOON, 3, 2, 1, {LONG_WORD: "ignored"}, 1)
    record = Record((first, second, undo), 1, 3, None, restored, f"No {LONG_WORD}")
    store.change(SESSION, lambda _: record)


def _schedules(sandbox: Sandbox, project: Path) -> None:
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


def _files(sandbox: Sandbox, project: Path) -> None:
    """Two files of the project, one that was deleted, and an upload that is undecided."""
    path = project / MARKDOWN
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"# {LONG_WORD}\n\n[{LONG_WORD}](x.md) `{LONG_WORD}`\n", encoding="utf-8")
    (project / PAPER).write_bytes(pdf.document())
    state, root = state_dir(sandbox.state), str(project.resolve())
    deleted, upload = state.folder("file_trash") / DELETED, state.folder("file_uploads") / UPLOAD
    for folder in (deleted, upload):
        folder.mkdir(parents=True)
    facts = {"root": root, "path": f"{LONG_WORD}.txt", "what": "a file", "at": time.time()}
    kept = {"version": 1, "id": DELETED, "was_replaced": False, **facts}
    (deleted / "facts.json").write_text(json.dumps(kept))
    (deleted / "content").write_text(LONG_WORD)
    undecided = {"id": UPLOAD, "root": root, "path": "", "files": [f"{LONG_WORD}.txt"]}
    (upload / "facts.json").write_text(json.dumps({"version": 1, **undecided}))
    (upload / "0").write_text(LONG_WORD)


def _garden(project: Path) -> Path:
    """A repository beside the project."""
    return project.parent / "garden"


def _copies(sandbox: Sandbox, project: Path) -> None:
    """A worktree with long names whose session could not begin, one that was removed, a race."""
    state, top = state_dir(sandbox.state), _garden(project).resolve()
    path, branch = top / PLACE / "copy", f"prune/{LONG_WORD[:120]}"
    top.mkdir(exist_ok=True)
    (top / "tree").write_text("x\n")
    who = ("-c", "user.name=a", "-c", "user.email=a@b")
    for command in (
        ("init", "-q", "-b", "main"),
        ("add", "-A"),
        (*who, "commit", "-qm", "x"),
        ("worktree", "add", "-q", "-b", branch, str(path)),
        (*who, "-C", str(path), "commit", "-q", "--allow-empty", "-m", f"Prune {LONG_WORD}"),
    ):
        subprocess.run(
            ["/usr/bin/env", "git", *command], cwd=top, env=sandbox.environment(), check=True
        )
    (path / LONG_WORD[:100]).write_text("x\n")
    files = CopyFiles.of(state)
    record = SessionWorktree(
        SESSION, str(top), str(top), str(path), str(path), branch, "main", "0" * 40, api.NOON,
        CopyState.MADE, USER, PROMPT, f"Prune {LONG_WORD}", {}, 1, Setup.FAILED, LONG_WORD,
        (LONG_WORD,), RACE,
    )  # fmt: skip
    files.records.add(record)
    files.setups.set(ProjectSetup(str(top), (LONG_WORD[:200],), f"npm {LONG_WORD}"))
    files.outputs.mkdir(parents=True, exist_ok=True)
    (files.outputs / SESSION).write_text(f"{LONG_WORD}\n")
    files.kept.put(
        KeptCopy(KEPT_COPY, time.time(), str(top), str(path.with_name("x")), branch, "main",
                 SESSION, "0" * 40)
    )  # fmt: skip
    contestants = (
        Contestant("a", SESSION, PROMPT, LONG_WORD[:60], LONG_WORD, Stage.BEGUN),
        Contestant("b", ACT, PROMPT, "", "", Stage.FAILED, f"No {LONG_WORD}"),
    )
    race = Race(RACE, api.NOON, str(top), f"Prune {LONG_WORD}", "main", "0" * 40, contestants)
    Races(state.folder("races")).add(race)


def _mcp_servers(sandbox: Sandbox) -> None:
    """A server of the user with long texts, and a sign-in that has begun."""
    name = LONG_WORD[:60]
    definition = {"command": LONG_WORD, "args": [LONG_WORD], "env": {LONG_WORD: "x"}}
    (sandbox.config_dir / ".claude.json").write_text(json.dumps({"mcpServers": {name: definition}}))
    sign_in = {
        "version": 1,
        "id": SIGN_IN,
        "server": name,
        "scope": "user",
        "folder": "",
        "url": f"https://{LONG_WORD[:60]}.example/authorize",
        "state": "s",
        "redirect": "http://localhost:1/callback",
        "is_ours": True,
        "until": time.time() + 3600,
    }
    folder = sandbox.state / "mcp_sign_ins"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{SIGN_IN}.json").write_text(json.dumps(sign_in))


def _settings(config_dir: Path) -> None:
    """A rule, a hook and variables of the user."""
    hooks = {EVENT: [{"matcher": MATCHER, "hooks": [HOOK]}]}
    content = {"permissions": {"allow": [RULE]}, "hooks": hooks, "env": {LONG_WORD: LONG_WORD}}
    (config_dir / "settings.json").write_text(json.dumps(content), encoding="utf-8")


def _clones(sandbox: Sandbox) -> None:
    """A clone with a worktree in which something is only there, and one that has failed."""
    folder, state = sandbox.project / "opcode", state_dir(sandbox.state)
    remote = GitServer(folder / "repos").repository(CLONE)
    path = remote.rename(folder / "repos" / CLONE)
    worktree = folder / "worktrees" / f"{CLONE}__{SESSION}"
    git(path, "worktree", "add", "-q", "-b", LONG_WORD[:80], str(worktree), "main")
    (worktree / LONG_WORD[:200]).write_text("x")
    url = f"https://{LONG_WORD[:60]}.example/{'apples' * 40}"
    record = CloneRecord(CLONE, url, 1.0, 1.0, 1.0, branches=1234, branch=LONG_WORD[:80])
    CloneRecords(state.folder("repositories")).write(record)
    failed = Transfer("o__pears", url, Transfers.CLONE, States.FAILED, 1.0, error=LONG_WORD)
    (sandbox.home / "opcode").symlink_to(folder)  # where a server without a setting looks for it
    JobFiles(state.folder("clones")).write(replace(failed, said=f"{LONG_WORD}\n" * 20))


def _trusted(project: Path) -> Path:
    """A folder beside the project's parent, so that the project itself is not trusted."""
    return project.parent.parent / f"trusted-{LONG_WORD[:60]}"


def _trust(config_dir: Path, folder: Path) -> None:
    """A trusted folder with a rule of its own."""
    settings = folder / ".claude" / "settings.json"
    settings.parent.mkdir(parents=True, exist_ok=True)
    settings.write_text(json.dumps({"permissions": {"allow": [RULE]}}), encoding="utf-8")
    path = config_dir / ".claude.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    content["projects"] = {str(folder): {"hasTrustDialogAccepted": True}}
    path.write_text(json.dumps(content), encoding="utf-8")


def _documents(config_dir: Path) -> None:
    """A command, a skill and a subagent of the user, with one name, and the user's CLAUDE.md."""
    name = LONG_WORD[:60]
    header = f"---\nname: {name}\ndescription: Prunes {LONG_WORD}\n---\n"
    for file in (f"commands/{name}.md", f"skills/{name}/SKILL.md", f"agents/{name}.md"):
        path = config_dir / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{header}Prune the trees. {LONG_WORD}\n", encoding="utf-8")
    (config_dir / "commands" / "prune.md").write_text("Prune the trees.\n", encoding="utf-8")
    text = f"Prune the trees. {LONG_WORD}\n\n| a | b |\n|---|---|\n| 1 | 2 |\n"
    (config_dir / "CLAUDE.md").write_text(text, encoding="utf-8")


def _saved_prompt(sandbox: Sandbox, project: Path) -> str:
    """The id of a prompt that is saved for the project; another one is for all projects."""
    library = PromptLibrary(state_dir(sandbox.state).folder("saved_prompts"))
    library.add(USER, f"Prune the trees {LONG_WORD}", LONG_WORD[:80])
    return library.add(USER, f"Water the trees {LONG_WORD}", folder=str(project)).id


def _draft(sandbox: Sandbox, project: Path) -> str:
    """The token of a file that lies in every draft."""
    root = state_dir(sandbox.state).folder("drafts")
    drafts, name = Drafts(root), draft_name("")
    drafts.save_text(name, f"Water them, too {LONG_WORD}", folder=str(project))
    file = drafts.add_file(name, f"{LONG_WORD}.png", ICON.read_bytes(), "image/png")
    for other in (SESSION, draft_name(project_id(project))):
        shutil.copytree(root / name, root / other)
    return file.token
